"""Where frames come from: a camera, a stream, a video file, or a folder of images."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Iterator, List, Optional, Tuple, Union

import numpy as np

from edgekit.errors import DataError, DeviceError, MissingDependencyError, UsageError
from edgekit.image import decode, images_in
from edgekit.install import install_command

# Milliseconds that a stream may take to open, and to send its next frame.
_STREAM_PATIENCE_MS = 5000

# Numbers of OpenCV's properties CAP_PROP_POS_MSEC, CAP_PROP_FPS and CAP_PROP_FRAME_COUNT, the same in all its releases.
_POSITION_MS, _FRAME_RATE, _FRAME_COUNT = 0, 5, 7

# A video is not called broken for lacking this share of the frames that OpenCV estimates.
_TOLERANCE = 0.02

_PASSWORD = re.compile(r"(?<=://)[^/]*@")


if TYPE_CHECKING:  # not known to Python 3.7
    from typing import Protocol  # novm

    class Capture(Protocol):
        """What is used of OpenCV's `VideoCapture`."""

        def isOpened(self) -> bool:  # noqa: N802, OpenCV's name
            """Whether it could be opened."""

        def grab(self) -> bool:
            """Takes the next frame, if there is one."""

        def retrieve(self) -> Tuple[bool, Optional[np.ndarray]]:
            """Decodes the frame that was taken."""

        def get(self, property_id: int) -> float:
            """A property, 0 where it is not known."""

        def release(self) -> None:
            """Closes it."""


@dataclass(frozen=True)
class Frame:
    """One image of a source.

    Attributes:
      number: its place in the source, from 0, frames that could not be read counted.
      name: what a person calls it: the file, or the source and the number.
      pixels: uint8, (height, width, 3), RGB.
    """

    number: int
    name: str
    pixels: np.ndarray


class Folder:
    """The images of a folder, in the order of their names.

    Attributes:
      name: what a person calls the source.
      live: whether frames that nobody takes are lost; those of files wait.
      missing: how many frames it lacked at its end.
    """

    live, missing = False, 0

    def __init__(self, folder: Path) -> None:
        """Finds the images. Raises DataError where there are none."""
        self.name = str(folder)
        self._files = images_in(folder)
        if not self._files:
            raise DataError(f"There are no images in the folder {folder}.")

    def open(self) -> None:
        """Nothing to do; cameras are opened again when they were lost."""

    def frames(self) -> Iterator[Optional[Frame]]:
        """The frames, None for each that cannot be decoded."""
        for number, file in enumerate(self._files):
            try:
                yield Frame(number, str(file), np.asarray(decode(file)))
            except DataError:
                yield None

    def close(self) -> None:
        """Nothing to do."""


class Video:
    """What OpenCV opens: a camera by its number, a stream by its address, a video file.

    Attributes:
      name: what a person calls the source, without the password in its address.
      live: whether frames that nobody takes are lost; those of files wait.
      missing: how many of the frames that a file announces were not there when it ended.
    """

    def __init__(self, source: Union[int, str], *, live: bool) -> None:
        """A source that is not yet open."""
        self.name = f"camera {source}" if isinstance(source, int) else _PASSWORD.sub("", source)
        self.live = live
        self.missing = 0
        self._source, self._number = source, 0
        self._capture: Optional[Capture] = None

    def open(self) -> None:
        """Opens it, once more after it was lost.

        Raises:
          DeviceError: the camera or the stream does not answer.
          DataError: the file is no video.
        """
        cv2 = _opencv()
        self.close()
        stream = isinstance(self._source, str) and self.live
        options = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _STREAM_PATIENCE_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC]
        options = [cv2.CAP_FFMPEG, [*options, _STREAM_PATIENCE_MS]] if stream else []
        self._capture = cv2.VideoCapture(self._source, *options)
        if not self._capture.isOpened():
            if not self.live:
                raise DataError(f"{self.name} is not a video that OpenCV can open.")
            raise DeviceError(
                f"There is no answer from {self.name}.", "Is it connected, allowed for this user, and used by no other?"
            )

    def frames(self) -> Iterator[Optional[Frame]]:
        """The frames until the source ends or is lost, None for each that cannot be decoded."""
        capture, last_ms = self._capture, 0.0
        while capture is not None and capture.grab():
            number, self._number = self._number, self._number + 1
            found, pixels = capture.retrieve()
            last_ms = capture.get(_POSITION_MS)
            if not found or pixels is None or pixels.ndim != 3 or not pixels.size:
                yield None
            else:  # OpenCV gives blue, green, red
                yield Frame(number, f"{self.name} #{number}", pixels[..., 2::-1].copy())
        if capture is not None and not self.live:
            self.missing = _missing(self._number, last_ms, capture)

    def close(self) -> None:
        """Gives the camera back."""
        if self._capture is not None:
            self._capture.release()


def _missing(read: int, last_ms: float, capture: "Capture") -> int:
    """How many frames a video file announces beyond those `read`, the last of them at `last_ms`.

    Some formats know only the duration, from which OpenCV estimates the number, so that both must fall short.
    """
    announced, rate = capture.get(_FRAME_COUNT), capture.get(_FRAME_RATE)
    if not read:
        return max(1, round(announced))
    slack = max(1.0, _TOLERANCE * announced)
    last_frame = last_ms / 1000 * rate if last_ms > 0 and rate > 0 else read - 1
    short = read < announced - slack and last_frame < announced - 1 - slack
    return round(announced) - read if short else 0


Source = Union[Folder, Video]


def open_source(text: str) -> Source:
    """Opens a source: `0` for the first camera, `rtsp://…`, a video file, or a folder of images.

    Raises:
      UsageError: it is none of these.
      MissingDependencyError: it needs OpenCV, which is not installed.
      DeviceError, DataError: it cannot be opened.
    """
    source = _source(text)
    source.open()
    return source


def _source(text: str) -> Source:
    if text.isdecimal() and len(text) <= 3:
        return Video(int(text), live=True)
    if re.match(r"(rtsps?|rtmp|https?|udp|tcp)://", text):
        return Video(text, live=True)
    if text.startswith("/dev/"):
        return Video(text, live=True)
    if os.path.isdir(text):
        return Folder(Path(text))
    if os.path.isfile(text):
        return Video(text, live=False)
    raise UsageError(
        f"{text!r} is no source of frames.",
        "Give the number of a camera (0), a stream (rtsp://…), a video file, or a folder of images.",
    )


def _opencv() -> ModuleType:
    """The module `cv2`, told to keep its remarks to itself: a lost camera is told by `watch`."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    try:
        import cv2
    except ImportError as error:
        raise MissingDependencyError(
            f"Cameras and videos need OpenCV, which does not load ({error}).",
            f"Install it: {install_command('camera')} (on a Coral Dev Board: apt install python3-opencv).",
        ) from error
    return cv2


def back_off() -> Iterator[float]:
    """Seconds to wait before each attempt to find a lost camera again."""
    waits: List[float] = [0.5, 1, 2, 4, 8, 15]
    yield from waits
    while True:
        yield 30
