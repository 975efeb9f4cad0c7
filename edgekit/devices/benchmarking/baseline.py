"""An earlier run's document, and what became slower since."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import List, Mapping, Optional, Sequence, Tuple

import numpy as np

from edgekit.devices.benchmarking.ratio import Ratio, unpaired_ratio
from edgekit.errors import DataError
from edgekit.files import read_text


@dataclass(frozen=True)
class Baseline:
    """What `edgekit benchmark --json` wrote.

    Attributes:
      path: its file.
      processor: of the machine it was measured on.
      blocks: (file name of the model, device, threads) → the median inference of each block, milliseconds.
    """

    path: str
    processor: str
    blocks: Mapping[Tuple[str, str, int], np.ndarray]


@dataclass(frozen=True)
class Timed:
    """One measurement of this run.

    Attributes:
      model: its file.
      device: where it ran.
      threads: at most so many.
      blocks: the median inference of each block, milliseconds, (blocks,).
    """

    model: str
    device: str
    threads: int
    blocks: np.ndarray

    @property
    def key(self) -> Tuple[str, str, int]:
        """What tells it from the others, in this run and in an earlier one."""
        return Path(self.model).name, self.device, self.threads


@dataclass(frozen=True)
class Slowdown:
    """One measurement against the baseline's.

    Attributes:
      timed: of this run.
      ratio: how many times as long as then.
    """

    timed: Timed
    ratio: Ratio


def read_baseline(path: str) -> Baseline:
    """Reads a document of an earlier run.

    Raises:
      DataError: it is missing, or none.
    """
    try:
        document = json.loads(read_text(path))
        blocks = {
            (Path(row["model"]).name, row["device"], int(row["threads"])): np.array(row["blocks_ms"], float)
            for row in document["results"]
        }
        if not blocks or not all(values.ndim == 1 and len(values) and np.all(values > 0) for values in blocks.values()):
            raise ValueError("no times")
        return Baseline(path, str(document["machine"]["processor"]), blocks)
    except OSError as error:
        raise DataError(f"The baseline {path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            f"{path} is no document of edgekit benchmark.", "Write one with: edgekit benchmark MODEL --json > FILE"
        ) from error


def slowdowns(found: Sequence[Timed], baseline: Baseline) -> List[Slowdown]:
    """Each measurement that the baseline has too: of a model of that name on that device with so many threads.

    Where both hold one measurement alone, the model's name does not matter.

    Raises:
      DataError: they have none in common.
    """
    pairs = [(each, _counterpart(each, len(found) == 1, baseline)) for each in found]
    common = [Slowdown(each, unpaired_ratio(each.blocks, then)) for each, then in pairs if then is not None]
    if not common:
        known = "; ".join(f"{name} on {device}, {threads} threads" for name, device, threads in baseline.blocks)
        raise DataError(f"{baseline.path} holds none of what was measured.", f"It holds: {known}.")
    return common


def _counterpart(timed: Timed, alone: bool, baseline: Baseline) -> Optional[np.ndarray]:
    if alone and len(baseline.blocks) == 1:
        (_, device, then), times = next(iter(baseline.blocks.items()))
        return times if (device, then) == (timed.device, timed.threads) else None
    return baseline.blocks.get(timed.key)


def unmet(found: List[Slowdown], max_slowdown: float) -> Optional[str]:
    """Which measurement takes longer than the baseline allows, in words; None where none does."""
    slower = [each for each in found if each.ratio.value > 1 + max_slowdown]
    if not slower:
        return None
    worst = max(slower, key=lambda each: each.ratio.value)
    low, high = worst.ratio.interval
    name, device, _ = worst.timed.key
    return (
        f"{name} on {device} takes {worst.ratio.value:.3f} times as long as the baseline "
        f"(95 % CI {low:.3f}–{high:.3f}), at most {1 + max_slowdown:g} is allowed"
    )
