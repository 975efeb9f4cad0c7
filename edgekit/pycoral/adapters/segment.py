"""What a semantic segmentation model answers."""

from typing import Any

import numpy as np

from edgekit.pycoral.adapters import common


def get_output(interpreter: Any) -> np.ndarray:
    """The first output as uint8.

    Returns:
      (height, width) class ids where the model ends with an arg max, else (height, width, classes) scores.
    """
    numbers: np.ndarray = common.output_tensor(interpreter, 0)[0].astype(np.uint8)
    return numbers
