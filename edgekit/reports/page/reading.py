"""Reading a JSON document of edgekit's, which may have been through other hands."""

from collections.abc import Mapping, Sequence

from edgekit.errors import DataError
from edgekit.reports.page.blocks import Number
from edgekit.reports.text import percent
from edgekit.sizes import size_text

Document = Mapping[str, object]


def table(document: Document, key: str) -> Document:
    """The object under a key; empty where there is none."""
    found = document.get(key)
    return found if isinstance(found, Mapping) else {}


def tables(document: Document, key: str) -> list[Document]:
    """The objects in the list under a key."""
    return [item for item in _list(document, key) if isinstance(item, Mapping)]


def texts(document: Document, key: str) -> list[str]:
    """The texts in the list under a key."""
    return [item for item in _list(document, key) if isinstance(item, str)]


def text(document: Document, key: str, otherwise: str = "") -> str:
    """The text under a key."""
    found = document.get(key)
    return found if isinstance(found, str) else otherwise


def flag(document: Document, key: str) -> bool | None:
    """The truth under a key; None where there is none."""
    found = document.get(key)
    return found if isinstance(found, bool) else None


def file_name(document: Document, key: str = "model") -> str:
    """A file's name without its folders, which are nobody else's business."""
    return text(document, key).replace("\\", "/").rpartition("/")[2]


def number(document: Document, key: str) -> float | None:
    """The number under a key; None where there is none."""
    found = document.get(key)
    return found if isinstance(found, (int, float)) and not isinstance(found, bool) else None


def interval(document: Document, key: str) -> tuple[float, float] | None:
    """The two bounds under a key."""
    found = numbers(document, key)
    return (found[0], found[1]) if len(found) == 2 else None


def numbers(document: Document, key: str) -> list[float]:
    """The numbers in the list under a key."""
    return [item for item in _list(document, key) if isinstance(item, (int, float)) and not isinstance(item, bool)]


def _list(document: Document, key: str) -> Sequence[object]:
    found = document.get(key)
    return found if isinstance(found, (list, tuple)) else ()


# Cells.


def shown(value: float | None, form: str = "{:g}") -> str | Number:
    """A number in a form such as "{:.1f} dB"; a dash where there is none."""
    return "–" if value is None else Number(value, form.format(value))


def share(value: float | None) -> str | Number:
    """A part of one as a percentage."""
    return "–" if value is None else Number(value, percent(value))


def count(value: float | None) -> str | Number:
    """A whole number."""
    return "–" if value is None else Number(value, f"{value:,.0f}")


def size(value: float | None) -> str | Number:
    """A number of bytes."""
    return "–" if value is None else Number(value, size_text(int(value)))


def bounds(found: tuple[float, float] | None) -> tuple[str | Number, ...]:
    """«(95 % CI 97.4–99.4)»; () where there is none."""
    if found is None:
        return ()
    low, high = (Number(bound, f"{100 * bound:.1f}") for bound in found)
    return ("(95 % CI ", low, "–", high, ")")


def kind_of(document: object) -> str:
    """Which command wrote it, a key of `_KINDS`.

    Raises:
      DataError: none of these.
    """
    keys = set(document) if isinstance(document, Mapping) else set()
    for kind, needed in _KINDS.items():
        if needed <= keys:
            return kind
    raise DataError(
        "This JSON document is none that a report can be made of.",
        "Give what convert, evaluate, compare, inspect, train, benchmark or verify print with --json, or a manifest.",
    )


#: Told apart by what only they have; the first that fits counts.
_KINDS = {
    "train": {"curve", "confusion", "training"},
    "evaluate": {"top1", "confusion", "mapping"},
    "compare": {"layers", "agreement"},
    "inspect": {"op_counts", "quantization"},
    "convert": {"provenance", "preprocess"},
    "benchmark": {"results", "machine"},
    "verify": {"gates", "accepted"},
    "manifest": {"tool", "recipe", "preprocessing"},
}
