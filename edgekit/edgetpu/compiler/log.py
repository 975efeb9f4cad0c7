"""Parsing what `edgetpu_compiler` prints and logs, of every version from 1.0 to 16.0.

There is no contract: versions differ in their words, an operation appears in one row for each status,
rows come in no order, and several models (or segments) share one output. So a line that is not
understood is kept as a note rather than refused, and an unknown status passes through as it is.
"""

import re
from dataclasses import dataclass, field, replace
from typing import Callable, List, Mapping, Optional, Set, Tuple

from edgekit.edgetpu.statuses import MAPPED
from edgekit.sizes import size_bytes

_VERSION = re.compile(r"^(?:#+ )?Edge TPU Compiler version (\S+)")
_DURATION = re.compile(r"^Models? compiled successfully in (\d{1,9}) ms\.$")
_HEADER = re.compile(r"^Operator\s+Count\s+Status$")
_ROW = re.compile(r"^([A-Za-z_][\w.:/-]*)\s+(\d{1,9})\s+(\S.*)$")


@dataclass(frozen=True)
class LogRow:
    """How many operations of a kind share a status."""

    opcode: str
    count: int
    status: str

    @property
    def mapped(self) -> bool:
        """Whether they run on the Edge TPU."""
        return self.status == MAPPED


@dataclass(frozen=True)
class ModelLog:
    """What the compiler says of one model or segment; None where it does not say it.

    Attributes:
      input, output, operation_log: paths as the compiler was given them or chose them.
      input_bytes, output_bytes: sizes of the two files, as rounded in print.
      on_chip_used: on-chip memory for cached parameters, in bytes.
      on_chip_remaining: what is left of it for further models, in bytes (compiler ≥ 14).
      on_chip_available: what there was before this model, in bytes (compilers 1 and 2).
      streamed: parameters sent at each inference, in bytes.
      subgraphs: number of custom ops in the compiled model.
      operations, edgetpu_operations, cpu_operations: number of operations; the latter two for partial models.
      rows: the table of operations.
    """

    input: Optional[str] = None
    output: Optional[str] = None
    operation_log: Optional[str] = None
    input_bytes: Optional[int] = None
    output_bytes: Optional[int] = None
    on_chip_used: Optional[int] = None
    on_chip_remaining: Optional[int] = None
    on_chip_available: Optional[int] = None
    streamed: Optional[int] = None
    subgraphs: Optional[int] = None
    operations: Optional[int] = None
    edgetpu_operations: Optional[int] = None
    cpu_operations: Optional[int] = None
    rows: Tuple[LogRow, ...] = ()

    @property
    def mapped_count(self) -> int:
        """Operations that run on the Edge TPU, by the table."""
        return sum(row.count for row in self.rows if row.mapped)


@dataclass(frozen=True)
class CompilerLog:
    """One run of the compiler.

    Attributes:
      version: such as "16.0.384591198", or None where it was not printed.
      milliseconds: how long compiling took, by its own word; None unless it succeeded.
      models: one for each model or segment it reported on.
      notes: all other lines, in order.
    """

    version: Optional[str] = None
    milliseconds: Optional[int] = None
    models: Tuple[ModelLog, ...] = ()
    notes: Tuple[str, ...] = ()


@dataclass
class _Reading:
    """The state of reading a log: what is complete, and the model that the current lines belong to.

    Attributes:
      said: which fields of `model` were stated.
    """

    log: CompilerLog = field(default_factory=CompilerLog)
    model: ModelLog = field(default_factory=ModelLog)
    said: Set[str] = field(default_factory=set)
    rows: List[LogRow] = field(default_factory=list)
    models: List[ModelLog] = field(default_factory=list)
    notes: List[str] = field(default_factory=list)
    in_table: bool = False


#: A model's log with one more statement in it. Raises ValueError for a value that cannot be read.
_Statement = Callable[[ModelLog, str], ModelLog]

