"""Class names as tools write them: a name a line, numbered lines, JSON, a comma line, CSV, pbtxt, YAML.

Numbered names go by their number, whatever their order, as pycoral reads them.
"""

import ast
import csv
import json
import re
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

# «0 cat», «0: cat», «0<tab>cat», «0,cat»: Teachable Machine, Coral and CSV files number their lines.
_NUMBERED = re.compile(r"\s*(\d{1,9})[:,;\s]\s*(.+)")
# «cat,0»: a CSV file with the number last.
_NUMBERED_LAST = re.compile(r"\s*(\"[^\"]*\"|[^,;\t]+)[,;\t]\s*(\d{1,9})\s*")
# An item of TensorFlow's label maps, `item { id: 1 name: 'cat' display_name: "Cat" }`.
_ITEM = re.compile(r"item\s*\{([^{}]*)\}")
_FIELD = re.compile(r"(\w+)\s*:\s*(?:\"([^\"]*)\"|'([^']*)'|(\d+))")

#: Under which of their keys documents keep the names.
_KEYS = ("names", "labels", "class_names", "classes", "id2label")
# Such a key of YAML at the start of a line, as in Ultralytics' data files, and what is below it.
_YAML = re.compile(rf"^(?:{'|'.join(_KEYS)})[ \t]*:[ \t]*(.*(?:\n(?:[ \t]|-[ \t]).*)*)", re.MULTILINE)
#: What output 0 of models of TensorFlow's often stands for.
BACKGROUND = "background"
#: In the place of 0 where numbers begin with 1; no text holds it.
_NO_ZERO = "\0"
#: How deep a document may be nested; Python's own parsers end the process on thousands of brackets.
_DEEPEST = 20


def parse_labels(text: str, classes: Optional[int] = None) -> Tuple[str, ...]:
    """The names in a text, in the order of the outputs.

    Numbers from 1 on stand for outputs from 0 on; where the model has one more, for those after the background.
    Blank lines at the end are dropped.

    Args:
      classes: how many the model has, where that is known.
    """
    structured = parse_structured(text, classes)
    if structured:
        return structured
    lines = [line.strip() for line in text.rstrip().splitlines()]
    return _row(lines[0]) if len(lines) == 1 else tuple(lines)


def parse_structured(text: str, classes: Optional[int] = None) -> Optional[Tuple[str, ...]]:
    """The names in a JSON document, a dictionary, a pbtxt, YAML or numbered lines; None where it is none of these."""
    names = _document(text) or _label_map(text) or _yaml(text) or _lines(text)
    if not names or names[0] != _NO_ZERO:
        return names
    return (BACKGROUND, *names[1:]) if len(names) == classes else names[1:]


def _document(text: str) -> Optional[Tuple[str, ...]]:
    """From JSON, or from Python's own notation, in which Ultralytics writes its dictionary."""
    if text.lstrip()[:1] not in ("{", "[") or _depth(text) > _DEEPEST:
        return None
    for parse in (json.loads, ast.literal_eval):
        try:
            return _names(parse(text.strip()))
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
    return None


def _depth(text: str) -> int:
    depth = deepest = 0
    for bracket in re.findall(r"[\[\](){}]", text):
        depth += 1 if bracket in "[({" else -1
        deepest = max(deepest, depth)
    return deepest


def _names(value: object) -> Optional[Tuple[str, ...]]:
    if isinstance(value, list):
        names = [_name(entry) for entry in value]
        return tuple(name for name in names if name is not None) if names and None not in names else None
    if not isinstance(value, dict):
        return None
    if value and all(str(key).isdecimal() for key in value):
        return _ordered({int(key): _name(entry) or "" for key, entry in value.items()})
    if value and all(isinstance(entry, int) for entry in value.values()):
        return _ordered({number: str(name) for name, number in value.items()})
    return next((found for found in (_names(value[key]) for key in _KEYS if key in value) if found), None)


def _name(entry: object) -> Optional[str]:
    """A name itself, the last of several (synset, name), or what an object calls its name."""
    if isinstance(entry, (list, tuple)) and entry:
        return _name(entry[-1])
    if isinstance(entry, dict):
        return next((str(entry[key]) for key in ("display_name", "name", "label") if key in entry), None)
    return entry if isinstance(entry, str) else None


def _label_map(text: str) -> Optional[Tuple[str, ...]]:
    numbered: Dict[int, str] = {}
    for item in _ITEM.findall(text):
        fields = {key: double or single or number for key, double, single, number in _FIELD.findall(item)}
        name = fields.get("display_name") or fields.get("name")
        if name is None or not fields.get("id", "").isdecimal():
            return None
        numbered[int(fields["id"])] = name
    return _ordered(numbered)


def _yaml(text: str) -> Optional[Tuple[str, ...]]:
    """From the lines below a key, or the list behind it: all that such files need of YAML."""
    found = _YAML.search(text)
    body = found.group(1).strip() if found else ""
    if body[:1] in ("[", "{"):
        return _document(body) or _row(body.strip("[]{}"))
    lines = [line.strip() for line in body.splitlines() if not line.strip().startswith("#")]
    if all(line.startswith("- ") for line in lines):
        return tuple(_unquoted(line[2:]) for line in lines) or None
    return _pairs(lines, _NUMBERED, number=1)


def _row(line: str) -> Tuple[str, ...]:
    """Names in one line, between commas or semicolons."""
    try:
        (names,) = csv.reader([line], delimiter="," if "," in line else ";", skipinitialspace=True)
    except csv.Error:  # what is no text, and a name of more than 128 kB
        return (line,)
    return tuple(_unquoted(name) for name in names)


def _unquoted(name: str) -> str:
    """A name without the quotation marks that CSV and YAML may put around it."""
    name = name.strip()
    return name[1:-1] if len(name) > 1 and name[0] == name[-1] and name[0] in "\"'" else name


def _lines(text: str) -> Optional[Tuple[str, ...]]:
    """Lines that are all numbered, perhaps below a head such as `index,label`."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    headed = bool(lines) and not (_NUMBERED.fullmatch(lines[0]) or _NUMBERED_LAST.fullmatch(lines[0]))
    for rows in (lines, lines[1:] if headed else ()):
        found = _pairs(rows, _NUMBERED, number=1) or _pairs(rows, _NUMBERED_LAST, number=2)
        if found:
            return found
    return None


def _pairs(rows: Sequence[str], pattern: "re.Pattern[str]", *, number: int) -> Optional[Tuple[str, ...]]:
    matches = [pattern.fullmatch(row) for row in rows]
    numbered = {int(match.group(number)): _unquoted(match.group(3 - number)) for match in matches if match}
    # Names that only their numbers tell apart (1 euro, 2 euro) are no numbered names.
    if not rows or len(set(numbered.values())) < len(rows):
        return None
    return _ordered(numbered)


def _ordered(numbered: Mapping[int, str]) -> Optional[Tuple[str, ...]]:
    """Names by their numbers; a few may be left out. None where they are no numbering.

    Where they are all there from 1 on, _NO_ZERO is first.
    """
    if not numbered or min(numbered) < 0:
        return None
    count = max(numbered) + 1
    from_one = sorted(numbered) == list(range(1, count))
    if count > 2 * len(numbered) and not from_one:
        return None
    names: List[str] = [numbered.get(index, f"class {index}") for index in range(count)]
    return (_NO_ZERO, *names[1:]) if from_one else tuple(names)
