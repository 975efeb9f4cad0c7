"""The artefact: a `.tflite` that describes itself, with a manifest beside it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from edgekit.calibration import Ranges, Samples
from edgekit.converters.export.find_preprocessing import Finding
from edgekit.converters.quantization.search.search import Choice
from edgekit.converters.sources.source import Source
from edgekit.devices.admission import vouch
from edgekit.evaluation import Verdict
from edgekit.files import write_together
from edgekit.preprocess import InputSpec
from edgekit.version import __version__

_TOOLS = ("ai-edge-litert", "keras", "litert-quantizer", "numpy", "pillow", "tensorflow", "tf-keras")


@dataclass(frozen=True)
class Int8Model:
    """A full-int8 `.tflite` and how it came to be.

    Attributes:
      content: the file, with metadata.
      spec: the preprocessing that belongs to it.
      ranges: the activations' ranges it was quantized with.
      provenance: JSON-ready record of source, recipe, tool versions, digests and verdict.
    """

    content: bytes = field(repr=False)
    spec: InputSpec
    ranges: Ranges = field(repr=False)
    provenance: Mapping[str, Any] = field(repr=False)


def provenance(
    source: Source,
    recipe: Mapping[str, Any],
    finding: Finding,
    calibration: tuple[Samples, Choice],
    verdict: Verdict | None,
) -> dict[str, Any]:
    """How a model was made, ready for JSON. Without times and paths: the same input gives the same bytes."""
    samples, choice = calibration
    ranges = choice.ranges
    return {
        "tool": f"edgekit {__version__}",
        "source": {
            "file": Path(source.path).name,
            "format": source.format,
            "framework": source.framework,
            "sha256": source.sha256,
            "architecture": source.architecture,
        },
        "recipe": dict(recipe),
        "preprocessing": {"name": finding.name, "how": finding.how},
        "calibration": {
            "kind": samples.kind,
            "origin": samples.origin,
            "images": ranges.images,
            "seed": samples.seed,
            "sha256": ranges.digest,
            "method": ranges.method,
            "correction": choice.form.correction,
            "trials": [asdict(trial) for trial in choice.trials],
        },
        "versions": tool_versions(),
        "verdict": verdict.to_json() if verdict else None,
    }


def tool_versions() -> dict[str, str]:
    """Versions of the packages that a model's bytes depend on, of those that are installed."""
    found = {}
    for name in _TOOLS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def save(model: Int8Model, path: str | Path) -> Path:
    """Writes the model, and its manifest as `<stem>.json` beside it. Returns the manifest's path.

    Raises:
      OutputError: one of them cannot be written; what was there before is then still there, of both.
    """
    path = Path(path)
    manifest = {
        "model": path.name,
        "sha256": hashlib.sha256(model.content).hexdigest(),
        "bytes": len(model.content),
        "input": model.spec.to_json(),
        **model.provenance,
    }
    text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    write_together({path: model.content, path.with_suffix(".json"): text.encode("utf-8")})
    vouch(model.content)
    return path.with_suffix(".json")
