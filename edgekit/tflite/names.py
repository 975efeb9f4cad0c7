"""All conventions about the names of tensors: those that edgekit gives, and what litert-quantizer makes of them.

Ranges, the quantizer and the per-layer report tell tensors by their names, so that these carry meaning.
"""

import re
from typing import Dict, Iterable, List

#: What folded preprocessing leaves behind: constants of the first convolution, or of one before it.
RGB_WEIGHTS = "edgekit/rgb_weights"
SCALED_WEIGHTS = "edgekit/scaled_weights"
SHIFTED_BIAS = "edgekit/shifted_bias"
PREPROCESS_GAIN = "edgekit/preprocess/gain"
PREPROCESS_OFFSET = "edgekit/preprocess/offset"
PREPROCESS_OUTPUT = "edgekit/preprocess/output"

#: A grey image with its axis of channels, before a model that takes it without, and the shape without.
IMAGE = "edgekit/image"
IMAGE_SHAPE = "edgekit/image_shape"
#: Scores that stood in axes of size 1, as a row, and its shape.
ROW = "edgekit/scores"
ROW_SHAPE = "edgekit/scores_shape"
#: Behind the name of weights that were stored in fewer bits.
_IN_FLOAT = "/float"

# What litert-quantizer appends to the name of a constant that several ops share, once each has its own steps …
_DUPLICATED = re.compile(r"_duplicated_\d+$")
# … and to the name of a tensor that it adds for requantization.
_REQUANTIZED = "_quantized"

_SPLIT_SCALED = re.compile(r"edgekit/swish\d+/scaled")


def split_swish(number: int, part: str) -> str:
    """Name of a tensor of a split swish: "scaled", "weights", "bias", or "reader0", "reader1", …"""
    return f"edgekit/swish{number}/{part}"


def is_scaled_swish(name: str) -> bool:
    """Whether the tensor is the scaled factor of a split swish, which is clipped on purpose."""
    return _SPLIT_SCALED.fullmatch(name) is not None


def head(what: str, number: int) -> str:
    """Name of a tensor of a trained head: "pooled", "weights", "bias", "scores" of one depth, a "sum" of scores …"""
    return f"edgekit/head/{what}{number}"


def slope(number: int) -> str:
    """Name of the slopes of a PRELU that was a LEAKY_RELU."""
    return f"edgekit/prelu{number}/alpha"


def part_means(number: int) -> str:
    """Name of the means over parts of an image, of which a MEAN takes the mean."""
    return f"edgekit/mean{number}/parts"


def halved_mean(number: int, step: int, part: str) -> str:
    """Name of a tensor of a mean that is taken in steps: "weights", "bias" or "output" of one."""
    return f"edgekit/mean{number}/{part}{step}"


def spread_gate(number: int, step: int, part: str) -> str:
    """Name of a tensor by which one number per channel is spread over an image: "size" or "output" of a step."""
    return f"edgekit/gate{number}/{part}{step}"


def static_shape(number: int) -> str:
    """Name of a shape that was computed at run time and is a constant now."""
    return f"edgekit/shape{number}"


def severed(number: int) -> str:
    """Name of an input of a model whose ops are cut apart."""
    return f"severed/{number}"


def disturbed(what: str, tensor: int) -> str:
    """Name of a tensor that carries ("added") or holds ("sum") what is added to another one."""
    return f"disturbed/{what}{tensor}"


def appended(what: str, index: int) -> str:
    """Name of a tensor of a layer put behind a model."""
    return f"appended/{what}_{index}"


def float_name(name: str) -> str:
    """The name that a constant of an int8 model has in the float model it was made from."""
    return _DUPLICATED.sub("", name)


def requantized_from(name: str) -> str:
    """The name that a tensor of an int8 model has in the float model it was made from, where it was requantized."""
    return name[: -len(_REQUANTIZED)] if name.endswith(_REQUANTIZED) else name


def unique(names: Iterable[str]) -> List[str]:
    """The names with a number behind those that are empty or have been there before."""
    seen: Dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if name and seen[name] == 1 else f"{name}#{seen[name]}")
    return found


def in_float(name: str) -> str:
    """What weights are called once they are float numbers."""
    return name + _IN_FLOAT
