"""Writing down what was seen, a line for each frame."""

import csv
import io
import json
import os
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Iterable, NamedTuple, Union

from edgekit.camera.watch import Sighting
from edgekit.errors import OutputError, UsageError


class Line(NamedTuple):
    """What is written of a sighting.

    Attributes:
      time: UTC, in ISO 8601.
      frame: the frame's number.
      name: the frame's name.
      label: the most probable class, or "".
      score: its probability, 0–1.
      device: where it was computed.
      ms: preprocessing, inference and postprocessing together, in milliseconds.
    """

    time: str
    frame: int
    name: str
    label: str
    score: float
    device: str
    ms: float


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
            self._write(_csv_line(Line._fields))

    def __call__(self, sighting: Sighting) -> None:
        """Writes one line. Raises OutputError."""
        line = describe(sighting)
        if self._path.suffix == ".csv":
            self._write(_csv_line(line))
        else:
            classes = [asdict(best) for best in sighting.classes[:5]]
            self._write(json.dumps({**line._asdict(), "predictions": classes}, ensure_ascii=False) + "\n")

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


def describe(sighting: Sighting) -> Line:
    """A sighting in plain values."""
    best = sighting.classes[0] if sighting.classes else None
    return Line(
        time=datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
        frame=sighting.frame.number,
        name=sighting.frame.name,
        label=best.label if best else "",
        score=round(best.score, 4) if best else 0.0,
        device=sighting.prediction.device,
        ms=round(sighting.prediction.latency.total, 2),
    )


def _csv_line(values: Iterable[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()
