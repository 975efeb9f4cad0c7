"""What a page is made of: a template draws each kind of block, whatever is told in it."""

import json
from collections.abc import Mapping, Sequence
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
    """One row of a chart: a length from 0 to 1, with an interval where it is known; `faint` where it counts little."""

    label: str
    part: float
    cells: Sequence[Cell]
    interval: tuple[float, float] | None = None
    marked: bool = False
    faint: bool = False


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
    """Where a model's ops run, in order; `places` names each fate."""

    kind: ClassVar[str] = "band"
    title: str
    runs: Sequence[Run]
    total: int
    places: Mapping[str, str]


@dataclass(frozen=True)
class Strip:
    """A small column for each of many things in order; `heights` are 0–1."""

    kind: ClassVar[str] = "strip"
    title: str
    heights: Sequence[float]
    text: str


@dataclass(frozen=True)
class Histogram:
    """How often which values occurred, beside a range.

    Attributes:
      label: whose values.
      within, beyond: the columns inside and outside of the range, as data of SVG paths in a box of 100 by 40.
      low, high, zero: where the range's ends and zero are, 0–100.
      text: what is seen, in words.
      cells: what is said below.
    """

    label: str
    within: str
    beyond: str
    low: float
    high: float
    zero: float
    text: str
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Histograms:
    """Histograms side by side."""

    kind: ClassVar[str] = "histograms"
    title: str
    items: Sequence[Histogram]
    note: str


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
    """Sentences, one below the other."""

    kind: ClassVar[str] = "lines"
    lines: Sequence[str]


@dataclass(frozen=True)
class Record:
    """A whole document or a part of it, to be opened on demand."""

    kind: ClassVar[str] = "record"
    title: str
    text: str


@dataclass(frozen=True)
class Folded:
    """What is long, to be opened on demand."""

    kind: ClassVar[str] = "folded"
    title: str
    inner: Bars


Block = Union[Facts, Table, Bars, Band, Strip, Histograms, Matrix, Figures, Lines, Record, Folded]


@dataclass(frozen=True)
class Section:
    """A heading and what is below it."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Headline:
    """What comes first: the result.

    Attributes:
      kind: of report, such as "Conversion".
      title: whose result.
      figure: the one number that counts; None where there is none.
      cells: a sentence, the figure's where there is one.
      good: None where nothing was demanded.
    """

    kind: str
    title: str
    figure: Cell | None
    cells: Sequence[Cell]
    good: bool | None = None


@dataclass(frozen=True)
class Tile:
    """A figure that comes next, with what belongs to it in small."""

    title: str
    figure: Cell
    cells: Sequence[Cell] = ()
