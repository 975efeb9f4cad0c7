"""The words that users read are those of docs/glossary.md."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOT_USED = re.compile(
    r"\bpictures?\b|\bblamed?\b|\bculprits?\b|\bharm(s|ful|ed)?\b|\broles?\b|\bcontests?\b|\btrials?\b|\boutlook\b"
    r"|names the same class|\brulebook\b|\bcausebook\b",
    re.IGNORECASE,
)
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "edgekit" / "serve" / "page.html"])
#: Where texts for users are made: the commands, the reports, and the errors of every module.
SPEAKING = sorted((ROOT / "edgekit").rglob("*.py"))
#: Names that are others', or that other programs read.
ALLOWED = {
    'role="alert"',  # HTML's own attribute
    "`machine.trial.*`",  # a key of the doctor's document
}


def spoken(path):
    """The texts in a module that may reach a user: string constants other than docstrings and single words."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            node.value.value = ""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value.strip():
            yield node.value


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_documents_use_the_glossarys_words(path):
    text = path.read_text(encoding="utf-8")
    if path.name == "glossary.md":
        text = text[: text.index("## Not used")]
    for allowed in ALLOWED:
        text = text.replace(allowed, "")
    assert [found.group() for found in NOT_USED.finditer(text)] == []


@pytest.mark.parametrize("path", SPEAKING, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_the_program_says_uses_the_glossarys_words(path):
    assert [text for text in spoken(path) if NOT_USED.search(text)] == []


def test_every_word_that_is_not_used_is_listed():
    listed = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8").split("## Not used")[1]
    for word in ("picture", "blame", "culprit", "harm", "role", "contest", "trial", "outlook", "rulebook", "causebook"):
        assert word in listed
