"""Members of the EfficientNet family for people and for machines."""

from typing import TYPE_CHECKING, Dict, Iterator, List, Tuple

from edgekit.edgetpu.estimate.estimate import bytes_text, milliseconds_text
from edgekit.edgetpu.estimate.profiles import HOSTS
from edgekit.models.scaling import ALPHA, BETA, GAMMA
from edgekit.reports.text import columns
from edgekit.sizes import size_text
from edgekit.terminal import command

if TYPE_CHECKING:
    from edgekit.converters.making import NewModel
    from edgekit.converters.scale import Candidate, Demand, Scale

_HEADER = ("name", "image", "parameters", "FLOPs", "on chip", "streamed", "latency", "fits")


def new_to_json(made: "NewModel") -> Dict[str, object]:
    """`{"model", "name", "classes", "size", "parameters", "flops"}`; size in pixels, FLOPs as multiply-adds."""
    return {
        "model": str(made.path),
        "name": made.variant.name,
        "classes": made.classes,
        "size": made.variant.size,
        "parameters": made.parameters,
        "flops": made.macs,
    }


def new_lines(made: "NewModel") -> Iterator[str]:
    """What was made, and what comes next."""
    variant = made.variant
    yield (
        f"Made {made.path}: {variant.title}, {variant.size}×{variant.size} pixels, {made.classes} classes, "
        f"{made.parameters:,} parameters, {count_text(made.macs)} FLOPs (multiply-adds)."
    )
    yield "Its weights are fresh: train it before you convert it."
    if made.path.suffix.lower() != ".tflite":
        yield f"In Keras: keras.models.load_model({str(made.path)!r})"
    else:
        yield f"Look at it: {command('edgekit', 'inspect', made.path)}"


def scale_to_json(found: "Scale") -> List[Dict[str, object]]:
    """A list of documents, one for each member; the intervals are (low, high).

    `{"name", "parameters", "flops", "on_chip_bytes", "on_chip_interval", "streamed_bytes", "streamed_interval",
    "latency_ms", "latency_interval", "fits"}`.
    """
    return [
        {
            "name": each.variant.name,
            "parameters": each.parameters,
            "flops": each.macs,
            "on_chip_bytes": each.estimate.on_chip_bytes,
            "on_chip_interval": [int(each.estimate.on_chip.low), int(each.estimate.on_chip.high)],
            "streamed_bytes": each.estimate.streamed_bytes,
            "streamed_interval": [int(each.estimate.streamed.low), int(each.estimate.streamed.high)],
            "latency_ms": round(each.latency_ms, 3),
            "latency_interval": [round(each.latency.low, 3), round(each.latency.high, 3)],
            "fits": each.fits,
        }
        for each in found.candidates
    ]


def scale_lines(found: "Scale") -> Iterator[str]:
    """The constraint, the table, and what fits of each series."""
    constraint = f"α·β²·γ² = {ALPHA * BETA**2 * GAMMA**2:.2f} ≈ 2"
    yield f"Compound scaling: depth {ALPHA:g}^φ, width {BETA:g}^φ, image size {GAMMA:g}^φ; {constraint},"
    yield "so that one unit of φ about doubles the FLOPs, which grow with depth · width² · size²."
    yield f"Edge TPU, {HOSTS[found.demand.host].title}; {_demand_text(found.demand)}.\n"
    yield from columns(_HEADER, [_row(each) for each in found.candidates])
    yield "\nFLOPs are multiply-adds; memory and latency are estimated, in brackets where 9 in 10 lie.\n"
    fitting = [each for each in found.candidates if each.fits]
    if fitting:
        most = max(fitting, key=lambda each: each.macs)
        yield f"Largest that fits, by FLOPs: {most.variant.name} ({most.variant.title})"
        yield f"  {bytes_text(most.estimate.on_chip)}, on chip; {milliseconds_text(most.latency)}"
    for title, members in found.series():
        yield f"  {title}: {_border(members)}"


def _row(each: "Candidate") -> Tuple[str, ...]:
    size, expected = each.variant.size, each.estimate
    return (
        each.variant.name,
        f"{size}×{size}",
        f"{each.parameters / 1e6:.2f} M",
        count_text(each.macs),
        size_text(expected.on_chip_bytes),
        size_text(expected.streamed_bytes) if expected.streamed_bytes else "-",
        f"{each.latency.expected:.1f} ms ({each.latency.low:.1f} to {each.latency.high:.1f})",
        "yes" if each.fits else "no",
    )


def _border(members: "Tuple[Candidate, ...]") -> str:
    """The largest of a series that fits, and why the next does not."""
    last = max((place for place, each in enumerate(members) if each.fits), default=-1)
    largest = f"{members[last].variant.name} is the largest that fits" if last >= 0 else "none fits"
    if last + 1 == len(members):
        return largest
    after = members[last + 1]
    return f"{largest}; {after.variant.name} does not: {'; '.join(after.misses)}"


def _demand_text(demand: "Demand") -> str:
    bounds = [f"at most {demand.max_latency:g} ms"] if demand.max_latency is not None else []
    if demand.max_memory is not None:
        bounds.append(f"all parameters in {size_text(demand.max_memory)} on the chip")
    return ", ".join(bounds) or "all parameters on the chip"


def count_text(number: float) -> str:
    """385,814,752 → «386 M», 1,827,141,392 → «1.83 G»."""
    return f"{number / 1e9:.3g} G" if number >= 999.5e6 else f"{number / 1e6:.3g} M"
