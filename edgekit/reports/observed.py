"""A model beside its compiled file: what was mapped, what was predicted, whether the two belong together."""

from typing import Dict, Iterator

from edgekit.edgetpu.observed import Observed
from edgekit.edgetpu.parameters import difference
from edgekit.edgetpu.placement.placement import EDGETPU, OpPlacement
from edgekit.edgetpu.placement.words import name

# So many ops that are elsewhere than predicted are named.
_NAMED = 8


def observed_to_json(observed: Observed) -> Dict[str, object]:
    """`mapped` and `surprises` are indices of the model's ops."""
    return {
        "ops": len(observed.graph.ops),
        "mapped": list(observed.mapped),
        "surprises": [placed.op.index for placed in observed.surprises],
        "compiler": observed.compiler,
        "runtime": observed.runtime,
        "same_layers": observed.contents.same,
        "difference": difference(observed.contents, observed.graph),
    }


def observed_lines(observed: Observed) -> Iterator[str]:
    """What the compiler mapped, and where edgekit would have been wrong."""
    total, surprises = len(observed.graph.ops), observed.surprises
    yield f"  compiled      {len(observed.mapped)} of {total} ops were mapped to the Edge TPU"
    yield f"  compiler      {observed.compiler or 'not told'}, for runtime {observed.runtime} or newer"
    other = difference(observed.contents, observed.graph)
    if other:
        yield f"  other model   {other}"
    yield f"  predicted     {'the same' if not surprises else f'{len(surprises)} of {total} ops elsewhere'}"
    yield from (_surprise(placed) for placed in surprises[:_NAMED])
    if len(surprises) > _NAMED:
        yield f"                … {len(surprises) - _NAMED} more: see --json"


def _surprise(placed: OpPlacement) -> str:
    real = "on the CPU" if placed.device == EDGETPU else "mapped"
    doubt = "" if placed.certain else ", which was not certain"
    return f"                op {placed.op.index} {name(placed.op)} is {real}{doubt}"
