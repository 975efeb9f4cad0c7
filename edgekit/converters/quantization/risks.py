"""What is known to lose accuracy in int8, told before the work and not only measured after it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgekit.converters.quantization.corrections import parse_corrections
from edgekit.tflite import patterns
from edgekit.tflite.graph import Graph


@dataclass(frozen=True)
class Risk:
    """A part of models whose int8 form is known to lose accuracy.

    Attributes:
      plural: what to call several of it.
      count: how many of it a float graph has.
      evidence: what it has cost, on which models, and who measured that.
    """

    plural: str
    count: Callable[[Graph], int]
    evidence: str


@dataclass(frozen=True)
class Risks:
    """What to expect of a model in int8, and what the conversion does about it.

    Attributes:
      found: name of a risk → how many of it there are.
      expected: what that is known to cost, a sentence.
      measures: what will be done about it and what not, a sentence.
      handled: whether nothing that edgekit could do without training is left undone.
    """

    found: Mapping[str, int]
    expected: str
    measures: str
    handled: bool

    def __str__(self) -> str:
        return f"{'Expect' if self.handled else 'Warning'}: {self.expected}\n{self.measures}"


def swishes(graph: Graph) -> int:
    """How often a tensor is multiplied by its own sigmoid."""
    return sum(1 for _ in patterns.swishes(graph))


def hard_swishes(graph: Graph) -> int:
    """How many HARD_SWISH ops there are, which is what TensorFlow's converter makes of x * relu6(x + 3) / 6."""
    return graph.op_counts().get("HARD_SWISH", 0)


def squeeze_excitations(graph: Graph) -> int:
    """How often the channels of a tensor are multiplied by something computed from that tensor's own means."""
    return sum(1 for _ in patterns.excitations(graph))


#: What to look for, the worst first. To recognize another risk, add a row.
RISKS: Mapping[str, Risk] = {
    # R. Liu, «Higher accuracy on vision models with EfficientNet-Lite», blog.tensorflow.org, March 2020.
    "swish": Risk(
        "swishes",
        swishes,
        "TensorFlow's own EfficientNet fell from 75 to 46 % top-1 in plain int8 until its swishes were replaced",
    ),
    # tensorflow/models, research/slim/nets/mobilenet/README.md: checkpoints in float and in 8 bits.
    "hard-swish": Risk(
        "hard-swishes",
        hard_swishes,
        "the authors of MobileNetV3 lost 1.3 (Large) and 2.6 points (Small) of top-1 in 8 bits",
    ),
    # Measured for edgekit, one group of tensors quantized at a time.
    "squeeze-and-excitation block": Risk(
        "squeeze-and-excitation blocks",
        squeeze_excitations,
        "their products were among the least exact int8 tensors of an EfficientNet-B0 measured for edgekit",
    ),
}
#: Of models by name. Plain min-max ranges, 100 calibration images, 500 others to compare on.
_EFFICIENTNET_B = "; of two B0 measured for edgekit one kept 76 % of its answers, the other 43 %"


def assess_risks(graph: Graph, architecture: str | None, *, ranges: str, corrections: str) -> Risks | None:
    """What to expect of a model in int8; None where nothing is known to speak against it.

    Args:
      graph: of the float model.
      architecture: its name, where it is known.
      ranges, corrections: how it is going to be quantized, as in `pipeline.Recipe`.
    """
    counts = {name: risk.count(graph) for name, risk in RISKS.items()}
    found = {name: count for name, count in counts.items() if count}
    if not found:
        return None
    listing = " and ".join(f"{n} {name if n == 1 else RISKS[name].plural}" for name, n in found.items())
    known = RISKS[next(iter(found))].evidence
    if (architecture or "").startswith("EfficientNetB"):
        known += _EFFICIENTNET_B
    measures = [*([_about_swishes(corrections)] if "swish" in found else []), _about_ranges(ranges)]
    handled = ranges != "minmax" and ("swish" not in found or corrections != "none")
    rest = "" if handled else "; without these options edgekit does more"
    done = ", ".join(measures) + rest
    return Risks(
        found,
        expected=f"{architecture or 'The model'} has {listing}. Known: {known}.",
        measures=f"{done[0].upper()}{done[1:]}.",
        handled=handled,
    )


def _about_swishes(corrections: str) -> str:
    if corrections == "none":
        return "swishes stay as they are (--corrections none)"
    return f"swishes are split per channel{' where that helps' if parse_corrections(corrections).auto else ''}"


def _about_ranges(ranges: str) -> str:
    if ranges == "auto":
        return "the range method is chosen by what the scores lose"
    if ranges == "minmax":
        return "every outlier widens its range (--ranges minmax)"
    return f"ranges are {'those of ' + Path(ranges).name if ranges.endswith('.json') else 'chosen by ' + ranges}"
