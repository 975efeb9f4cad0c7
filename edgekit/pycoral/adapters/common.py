"""The input and output tensors of any model."""

from typing import Callable, Mapping, Tuple, TypeVar

import numpy as np

from edgekit.pycoral.runtime import Runnable

#: What a program's function for resizing returns: a PIL image, or an array.
Image = TypeVar("Image")


def input_details(interpreter: Runnable, key: str) -> object:
    """One entry of the interpreter's details of the first input, such as "shape" or "quantization"."""
    details: Mapping[str, object] = interpreter.get_input_details()[0]
    return details[key]


def input_size(interpreter: Runnable) -> Tuple[int, int]:
    """(width, height) of the image that the model takes."""
    _, height, width, _ = interpreter.get_input_details()[0]["shape"]
    return int(width), int(height)


def input_tensor(interpreter: Runnable) -> np.ndarray:
    """The memory of the first input, (height, width, channels), to be written to.

    As long as the array lives, the interpreter cannot run.
    """
    memory: np.ndarray = interpreter.tensor(interpreter.get_input_details()[0]["index"])()[0]
    return memory


def output_tensor(interpreter: Runnable, i: int) -> np.ndarray:
    """The memory of the `i`th output, in the stored type and with the batch dimension."""
    memory: np.ndarray = interpreter.tensor(interpreter.get_output_details()[i]["index"])()
    return memory


def set_input(interpreter: Runnable, data: object) -> None:
    """Copies an image, (height, width, channels) or anything numpy takes for that, to the first input."""
    input_tensor(interpreter)[:, :] = data


def set_resized_input(
    interpreter: Runnable, size: Tuple[int, int], resize: Callable[[Tuple[int, int]], Image]
) -> Tuple[Image, Tuple[float, float]]:
    """Copies an image to the upper left of the first input, as large as its aspect ratio allows; the rest is 0.

    Args:
      interpreter: whose tensors are allocated.
      size: (width, height) of the image.
      resize: called with the (width, height) that the image has to get; returns it so.

    Returns:
      What `resize` returned, and the scale, the same in x and y; `detect.get_objects` takes it.
    """
    fitting = [ours / theirs for ours, theirs in zip(input_size(interpreter), size)]
    scale = min(fitting)
    width, height = (int(side * scale) for side in size)
    memory = input_tensor(interpreter)
    memory.fill(0)
    image = resize((width, height))
    memory[:height, :width] = np.reshape(np.asarray(image), (height, width, memory.shape[2]))
    return image, (scale, scale)
