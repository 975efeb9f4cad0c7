"""What may be done to a model so that its int8 form answers as the float model does: an ordered list.

Each correction keeps what the float model computes. They are tried in this order, one on top of the other.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from edgekit.calibration import Bounds, Observations, Samples
from edgekit.calibration.observe import observe_anew
from edgekit.converters.quantization.scores import check_same
from edgekit.converters.quantization.transforms.equalize import compared_channels, split_swish
from edgekit.converters.quantization.transforms.rewritten import Rewritten
from edgekit.converters.quantization.transforms.rounding import correct_rounding
from edgekit.converters.quantization.transforms.with_precedent import small_means, spread_gates
from edgekit.edgetpu.placement.doubts import SMALL_MEANS, SPREAD_GATES
from edgekit.errors import UsageError
from edgekit.progress import Progress
from edgekit.tflite.graph import Graph
from edgekit.tflite.model import Model


@dataclass(frozen=True)
class Form:
    """A float model that computes what the exported one does.

    Attributes:
      model: the float model.
      observations: of its tensors.
      limits: tensor name → the most that its range may hold, whatever the method.
      margins: tensor name → the least that its range should hold, whatever the method.
      corrections: names of those that made it, in order; () for the model as it was exported.
      changes: how many places they rewrote.
      allow_float: see `backend.quantize_int8`.
    """

    model: Model
    observations: Observations = field(repr=False)
    limits: Mapping[str, Bounds] = field(repr=False, default_factory=dict)
    margins: Mapping[str, Bounds] = field(repr=False, default_factory=dict)
    corrections: tuple[str, ...] = ()
    changes: int = 0
    allow_float: bool = False


@dataclass(frozen=True)
class Rewrite:
    """A correction of the float model, before it is quantized.

    Attributes:
      name: as `--corrections` has it.
      apply: (graph, its observations) → the graph rewritten.
      channels: the exported graph → names of the tensors whose channels it wants observed apart from each other.
      asked: whether it is made only where it is named: it serves a target, not int8.
    """

    name: str
    apply: Callable[[Graph, Observations], Rewritten]
    channels: Callable[[Graph], frozenset[str]] = lambda graph: frozenset()
    asked: bool = False

    def __call__(self, form: Form, samples: Samples, progress: Progress) -> Form:
        """The form rewritten, observed anew and checked to compute the same; itself where there is nothing to do.

        Raises ConversionError where the rewritten model answers otherwise.
        """
        found = self.apply(form.model.graph, form.observations)
        if not found.changes:
            return form
        model = replace(form.model, graph=found.graph)
        check_same(form.model, model, samples, self.name)
        return replace(
            form,
            model=model,
            observations=observe_anew(model, samples, form.observations, found.changed, progress=progress),
            limits={**form.limits, **found.limits},
            corrections=(*form.corrections, self.name),
            changes=form.changes + found.changes,
        )


@dataclass(frozen=True)
class Adjustment:
    """A correction of weights and biases, once they are quantized.

    Attributes:
      name: as `--corrections` has it.
      apply: (int8 graph, the float graph it was made from, observations of that) → the int8 graph adjusted.
    """

    name: str
    apply: Callable[[Graph, Graph, Observations], Graph]


#: All corrections of a model in the order in which they are tried: a rewrite needs float weights, an adjustment
#: quantized ones.
CORRECTIONS: tuple[Rewrite | Adjustment, ...] = (
    Rewrite("split-swish", split_swish, compared_channels),
    # Behind what looks for means and gates.
    Rewrite(SMALL_MEANS, small_means, asked=True),
    Rewrite(SPREAD_GATES, spread_gates, asked=True),
    Adjustment("rounding", correct_rounding),
)
#: The last of all, which is fitted to what an int8 model computes: `transforms/head.py`.
HEAD = "head"
NAMES = (*(correction.name for correction in CORRECTIONS), HEAD)
#: How to ask for what helps, and for nothing.
AUTO, NONE = "auto", "none"


@dataclass(frozen=True)
class Wanted:
    """Which corrections are to be made.

    Attributes:
      named: those that are made in any case, in the order of NAMES.
      auto: whether the others are made where they help. Those that serve a target, not int8, are made only by name.
    """

    named: tuple[str, ...] = ()
    auto: bool = False

    def takes(self, correction: "Rewrite | Adjustment") -> bool:
        """Whether a correction is made, or tried."""
        asked = isinstance(correction, Rewrite) and correction.asked
        return correction.name in self.named or (self.auto and not asked)

    @property
    def head(self) -> bool:
        """Whether the last layer may be fitted."""
        return self.auto or HEAD in self.named


def parse_corrections(text: str) -> Wanted:
    """What a text asks for: "auto", "none", or names such as "split-swish,rounding", which "auto" may be one of.

    Raises:
      UsageError: it names one that there is not.
    """
    given = set() if text == NONE else {name.strip() for name in text.split(",")}
    for name in sorted(given - {AUTO, *NAMES}):
        raise UsageError(f"There is no correction {name!r}.", f"Choose {AUTO}, {NONE}, or some of: {', '.join(NAMES)}.")
    return Wanted(tuple(name for name in NAMES if name in given), AUTO in given)


def rewrites(wanted: Wanted) -> tuple[Rewrite, ...]:
    """The rewrites among the corrections that are wanted, in order."""
    return tuple(each for each in CORRECTIONS if isinstance(each, Rewrite) and wanted.takes(each))


def usual() -> tuple[str, ...]:
    """Names of all that help int8, in order, but for HEAD: what the effort "fast" does, and "auto" tries first."""
    return tuple(each.name for each in CORRECTIONS if isinstance(each, Adjustment) or not each.asked)


def adjustments(wanted: Wanted) -> tuple[Adjustment, ...]:
    """The adjustments likewise."""
    return tuple(each for each in CORRECTIONS if isinstance(each, Adjustment) and wanted.takes(each))
