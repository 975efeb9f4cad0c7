"""What a user decides about a conversion."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from edgekit.calibration import METHODS
from edgekit.converters.quantization.backend import IO_TYPES
from edgekit.converters.quantization.corrections import parse_corrections
from edgekit.converters.quantization.search.effort import EFFORTS
from edgekit.converters.surgery.surgery import SURGERIES
from edgekit.errors import UsageError
from edgekit.preprocess import INTERPOLATIONS, InputSpec, parse_resize
from edgekit.targets import TARGETS


def _check_choice(what: str, given: str, known: Iterable[str]) -> None:
    if given not in known:
        raise UsageError(f"There is no {what} {given!r}.", f"Choose one of: {', '.join(known)}.")


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what comes out of a conversion, apart from the model and the images.

    Attributes:
      io: type of the input and output, a key of `quantize.IO_TYPES`; "auto" for what the target usually has.
      ranges: a range method (`calibration.METHODS`), "auto" for the best of them, or the path of ranges saved as JSON.
      corrections: what may be done for the int8 form, as `corrections.parse_corrections` takes it: "auto" for what
        helps, "none", or names such as "split-swish,rounding"; "auto,small-means" for both.
      effort: how much to try for what is left to "auto", a key of `search.effort.EFFORTS`.
      samples: how many images to calibrate on.
      seed: of the choice of images, and of synthetic ones.
      preprocess: a convention or «mean/std» as `parse_preprocess` takes them; None to find it.
      resize: "stretch", "crop", or "crop:0.875" with the part of the shorter side to keep.
      interpolation: how images are resized, one of `preprocess.INTERPOLATIONS`.
      surgery: what to replace in the model before, a key of `surgery.SURGERIES`, or "none".
      target: where it is to run, a key of `targets.TARGETS`.
      precision: of its numbers, a key of `targets.PRECISIONS` that the target takes. Others than int8 need no images,
        and have float input and output.
      allow_float: leave ops that have no int8 form for the Edge TPU in float, for phones and CPUs.
      surgery_minutes: the most time for teaching what a surgery leaves the original's answers.
    """

    io: str = "auto"
    ranges: str = "auto"
    corrections: str = "auto"
    effort: str = "auto"
    samples: int = 200
    seed: int = 0
    preprocess: str | None = None
    resize: str = "stretch"
    interpolation: str = "bicubic"
    surgery: str = "none"
    surgery_minutes: float = 3.0
    allow_float: bool = False
    target: str = "edgetpu"
    precision: str = "int8"

    def __post_init__(self) -> None:
        """Raises UsageError where a field names nothing: before minutes of work, not after."""
        _check_choice("input and output type", self.io, ("auto", *IO_TYPES))
        _check_choice("target", self.target, TARGETS)
        if self.precision not in TARGETS[self.target].precisions:
            taken = ", ".join(TARGETS[self.target].precisions)
            raise UsageError(f"The target {self.target} does not take {self.precision}.", f"It takes: {taken}.")
        parse_corrections(self.corrections)
        _check_choice("effort", self.effort, EFFORTS)
        _check_choice("interpolation", self.interpolation, INTERPOLATIONS)
        _check_choice("surgery", self.surgery, ("none", *SURGERIES))
        if not 0 < self.surgery_minutes < math.inf:
            raise UsageError(f"{self.surgery_minutes:g} minutes are no time for a surgery.", "Give more than 0.")
        if self.samples < 1:
            raise UsageError(f"{self.samples} sample images were asked for.", "Ask for at least one.")
        if Path(self.ranges).suffix != ".json":
            _check_choice("range method", self.ranges, ("auto", *METHODS, "or a .json file that --save-ranges wrote"))

    @property
    def io_type(self) -> str:
        """The type of input and output that it comes to, a key of `quantize.IO_TYPES`."""
        if self.precision != "int8":
            return "float"
        return TARGETS[self.target].io if self.io == "auto" else self.io


def for_target(recipe: Recipe, name: str) -> Recipe:
    """A recipe as one of several targets takes it: its precision where the target has it, else the target's own.

    Raises:
      UsageError: there is no such target.
    """
    _check_choice("target", name, TARGETS)
    target = TARGETS[name]
    precision = target.precision(recipe.precision)
    io = recipe.io if precision == "int8" else "float"
    islands = recipe.allow_float or target.float_islands
    return replace(recipe, target=name, precision=precision, io=io, allow_float=islands)


def sized(spec: InputSpec, recipe: Recipe) -> InputSpec:
    """The source's input with the recipe's way to bring images to its size.

    Raises:
      UsageError: `resize` is neither "stretch" nor "crop" nor "crop:FRACTION".
    """
    return replace(parse_resize(recipe.resize, spec), interpolation=recipe.interpolation)
