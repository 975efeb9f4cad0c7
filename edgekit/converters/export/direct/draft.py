"""A float graph that is being drawn: values and ops in execution order, before any of it is a file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np
import numpy.typing as npt

from edgekit.errors import ModelFormatError
from edgekit.tflite.graph import OptionValue

Array = npt.NDArray[np.generic]
#: Real numbers to compute with.
Numbers = npt.NDArray[np.float64]
Shape = tuple[int, ...]

#: Bounds that no image classifier comes near and no `.tflite` file could hold: a small configuration may ask for more,
#: with a shared model inside a shared model inside another.
MAX_OPS = 50_000
MAX_ELEMENTS = 1 << 28
MAX_CONSTANTS = 1 << 29


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor.

    Attributes:
      name: need not be unique.
      shape: all sizes known, the batch of 1 first.
      constant: its numbers, or None where an op computes them. Real ones may be float64: they become float32 at last.
    """

    name: str
    shape: Shape
    constant: Array | None = field(default=None, repr=False)


@dataclass(frozen=True, eq=False)
class Step:
    """An op.

    Attributes:
      opcode: TFLite's name.
      inputs, output: what it reads and computes.
      options: as in `tflite.graph.Op.options`; the rest are the schema's defaults.
    """

    opcode: str
    inputs: tuple[Value, ...]
    output: Value
    options: Mapping[str, OptionValue]

    def number(self, position: int) -> Array | None:
        """The constant at a place among the inputs, or None."""
        return self.inputs[position].constant if position < len(self.inputs) else None


@dataclass(frozen=True)
class Norm:
    """A batch normalization as it stands in the file: the layer's name, what it reads, what it saw in training."""

    name: str
    given: Value
    mean: Numbers
    variance: Numbers


class Draft:
    """The ops drawn so far, and the batch normalizations among them."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.norms: list[Norm] = []
        self._constants = 0

    def add(
        self, name: str, opcode: str, inputs: Sequence[Value], shape: Sequence[int], options: Mapping[str, OptionValue]
    ) -> Value:
        """Adds an op and returns what it computes. Raises ModelFormatError beyond all bounds."""
        output = Value(name, tuple(int(size) for size in shape))
        self._constants += sum(value.constant.size for value in inputs if value.constant is not None)
        if min(output.shape, default=1) < 1:
            raise ModelFormatError(f"Layer {name!r} computes an empty tensor {list(output.shape)}.")
        if len(self.steps) >= MAX_OPS or prod(output.shape) > MAX_ELEMENTS or self._constants > MAX_CONSTANTS:
            raise ModelFormatError(
                f"The model is larger than any image classifier, from layer {name!r} on.",
                f"Read are up to {MAX_OPS:,} ops, {MAX_ELEMENTS:,} values in a tensor, {MAX_CONSTANTS:,} parameters. "
                "Is a size in its configuration wrong?",
            )
        self.steps.append(Step(opcode, tuple(inputs), output, options))
        return output


def needed(steps: Sequence[Step], output: Value) -> list[Step]:
    """The ops, in their order, that an output depends on."""
    wanted, kept = {output}, []
    for step in reversed(steps):
        if step.output in wanted:
            wanted.update(step.inputs)
            kept.append(step)
    return kept[::-1]
