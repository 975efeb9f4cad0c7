"""What a page is made of: a template draws each kind of block, whatever is told in it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Union


@dataclass(frozen=True)
class Number:
    """A figure: as people read it, and exactly as the JSON document has it.

    Attributes:
      value: of the document.
      text: what is shown of it.
    """

    value: float
    text: str

    @property
    def exact(self) -> str:
        """The value as JSON writes it."""
        return json.dumps(self.value)


Cell = Union[str, Number, tuple[Union[str, Number], ...]]


@dataclass(frozen=True)
class Facts:
    """Titles and what there is to say of each; a value may be several cells in a row."""

    kind: ClassVar[str] = "facts"
    rows: Sequence[tuple[str, Sequence[Cell]]]


@dataclass(frozen=True)
class Table:
    """Columns; those whose places are in `numeric` are aligned to the right."""

    kind: ClassVar[str] = "table"
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    numeric: Sequence[int] = ()


@dataclass(frozen=True)
class Bar:
    """One row of a chart: a length from 0 to 1, with an interval where it is known, and what marks it out."""

    label: str
    part: float
    cells: Sequence[Cell]
    interval: tuple[float, float] | None = None
    marked: bool = False


@dataclass(frozen=True)
class Bars:
    """A chart of bars, which is a table too; `header` names the label, the bar and the cells."""

    kind: ClassVar[str] = "bars"
    title: str
    header: Sequence[str]
    rows: Sequence[Bar]


@dataclass(frozen=True)
class Run:
    """Ops in a row that share a fate: "edgetpu", "unsure" or "cpu"."""

    first: int
    count: int
    device: str
    text: str


@dataclass(frozen=True)
class Band:
    """Where a model's ops run, in order."""

    kind: ClassVar[str] = "band"
    title: str
    runs: Sequence[Run]
    total: int


@dataclass(frozen=True)
class Matrix:
    """Counts by truth and prediction; `shares` are 0–1 of each row."""

    kind: ClassVar[str] = "matrix"
    title: str
    names: Sequence[str]
    counts: Sequence[Sequence[Number]]
    shares: Sequence[Sequence[float]]


@dataclass(frozen=True)
class Figure:
    """An image with what is to be said of it; `source` is a data URI."""

    source: str
    text: str
    lines: Sequence[str]


@dataclass(frozen=True)
class Figures:
    """Images side by side, a row of them for each subject."""

    kind: ClassVar[str] = "figures"
    rows: Sequence[Sequence[Figure]]
    note: str


@dataclass(frozen=True)
class Lines:
    """Sentences, one below the other; alarms stand out."""

    kind: ClassVar[str] = "lines"
    lines: Sequence[str]
    alarm: bool = False


@dataclass(frozen=True)
class Record:
    """A whole document or a part of it, to be opened on demand."""

    kind: ClassVar[str] = "record"
    title: str
    text: str


Block = Union[Facts, Table, Bars, Band, Matrix, Figures, Lines, Record]


@dataclass(frozen=True)
class Section:
    """A heading and what is below it."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Headline:
    """What comes first: the result in a sentence; `good` is None where nothing was demanded."""

    title: str
    cells: Sequence[Cell]
    good: bool | None = None
