"""Images as files hold them."""

import io

from PIL import Image


def encoded(colour=(9, 200, 9), kind="PNG", size=(20, 10)):
    """An image of one colour, as the bytes of a file."""
    stream = io.BytesIO()
    Image.new("RGB", size, colour).save(stream, kind)
    return stream.getvalue()
