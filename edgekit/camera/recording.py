"""Writing down what was seen, a line for each frame."""

import csv
import io
import json
import os
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Dict, Union

from edgekit.camera.watch import Sighting
from edgekit.errors import OutputError, UsageError

_COLUMNS = ("time", "frame", "name", "label", "score", "device", "ms")


class Recorder:
    """Appends sightings to a `.jsonl` or `.csv` file, each line complete before the next frame."""

    def __init__(self, path: Union[str, Path]) -> None:
        """Opens the file; what is in it stays.

        Raises:
          UsageError: the name ends neither with .jsonl nor with .csv.
          OutputError: it cannot be written.
        """
        self._path = Path(path)
        if self._path.suffix not in (".jsonl", ".csv"):
            raise UsageError(f"{path} is of no known kind.", "Name the recording something.jsonl or something.csv.")
        try:
            self._stream = self._path.open("ab", buffering=0)  # each line reaches the file at once
        except OSError as error:
            raise self._failed(error) from error
        if self._path.suffix == ".csv" and not os.fstat(self._stream.fileno()).st_size:
            self._write(_csv_line(dict(zip(_COLUMNS, _COLUMNS))))

    def __call__(self, sighting: Sighting) -> None:
        """Writes one line. Raises OutputError."""
        values = describe(sighting)
        if self._path.suffix == ".csv":
            self._write(_csv_line(values))
        else:
            classes = [asdict(best) for best in sighting.classes[:5]]
            self._write(json.dumps({**values, "predictions": classes}, ensure_ascii=False) + "\n")

    def close(self) -> None:
        """Closes the file."""
        self._stream.close()

    def _write(self, line: str) -> None:
        try:
            self._stream.write(line.encode("utf-8", "backslashreplace"))  # file names need not be text
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> OutputError:
        return OutputError(f"{self._path} cannot be written: {error.strerror}.", "Is there such a folder, and space?")


def describe(sighting: Sighting) -> Dict[str, Any]:
    """A sighting in plain values: UTC time, frame, name, label, score (0–1), device, milliseconds."""
    label, score = (sighting.classes[0].label, sighting.classes[0].score) if sighting.classes else ("", 0.0)
    latency = sighting.prediction.latency
    values = (
        datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
        sighting.frame.number,
        sighting.frame.name,
        label,
        round(score, 4),
        sighting.prediction.device,
        round(latency.pre + latency.infer + latency.post, 2),
    )
    return dict(zip(_COLUMNS, values))


def _csv_line(values: Dict[str, Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow([values[column] for column in _COLUMNS])
    return text.getvalue()
