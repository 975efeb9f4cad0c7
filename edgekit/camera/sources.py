"""Where frames come from: a camera, a stream, a video file, or a folder of images."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator, List, Optional, Union

import numpy as np
from PIL import Image

from edgekit.errors import DataError, DeviceError, MissingDependencyError, UsageError
from edgekit.image import decode
from edgekit.install import install_command

# Milliseconds that a stream may take to open, and to send its next frame.
_STREAM_PATIENCE_MS = 5000

_PASSWORD = re.compile(r"(?<=://)[^/]*@")


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
    """

    live = False

    def __init__(self, folder: Path) -> None:
        """Finds the images. Raises DataError where there are none."""
        suffixes = set(Image.registered_extensions())
        self.name = str(folder)
        self._files = [file for file in sorted(folder.rglob("*")) if file.suffix.lower() in suffixes and file.is_file()]
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
    """

    def __init__(self, source: Union[int, str], *, live: bool) -> None:
        """A source that is not yet open."""
        self.name = f"camera {source}" if isinstance(source, int) else _PASSWORD.sub("", source)
        self.live = live
        self._source, self._number = source, 0
        self._capture: Any = None

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
        while self._capture.grab():
            number, self._number = self._number, self._number + 1
            found, pixels = self._capture.retrieve()
            readable = found and pixels is not None and pixels.ndim == 3 and pixels.size
            # OpenCV gives blue, green, red.
            yield Frame(number, f"{self.name} #{number}", pixels[..., 2::-1].copy()) if readable else None

    def close(self) -> None:
        """Gives the camera back."""
        if self._capture is not None:
            self._capture.release()


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


def _opencv() -> Any:
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
