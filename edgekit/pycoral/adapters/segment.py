"""What a semantic segmentation model answers."""

import numpy as np

from edgekit.pycoral.adapters import common
from edgekit.pycoral.runtime import Runnable


def get_output(interpreter: Runnable) -> np.ndarray:
    """The first output as uint8.

    Returns:
      (height, width) class ids where the model ends with an arg max, else (height, width, classes) scores.
    """
    numbers: np.ndarray = common.output_tensor(interpreter, 0)[0].astype(np.uint8)
    return numbers
