"""docs/safety.md says which test holds each claim: those tests exist, and README makes no claim that it does not."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SAFETY = (ROOT / "docs/safety.md").read_text(encoding="utf-8")


def _claimed():
    """(file, test) of each test that is named; `::name` alone is in the file named before it in its row."""
    for row in SAFETY.splitlines():
        file = ""
        for named, test in re.findall(r"`((?:tests/[\w/]+\.py)?)::(\w+)`", row):
            file = named or file
            yield file, test


def test_every_claim_about_safety_names_a_test_that_exists():
    claimed = list(_claimed())
    assert len(claimed) > 20
    for file, test in claimed:
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        assert test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, f"{file}::{test}"


def test_every_row_of_the_table_names_a_test():
    rows = [row for row in SAFETY.splitlines() if row.startswith("|") and row.count("|") == 5]
    assert len(rows) > 12
    for row in rows[2:]:
        assert "::test_" in row or row.startswith("|---") or "first run, once" in row or "MB |" in row, row