#: The compiler's label → the field of `ModelLog` that it states, and how.
_FIELDS: Mapping[str, Tuple[str, _Statement]] = {
    "Input": ("input", lambda log, text: replace(log, input=text)),
    "Input model": ("input", lambda log, text: replace(log, input=text)),
    "Output": ("output", lambda log, text: replace(log, output=text)),
    "Output model": ("output", lambda log, text: replace(log, output=text)),
    "Input size": ("input_bytes", lambda log, text: replace(log, input_bytes=size_bytes(text))),
    "Output size": ("output_bytes", lambda log, text: replace(log, output_bytes=size_bytes(text))),
    "Operation log": ("operation_log", lambda log, text: replace(log, operation_log=text)),
    "On-chip memory used for caching model parameters": (
        "on_chip_used",
        lambda log, text: replace(log, on_chip_used=size_bytes(text)),
    ),
    "On-chip memory remaining for caching model parameters": (
        "on_chip_remaining",
        lambda log, text: replace(log, on_chip_remaining=size_bytes(text)),
    ),
    "On-chip memory available for caching model parameters": (
        "on_chip_available",
        lambda log, text: replace(log, on_chip_available=size_bytes(text)),
    ),
    "Off-chip memory used for streaming uncached model parameters": (
        "streamed",
        lambda log, text: replace(log, streamed=size_bytes(text)),
    ),
    "Number of Edge TPU subgraphs": ("subgraphs", lambda log, text: replace(log, subgraphs=int(text))),
    "Total number of operations": ("operations", lambda log, text: replace(log, operations=int(text))),
    "Number of operations that will run on Edge TPU": (
        "edgetpu_operations",
        lambda log, text: replace(log, edgetpu_operations=int(text)),
    ),
    "Number of operations that will run on CPU": (
        "cpu_operations",
        lambda log, text: replace(log, cpu_operations=int(text)),
    ),
}


def parse_log(text: str) -> CompilerLog:
    """Reads a log file or the compiler's output. Never fails: what it cannot read becomes a note."""
    reading = _Reading()
    for line in text.splitlines():
        line = line.strip()
        if line and not (_read_row(reading, line) or _read_head(reading, line) or _read_field(reading, line)):
            reading.notes.append(line)
    _close_model(reading)
    return replace(reading.log, models=tuple(reading.models), notes=tuple(reading.notes))


def merge_logs(printed: CompilerLog, logged: CompilerLog) -> CompilerLog:
    """The printed output, completed by the log file's tables where the output has none."""
    tables = {model.output: model.rows for model in logged.models}
    models = printed.models or logged.models
    models = tuple(m if m.rows else replace(m, rows=tables.get(m.output, ())) for m in models)
    return replace(printed, version=printed.version or logged.version, models=models)


def _read_head(reading: _Reading, line: str) -> bool:
    version, duration, header = _VERSION.match(line), _DURATION.match(line), _HEADER.match(line)
    if version:
        reading.log = replace(reading.log, version=version.group(1))
    elif duration:
        reading.log = replace(reading.log, milliseconds=int(duration.group(1)))
    elif header:
        reading.in_table = True
    return bool(version or duration or header)


def _read_row(reading: _Reading, line: str) -> bool:
    row = _ROW.match(line) if reading.in_table else None
    if row:
        reading.rows.append(LogRow(row.group(1), int(row.group(2)), row.group(3)))
    return bool(row)


def _read_field(reading: _Reading, line: str) -> bool:
    label, _, value = line.partition(": ")
    if label not in _FIELDS:
        return False
    name, state = _FIELDS[label]
    try:
        state(ModelLog(), value.strip())
    except ValueError:
        return False
    if name in reading.said:
        # The same statement again speaks of the next model, or of the next segment of this one.
        _close_model(reading)
    reading.model = state(reading.model, value.strip())
    reading.said.add(name)
    return True


def _close_model(reading: _Reading) -> None:
    if reading.said or reading.rows:
        reading.models.append(replace(reading.model, rows=tuple(reading.rows)))
    reading.model, reading.said, reading.rows, reading.in_table = ModelLog(), set(), [], False
