"""How much a search may try. Images and candidates are counted, not seconds: every machine makes the same model."""

from collections.abc import Mapping
from dataclasses import dataclass

from edgekit.converters.quantization.corrections import AUTO, usual


@dataclass(frozen=True)
class Effort:
    """What to try where the user leaves it open.

    Attributes:
      ranges: the range method, or "auto" to try them.
      corrections: as `parse_corrections` takes them.
      selection: images to measure candidates on.
      measured: images to measure the sensitivity of tensor groups on.
      spread_db: by how much the best range method must beat the first one before others are tried for tensor groups.
      refinements: the most other range methods for tensor groups that are tried.
    """

    ranges: str
    corrections: str
    selection: int = 64
    measured: int = 0
    spread_db: float = 0.0
    refinements: int = 0


#: With more than 64 images to compare candidates on, their order stays the same. Sensitivities on four images instead
#: of eight had worse changes tried first on two B0. Where the methods were less than 1 dB apart on all tensors at once
#: (Lite0 0.2, Lite1 0.3), no group gained more than 0.03 dB by another; where they were more (B0 4.5 to 8), up to 2.3.
EFFORTS: Mapping[str, Effort] = {
    "fast": Effort("mse", ",".join(usual())),
    "auto": Effort(AUTO, AUTO, measured=8, spread_db=1.0, refinements=12),
    "full": Effort(AUTO, AUTO, selection=200, measured=24, refinements=60),
}
