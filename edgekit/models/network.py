"""A Keras model as plain data: what its file holds, and all that the direct export needs. No Keras is imported."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Network:
    """A Keras model's configuration and weights.

    Attributes:
      configuration: `{"class_name": "Functional" | "Sequential" | …, "config": {…}}`, as `.keras` files hold it in
        `config.json` and `.h5` files in the attribute `model_config`.
      weights: of each layer that has some, in Keras' order (kernel, bias · gamma, beta, moving mean, moving variance
        …), by its name; a layer inside a nested model is `outer/inner`.
    """

    configuration: Mapping[str, object]
    weights: Mapping[str, tuple[npt.NDArray[np.generic], ...]]
