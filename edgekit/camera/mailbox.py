"""A place for one frame between the thread that reads and the one that classifies."""

import threading
from typing import Optional

from edgekit.camera.sources import Frame


class Mailbox:
    """Holds one frame at most; the newest wins, or the reader waits.

    Attributes:
      dropped: frames replaced before anybody took them.
      closed: whether no more frames will come.
    """

    def __init__(self, *, replace: bool) -> None:
        """Empty. With `replace` a new frame takes the place of one that waits; else `put` waits."""
        self.dropped = 0
        self._replace = replace
        self._frame: Optional[Frame] = None
        self.closed = False
        self._changed = threading.Condition()

    def put(self, frame: Frame) -> bool:
        """Leaves a frame; False once the mailbox is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self.closed or self._replace or self._frame is None)
            if self.closed:
                return False
            self.dropped += self._frame is not None
            self._frame = frame
            self._changed.notify_all()
            return True

    def take(self, timeout: float) -> Optional[Frame]:
        """The frame, waited for at most so many seconds; None where none came."""
        with self._changed:
            self._changed.wait_for(lambda: self.closed or self._frame is not None, timeout)
            frame, self._frame = self._frame, None
            self._changed.notify_all()
            return frame

    def close(self) -> None:
        """Lets everybody go. A frame that waits can still be taken."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()
