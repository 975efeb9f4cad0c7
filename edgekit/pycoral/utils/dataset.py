"""Reading label files."""

import re
from pathlib import Path
from typing import Dict, Union

# «0 cat», «0: cat», «0<tab>cat».
_SEPARATOR = re.compile(r"[:\s]+")


def read_label_file(file_path: Union[str, Path]) -> Dict[int, str]:
    """Class id → label.

    A line is an id and a label, with a colon or white space between, or a label alone, whose id is then
    the number of its line, from 0.

    Raises:
      OSError: the file cannot be read.
      UnicodeDecodeError: it is no UTF-8 text.
    """
    labels = {}
    with open(file_path, encoding="utf-8") as file:
        for row, line in enumerate(file):
            number, *label = _SEPARATOR.split(line.strip(), maxsplit=1)
            numbered = bool(label) and number.isdecimal()
            labels[int(number) if numbered else row] = label[0].strip() if numbered else line.strip()
    return labels
