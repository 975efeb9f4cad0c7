"""Whether a loaded model is an image classifier: the checks that all formats share."""

import math
from collections.abc import Sequence

from edgekit.errors import UnsupportedModelError
from edgekit.preprocess import InputSpec

#: A shape with None (or -1) where a size is open.
Shape = Sequence[int | None]
_ONE_INPUT = "edgekit converts classifiers that take one image."
#: Channels of images.
_GREY, _COLOUR = 1, 3


def image_spec(name: str, shape: Shape, size: tuple[int, int] | None, *, reshaped: bool = False) -> InputSpec:
    """The input of a model as an InputSpec with neutral scaling.

    Args:
      name: the file, for messages.
      shape: of the input, batch first.
      size: (height, width) that the user asked for, where the model leaves it open.
      reshaped: whether the first thing that the model does is to give its input another shape. An input (batch,
        height, width) is then a grey image without its axis of channels, and no sequence.

    Raises:
      UnsupportedModelError: not one NHWC image of 1 or 3 channels, or of open size without `size`.
    """
    dims = [None if dim is None or dim < 0 else int(dim) for dim in shape]
    if len(dims) == 3 and reshaped:
        dims = [*dims, _GREY]
    if len(dims) != 4:
        what = f"{name} takes an input of shape {drawn(dims)}, which is no image."
        raise UnsupportedModelError(what, _as_image(dims) or _ONE_INPUT)
    _, height, width, channels = dims
    if channels not in (1, 3):
        raise UnsupportedModelError(*_channel_problem(name, dims))
    fixed = (height, width)
    if size is not None and any(dim not in (None, asked) for dim, asked in zip(fixed, size)):
        raise UnsupportedModelError(
            f"{name} takes images of {height}x{width} only, not {size[0]}x{size[1]}.", "Leave --size away."
        )
    height, width = size or fixed
    if height is None or width is None:
        raise UnsupportedModelError(f"{name} leaves the image size open.", "Give one with --size, such as --size 224.")
    return InputSpec(height, width, channels, (0.0,) * channels, (1.0,) * channels)


def is_whole_image(shape: Shape) -> bool:
    """Whether a grey image may be reshaped to this shape, batch first: with its one channel, or flattened."""
    dims = list(shape)
    return len(dims) == 2 or (len(dims) == 4 and dims[-1] == _GREY)


def _as_image(dims: Sequence[int | None]) -> str:
    """How a model that takes an image's pixels in another shape comes to take the image; "" where none would fit."""
    sizes = [size or 0 for size in dims[1:]]
    if len(sizes) == 1:
        for channels in (_GREY, _COLOUR):
            side = math.isqrt(sizes[0] // channels)
            if side > 1 and side * side * channels == sizes[0]:
                return _put_before(f"({side}, {side}, {channels})", "an image's pixels in a row", "layers.Flatten()")
    if len(sizes) == 2 and all(sizes):
        shape = f"({sizes[0]}, {sizes[1]})"
        return _put_before(f"({sizes[0]}, {sizes[1]}, 1)", "a grey image", f"layers.Reshape({shape})")
    return ""


def _put_before(shape: str, what: str, layer: str) -> str:
    model = f"keras.Sequential([keras.Input({shape}), keras.{layer}, model])"
    return f"{_ONE_INPUT} If it takes {what}, save {model} and convert that."


def _channel_problem(name: str, dims: Shape) -> tuple[str, str]:
    if dims[1] in (1, 3):
        return (
            f"{name} takes channels-first images {drawn(dims)}.",
            "Rebuild it with data_format='channels_last': TFLite and the Edge TPU know no other order.",
        )
    return f"{name} takes {dims[3] or 'an open number of'} channels, not 1 (grey) or 3 (colour).", _ONE_INPUT


def scores_in(shape: Shape) -> int | None:
    """How many scores an output holds where it is one row of them, be it within axes of size 1; else None."""
    dims = [None if dim is None or dim < 0 else int(dim) for dim in shape[1:]]
    sizes = [size for size in dims if size != 1]
    if not dims or not all(dims) or len(sizes) > 1:
        return None
    return sizes[0] if sizes else 1


def class_count(name: str, shape: Shape) -> int:
    """The number of classes in an output of shape (batch, classes), or (batch, 1, 1, classes).

    Raises:
      UnsupportedModelError: a map, a list of boxes, or anything else that is no row of class scores.
    """
    classes, dims = scores_in(shape), list(shape)
    if classes is not None:
        return classes
    kind = {3: "boxes or a sequence", 4: "a feature map or a segmentation"}.get(len(dims), "something else")
    raise UnsupportedModelError(
        f"{name} answers with {kind} of shape {drawn(dims)}, not with one score per class.",
        "edgekit converts classifiers; a backbone without its head wants GlobalAveragePooling2D and Dense on top.",
    )


def single(name: str, what: str, names: Sequence[str]) -> None:
    """Raises UnsupportedModelError unless there is exactly one input, or output, among `names`."""
    if len(names) != 1:
        listed = ", ".join(names[:6]) + (", …" if len(names) > 6 else "")
        raise UnsupportedModelError(f"{name} has {len(names)} {what}s ({listed}), expected one.", _ONE_INPUT)


def drawn(shape: Shape) -> str:
    """A shape in print, open sizes as «?»."""
    dims = [None if dim is None or dim < 0 else int(dim) for dim in shape]
    return "(" + ", ".join("?" if dim is None else str(dim) for dim in dims) + ")"
