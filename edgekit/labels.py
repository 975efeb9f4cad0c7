"""Class names from a text file: one in a line, as every tool writes them."""

import re
from pathlib import Path
from typing import Tuple, Union

from edgekit.errors import UsageError

# «0 cat», «0: cat», «0<tab>cat»: Teachable Machine and Coral number their lines.
_NUMBERED = re.compile(r"\s*(\d+)[:,\s]\s*(.+)")


def read_labels(path: Union[str, Path]) -> Tuple[str, ...]:
    """The labels in a file, in the order of the model's output.

    Raises:
      UsageError: the file is missing, unreadable, no text, or empty.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(
            f"{path} is not a text file of labels.", "Give a UTF-8 file with one label in a line."
        ) from None
    except FileNotFoundError:
        raise UsageError(f"There is no label file {path}.") from None
    except OSError as error:
        raise UsageError(f"The label file {path} could not be read: {error.strerror}.") from error
    labels = parse_labels(text)
    if not labels or "\0" in text:
        raise UsageError(f"{path} holds no labels.", "Give a UTF-8 file with one label in a line.")
    return labels


def parse_labels(text: str) -> Tuple[str, ...]:
    """One label a line; lines numbered 0, 1, 2, … throughout lose their number, blank ones at the end are dropped."""
    lines = [line.strip() for line in text.rstrip().splitlines()]
    matches = [_NUMBERED.fullmatch(line) for line in lines]
    if all(match and int(match.group(1)) == index for index, match in enumerate(matches)):
        return tuple(match.group(2) for match in matches if match)
    return tuple(lines)
