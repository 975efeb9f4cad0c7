"""The artefact: a `.tflite` that describes itself, with a manifest beside it."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypedDict

from edgekit.calibration import Ranges, Samples
from edgekit.converters.export.find_preprocessing import Finding
from edgekit.converters.quantization.corrections import AUTO, NONE, usual
from edgekit.converters.quantization.search.search import Outcome, Step
from edgekit.converters.sources.source import Source
from edgekit.devices.admission import vouch
from edgekit.evaluation import Verdict
from edgekit.files import write_together
from edgekit.tflite.model import Model
from edgekit.version import __version__

_TOOLS = ("ai-edge-litert", "litert-quantizer", "numpy", "pillow")
_TENSORFLOW = ("keras", "tensorflow", "tf-keras")


class Calibrated(TypedDict):
    """What the ranges came from, as a record has it."""

    kind: str
    origin: str
    images: int
    seed: int
    sha256: str
    method: str
    corrections: list[str]


class Exported(TypedDict):
    """How the float model came to be, and how far from Keras it was; None where that was not asked."""

    way: str
    off_keras: float | None


class Provenance(TypedDict, total=False):
    """How a model was made, ready for JSON."""

    training: Mapping[str, object]
    tool: str
    source: Mapping[str, str | None]
    recipe: Mapping[str, object]
    preprocessing: Mapping[str, str]
    calibration: Calibrated
    steps: list[dict[str, object]]
    versions: Mapping[str, str]
    verdict: Mapping[str, object] | None
    export: Exported
    float_ops: Mapping[str, int]
    surgery: Mapping[str, object]


@dataclass(frozen=True)
class Artefact:
    """A model that describes itself, and how it came to be.

    Attributes:
      model: with metadata in its file.
      ranges: the activations' ranges it was quantized with; None where only its weights are smaller.
      provenance: its record of source, recipe, tool versions, digests and verdict.
    """

    model: Model
    ranges: Ranges | None = field(repr=False)
    provenance: Provenance = field(repr=False)


def provenance(
    source: Source,
    recipe: Mapping[str, object],
    finding: Finding,
    calibration: tuple[Samples, Outcome] | None,
    verdict: Verdict | None,
) -> Provenance:
    """How a model was made. Without times and paths: the same input gives the same bytes."""
    record: Provenance = {
        "tool": f"edgekit {__version__}",
        "source": {
            "file": Path(source.path).name,
            "format": source.format,
            "framework": source.framework,
            "sha256": source.sha256,
            "architecture": source.architecture,
            **source.chosen,
        },
        "recipe": dict(recipe),
        "preprocessing": {"name": finding.name, "how": finding.how},
    }
    if calibration:
        record |= _calibrated(*calibration)
    record |= {"versions": tool_versions(source.way), "verdict": verdict.to_json() if verdict else None}
    return record


def _calibrated(samples: Samples, outcome: Outcome) -> Provenance:
    ranges = outcome.best.ranges
    return {
        "calibration": {
            "kind": samples.kind,
            "origin": samples.origin,
            "images": ranges.images,
            "seed": samples.seed,
            "sha256": ranges.digest,
            "method": ranges.method,
            "corrections": list(outcome.best.corrections),
        },
        "steps": [step_json(step) for step in outcome.steps],
    }


def step_json(step: Step) -> dict[str, object]:
    """A step of the search for JSON: what was tried, what it gained, whether it was kept."""
    return {
        "name": step.name,
        "corrections": list(step.candidate.corrections),
        "ranges": step.method,
        "group": step.group or None,
        "sqnr_db": round(step.sqnr_db, 2),
        "gain_db": round(step.sqnr_db - step.before_db, 2) if math.isfinite(step.before_db) else None,
        "kept": step.kept,
    }


def tried(record: Mapping[str, object]) -> frozenset[str]:
    """Range methods and corrections that a model's record says it has, or was worse with; none for another's record."""
    steps, recipe = record.get("steps"), record.get("recipe")
    if not isinstance(steps, list) or not isinstance(recipe, Mapping):
        return frozenset()
    names = {str(step.get("ranges")) for step in steps if isinstance(step, Mapping) and not step.get("group")}
    given = str(recipe.get("corrections", NONE))
    asked = {name.strip() for name in given.split(",")}
    names |= asked - {AUTO} | (set(usual()) if AUTO in asked else set())
    return frozenset(names | {str(recipe.get("ranges"))})


def chosen_ends(record: Mapping[str, object]) -> tuple[str | None, str | None]:
    """(output, signature) of its original that a model was made from, as its record says; None where it does not."""
    source = record.get("source")
    known = source if isinstance(source, Mapping) else {}
    output, signature = (name if isinstance(name, str) else None for name in map(known.get, ("output", "signature")))
    return output, signature


def tool_versions(way: str) -> dict[str, str]:
    """Versions of the packages that a model's bytes depend on, by the way of its export."""
    found = {}
    for name in (*_TOOLS, *(_TENSORFLOW if way == "tensorflow" else ())):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def save(artefact: Artefact, path: str | Path) -> Path:
    """Writes the model, and its manifest as `<stem>.json` beside it. Returns the manifest's path.

    Raises:
      OutputError: one of them cannot be written; what was there before is then still there, of both.
    """
    path, content = Path(path), artefact.model.graph.content
    manifest = {
        "model": path.name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "input": artefact.model.spec.to_json(),
        **artefact.provenance,
    }
    text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    write_together({path: content, path.with_suffix(".json"): text.encode("utf-8")})
    vouch(content)
    return path.with_suffix(".json")
