"""Class names from a text file: one in a line, as every tool writes them."""

import re
from pathlib import Path
from typing import Tuple, Union

from edgekit.errors import UsageError

# «0 cat», «0: cat», «0<tab>cat»: Teachable Machine and Coral number their lines.
_NUMBERED = re.compile(r"\s*(\d+)[:,\s]\s*(.+)")


def read_labels(path: Union[str, Path]) -> Tuple[str, ...]:
    """The labels in a file, in the order of the model's output.

    Lines numbered 0, 1, 2, … throughout lose their number; blank lines at the end are dropped.

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
    lines = [line.strip() for line in text.rstrip().splitlines()]
    if not lines or "\0" in text:
        raise UsageError(f"{path} holds no labels.", "Give a UTF-8 file with one label in a line.")
    return _without_numbers(lines)


def _without_numbers(lines: "list[str]") -> Tuple[str, ...]:
    matches = [_NUMBERED.fullmatch(line) for line in lines]
    if all(match and int(match.group(1)) == index for index, match in enumerate(matches)):
        return tuple(match.group(2) for match in matches if match)
    return tuple(lines)
