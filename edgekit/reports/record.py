"""The record of how a model was made, as it is kept in its metadata, on a screen."""

import re
from typing import Iterator, Mapping

#: Entries of a list that are shown; all of them are in the JSON document.
_ENTRIES = 4
_DIGEST = re.compile("[0-9a-f]{32,}")


def record_lines(record: Mapping[str, object]) -> Iterator[str]:
    """A line for each part; a list of several facts each, such as the steps of a search, has its entries below."""
    for part, value in sorted(record.items()):
        fields = value if isinstance(value, Mapping) else {"": value}
        lists = {key: item for key, item in fields.items() if _is_long(item)}
        rest = ", ".join(_named(key, item) for key, item in fields.items() if item is not None and key not in lists)
        yield f"  made with {part}: {rest}".rstrip(": ")
        for key, entries in lists.items():
            yield from _entries(key, entries)


def _is_long(value: object) -> bool:
    return isinstance(value, list) and any(isinstance(entry, (Mapping, list)) for entry in value)


def _entries(key: str, entries: object) -> Iterator[str]:
    assert isinstance(entries, list)
    yield f"    {key}:"
    for entry in entries[:_ENTRIES]:
        yield f"      {_short(entry)}"
    if len(entries) > _ENTRIES:
        yield f"      … {len(entries) - _ENTRIES} more: see --json"


def _named(key: str, value: object) -> str:
    return f"{key} {_short(value)}".lstrip()


def _short(value: object) -> str:
    """A JSON value in short: what is not known is left out, digests are cut."""
    if isinstance(value, Mapping):
        return ", ".join(_named(key, item) for key, item in value.items() if item is not None)
    if isinstance(value, list):
        return "[" + ", ".join(map(_short, value)) + "]"
    if isinstance(value, str) and _DIGEST.fullmatch(value):
        return value[:12] + "…"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
