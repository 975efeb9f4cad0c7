"""verify(): a model against all gates of a project."""

from dataclasses import dataclass
from pathlib import Path

from edgekit.converters.verification.gates import GATES, Outcome
from edgekit.converters.verification.spec import Spec, read_spec
from edgekit.errors import EdgekitError, UsageError
from edgekit.progress import Progress, silent
from edgekit.tflite.ops import is_compiled
from edgekit.tflite.reader import read_graph


@dataclass(frozen=True)
class Verification:
    """A model against its project's gates.

    Attributes:
      model: its file.
      outcomes: what became of each gate that was asked for.
    """

    model: Path
    outcomes: tuple[Outcome, ...]

    @property
    def met(self) -> bool:
        """Whether the model passes all of them."""
        return all(each.met for each in self.outcomes)


def verify(
    model: str | Path, spec: str | Path | Spec, *, trust: bool = False, progress: Progress = silent
) -> Verification:
    """Measures a model by every gate that a project asks for.

    Args:
      model: a `.tflite`, not compiled.
      spec: the demands, or the `edgekit.toml` that holds them.
      trust: let the source model run its own code.
      progress: called as work goes on.

    Raises:
      UsageError: the file is none, or the model is compiled.
      ModelFormatError: the model is missing or damaged.
    """
    demands = spec if isinstance(spec, Spec) else read_spec(spec)
    path = Path(model)
    if is_compiled(read_graph(path)):
        raise UsageError(f"{path} is compiled for the Edge TPU.", "Verify the .tflite that it was made from.")
    asked = [gate for gate in GATES if getattr(demands, gate) not in (None, False)]
    return Verification(path, tuple(_outcome(gate, path, demands, trust, progress) for gate in asked))


def _outcome(gate: str, model: Path, spec: Spec, trust: bool, progress: Progress) -> Outcome:
    """What becomes of a gate; one that cannot be measured is not met."""
    try:
        return GATES[gate](model, spec, trust, progress)
    except EdgekitError as error:
        return Outcome(gate, False, f"not measured: {error}", "measured")
