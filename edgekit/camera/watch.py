"""The loop: newest frame in, sighting out; a lost camera is looked for, a new model taken up."""

import threading
from dataclasses import dataclass, field
from time import monotonic
from typing import Callable, Iterator, Optional, Tuple

from edgekit.camera.mailbox import Mailbox
from edgekit.camera.smoothing import Smoother
from edgekit.camera.sources import Frame, Source, back_off
from edgekit.devices import Classifier, ClassScore, Prediction
from edgekit.errors import EdgekitError, ImageError, UsageError

#: Tells a person what happens: the camera is lost, is back, the model was loaded again.
Notify = Callable[[str], None]

# Classes that smoothing is made of.
_CLASSES = 10


@dataclass
class Tally:
    """What became of the frames.

    Attributes:
      classified: frames that were answered.
      corrupt: frames that could not be decoded.
      dropped: frames that newer ones replaced before their turn.
      lost: how often the camera was lost.
      missing: frames that a video file announces and lacks: it breaks off.
    """

    classified: int = 0
    corrupt: int = 0
    dropped: int = 0
    lost: int = 0
    missing: int = 0


@dataclass(frozen=True)
class Control:
    """How others steer a loop, from signal handlers or other threads.

    Attributes:
      stop: when set, the loop ends.
      reload: when set, the model is opened anew before the next frame.
      tally: what became of the frames so far.
    """

    stop: threading.Event = field(default_factory=threading.Event)
    reload: threading.Event = field(default_factory=threading.Event)
    tally: Tally = field(default_factory=Tally)


@dataclass(frozen=True)
class Sighting:
    """One classified frame.

    Attributes:
      frame: what was seen.
      prediction: the model's answer for this frame alone.
      classes: the answer smoothed over frames, best first.
      fps: frames classified in a second, of late.
    """

    frame: Frame
    prediction: Prediction
    classes: Tuple[ClassScore, ...]
    fps: float


def watch(
    source: Source, open_classifier: Callable[[], Classifier], control: Control, *, past: float, notify: Notify
) -> Iterator[Sighting]:
    """Classifies a source's frames until it ends or `control.stop` is set.

    Of a live source always the newest frame is taken; files are classified frame by frame. A live source
    that is lost is opened again, with growing pauses.

    Args:
      source: an open source; closed at the end.
      open_classifier: opens the model, now and at each reload.
      control: stops, reloads, counts.
      past: the share that earlier frames keep in the scores, from 0 to less than 1.
      notify: told when something happens that a person should know.

    Raises:
      UsageError: `past` is out of its range.
      EdgekitError: as Classifier, where the model cannot be opened or fails.
    """
    if not 0 <= past < 1:
        raise UsageError(f"Smoothing by {past:g} is not possible.", "Give 0 (none) or more, and less than 1.")
    try:
        classifier, smooth, rate = open_classifier(), Smoother(past), Rate()
    except EdgekitError:
        source.close()
        raise
    box = Mailbox(replace=source.live)
    reader = threading.Thread(target=_read, args=(source, box, control, notify), name="edgekit-frames", daemon=True)
    reader.start()
    try:
        for frame in _frames(box, control):
            if control.reload.is_set():
                control.reload.clear()  # before the file is read: who replaces it meanwhile is heard again
                classifier, smooth = _reloaded(classifier, open_classifier, notify), Smoother(past)
            try:
                prediction = classifier.classify(frame.pixels, _CLASSES)
            except ImageError:
                control.tally.corrupt += 1
                continue
            control.tally.classified += 1
            yield Sighting(frame, prediction, smooth(prediction.classes), rate.tick(monotonic()))
    finally:
        control.stop.set()
        box.close()
        reader.join(timeout=2)  # a camera that hangs is left to itself
        classifier.close()


class Rate:
    """Events in a second, of late."""

    def __init__(self) -> None:
        self._last: Optional[float] = None
        self._interval = 0.0

    def tick(self, now: float) -> float:
        """The rate, an event at `now` (seconds of any clock) counted; 0 at the first."""
        if self._last is not None:
            past = 0.9 if self._interval else 0.0
            self._interval = past * self._interval + (1 - past) * (now - self._last)
        self._last = now
        return 1 / self._interval if self._interval else 0.0


def _frames(box: Mailbox, control: Control) -> Iterator[Frame]:
    """The frames until the source ends or the loop is stopped. It never waits long: signals must get through."""
    while not control.stop.is_set():
        ended = box.closed
        frame = box.take(timeout=0.2)
        control.tally.dropped = box.dropped
        if frame is not None:
            yield frame
        elif ended:
            return


def _reloaded(old: Classifier, open_classifier: Callable[[], Classifier], notify: Notify) -> Classifier:
    """The model opened anew, or the old one where that fails."""
    try:
        new = open_classifier()
    except EdgekitError as error:
        notify(f"The model was not loaded again; the old one goes on. {error}")
        return old
    old.close()
    notify("The model was loaded again.")
    return new


def _read(source: Source, box: Mailbox, control: Control, notify: Notify) -> None:
    """Fills the mailbox until the source ends, is stopped, or nobody takes frames any more."""
    try:
        while True:
            for frame in source.frames():
                if control.stop.is_set() or (frame and not box.put(frame)):
                    return
                control.tally.corrupt += frame is None
            if not source.live:
                _note_missing(source, control, notify)
                return
            if not _found_again(source, control, notify):
                return
    finally:
        source.close()
        box.close()


def _note_missing(source: Source, control: Control, notify: Notify) -> None:
    control.tally.missing = source.missing
    if source.missing:
        notify(f"{source.name} breaks off: {source.missing} frames that it announces are missing.")


def _found_again(source: Source, control: Control, notify: Notify) -> bool:
    """Opens a lost source again; False where the loop was stopped meanwhile."""
    control.tally.lost += 1
    lost = monotonic()
    for wait in back_off():
        notify(f"{source.name} is lost; trying again in {wait:g} s.")
        if control.stop.wait(wait):
            return False
        try:
            source.open()
        except EdgekitError:
            continue
        notify(f"{source.name} is back after {monotonic() - lost:.1f} s.")
        return True
    return False
