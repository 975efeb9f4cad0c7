"""How much a search may try. Images and candidates are counted, not seconds: every machine makes the same model."""

from collections.abc import Mapping
from dataclasses import dataclass

from edgekit.converters.quantization.corrections import AUTO, CORRECTIONS


@dataclass(frozen=True)
class Effort:
    """What to try where the user leaves it open.

    Attributes:
      ranges: the range method, or "auto" to try them.
      corrections: as `parse_corrections` takes them.
      selection: images to measure candidates on.
      measured: images to measure the sensitivity of tensor groups on.
      refinements: the most other range methods for tensor groups that are tried.
    """

    ranges: str
    corrections: str
    selection: int
    measured: int
    refinements: int


#: With more than 64 images to compare candidates on, their order stays the same. Sensitivities on four images instead
#: of eight had worse changes tried first on two B0.
EFFORTS: Mapping[str, Effort] = {
    "fast": Effort("mse", ",".join(each.name for each in CORRECTIONS), selection=0, measured=0, refinements=0),
    "auto": Effort(AUTO, AUTO, selection=64, measured=8, refinements=12),
    "full": Effort(AUTO, AUTO, selection=200, measured=24, refinements=60),
}
