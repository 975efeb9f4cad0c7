"""What a compiled file tells of the model that it was made from: by its name, and by a record in its metadata.

The compiler drops nearly all that a model says about itself; `edgekit compile` writes the record back.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Mapping, Tuple, Union

from edgekit.tflite.graph import Graph
from edgekit.tflite.metadata import read_metadata

#: Key of the record in a compiled file's provenance.
RECORD = "edgetpu"

_NAME, _DIGEST = "cpu_twin", "cpu_twin_sha256"

# What `edgetpu_compiler` calls its files. Coral's co-compiled models also name what they share the chip with.
_SEGMENT = re.compile(r"(?P<source>.+)_segment_\d+_of_\d+_edgetpu")
_COMPILED = re.compile(r"(?P<source>.+?)(_cocompiled_with_.+)?_edgetpu")

#: What programs that many copy call a compiled file and the model beside it: the Raspberry Pi detection scripts of
#: EdjeElectronics, Frigate. Whether it is the one, its ends and contents tell, as of any twin.
_BY_CUSTOM = {"edgetpu.tflite": "detect.tflite", "edgetpu_model.tflite": "cpu_model.tflite"}


@dataclass(frozen=True)
class Origin:
    """The model that a compiled file was made from.

    Attributes:
      names: what its file may be called, the likeliest first; () where nothing tells.
      digest: its SHA-256 in hexadecimal, or "" where that is not recorded.
      is_segment: whether the compiled file's name says that it is one segment of a pipeline.
    """

    names: Tuple[str, ...]
    digest: str
    is_segment: bool


def output_names(model: Path, segments: int = 1) -> List[str]:
    """What the compiler calls its output for a model, or its segments in order."""
    if segments == 1:
        return [f"{model.stem}_edgetpu.tflite"]
    return [f"{model.stem}_segment_{number}_of_{segments}_edgetpu.tflite" for number in range(segments)]


def twin_record(model: Path, content: bytes) -> Dict[str, str]:
    """The entries of the record that name a model and tell its content."""
    return {_NAME: model.name, _DIGEST: hashlib.sha256(content).hexdigest()}


def read_origin(path: Union[str, Path], compiled: Graph) -> Origin:
    """What the file at `path`, whose graph is `compiled`, tells of its origin."""
    path, record = Path(path), _record(compiled)
    segment = _SEGMENT.fullmatch(path.stem)
    by_name = segment or _COMPILED.fullmatch(path.stem)
    names = [record.get(_NAME), by_name.group("source") + path.suffix if by_name else _BY_CUSTOM.get(path.name)]
    digest = record.get(_DIGEST)
    return Origin(
        names=tuple(dict.fromkeys(name for name in names if isinstance(name, str) and _is_plain(name))),
        digest=digest if isinstance(digest, str) else "",
        is_segment=segment is not None,
    )


def _record(compiled: Graph) -> Mapping[str, object]:
    metadata = read_metadata(compiled)
    record = metadata.provenance.get(RECORD) if metadata else None
    return record if isinstance(record, dict) else {}


def _is_plain(name: str) -> bool:
    """Whether it names a file beside the model: a path in a file that somebody sent must not lead elsewhere."""
    return name == Path(name).name and name.isprintable() and name not in ("", ".", "..")
