"""The preview: frames with what is seen in them, in a window of Tk, which Python brings along."""

from typing import TYPE_CHECKING, Type, Union

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from edgekit.camera.watch import Sighting
from edgekit.devices.prediction import spoken
from edgekit.errors import DeviceError

if TYPE_CHECKING:  # needs Tk, which a board may lack
    from PIL.ImageTk import PhotoImage

# Longest side of the preview in pixels.
_SIDE = 960


def overlay(sighting: Sighting) -> Image.Image:
    """The frame, small enough for a screen, with label, score, frames per second and device on it."""
    image = Image.fromarray(np.ascontiguousarray(sighting.frame.pixels)).convert("RGB")
    image.thumbnail((_SIDE, _SIDE))
    size = max(12, image.height // 20)
    draw = ImageDraw.Draw(image, "RGBA")
    best = sighting.classes[0] if sighting.classes else None
    said = f"{best.label}  {best.score:.0%}" if best else "nothing seen"
    _line(draw, said, image.height - 2 * size, size)
    _line(draw, f"{sighting.fps:.0f} fps  {spoken(sighting.prediction.device)}", 0, size)
    return image


def _line(draw: ImageDraw.ImageDraw, text: str, top: int, size: int) -> None:
    width = draw.im.size[0]
    draw.rectangle((0, top, width, top + 2 * size), fill=(0, 0, 0, 150))
    draw.text((size // 2, top + size // 3), _plain(text), fill=(255, 255, 255, 255), font=_font(size))


def _plain(text: str) -> str:
    """Text that Pillow's oldest built-in font can draw too."""
    return text.encode("latin-1", "replace").decode("latin-1")


def _font(size: int) -> Union[ImageFont.ImageFont, ImageFont.FreeTypeFont]:
    try:
        return ImageFont.load_default(size)
    except TypeError:  # before Pillow 10.1 the built-in font has one size
        return ImageFont.load_default()


class Window:
    """A window that shows the newest sighting; to be used on one thread.

    Attributes:
      open: False once the user has closed it.
    """

    def __init__(self, title: str) -> None:
        """Opens it. Raises DeviceError where there is no screen."""
        try:
            import tkinter

            from PIL import ImageTk

            self._root = tkinter.Tk()
        except Exception as error:  # no Tk, or no screen: TclError can only be named where Tk is there
            raise DeviceError(
                f"No preview window can be opened: {error}.",
                "Use --headless, or install Tk (on Debian: apt install python3-tk python3-pil.imagetk).",
            ) from error
        self.open = True
        self._photo_class: Type[PhotoImage] = ImageTk.PhotoImage
        self._label = tkinter.Label(self._root)
        self._label.pack()
        self._root.title(title)
        self._root.protocol("WM_DELETE_WINDOW", self.close)
        for key in ("<Escape>", "q"):
            self._root.bind(key, lambda event: self.close())

    def __call__(self, sighting: Sighting) -> None:
        """Shows a sighting, and notices keys and clicks."""
        if self.open:
            self._photo = self._photo_class(overlay(sighting))  # Tk draws it only while it is kept
            self._label.configure(image=self._photo)
            self._root.update()

    def close(self) -> None:
        """Closes it."""
        if self.open:
            self.open = False
            self._root.destroy()
