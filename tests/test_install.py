"""The distribution's name: the index's `edgekit` is somebody else's, and no file may tell anybody to install it."""

import configparser
import re
from pathlib import Path

import pytest

from edgekit.errors import MissingDependencyError
from edgekit.install import DESCRIPTION, DISTRIBUTION, install_command, not_importable, other_edgekit

ROOT = Path(__file__).resolve().parents[1]
#: `edgekit` as something to install: after pip's verb, or with extras in brackets.
STRANGER = re.compile(r"pip3? (install|wheel|download)\b[^\n`#]*[\s'\"]edgekit(?![\w.-])|\bedgekit(\\*\[)[a-z]+[],]")


def printed_files():
    for folder, pattern in (
        ("edgekit", "*.*"),
        ("docs", "*.md"),
        ("scripts", "*"),
        (".", "*.*"),
        ("benchmarks", "*.*"),
    ):
        found = (ROOT / folder).glob(pattern) if folder == "." else (ROOT / folder).rglob(pattern)
        yield from (path for path in found if path.suffix in (".py", ".md", ".sh", ".cfg", ".html", ".toml"))


def test_no_file_tells_to_install_the_strangers_package():
    files = list(printed_files())
    assert len(files) > 150
    wrong = [f"{path.relative_to(ROOT)}: {line}" for path in files for line in path.read_text().splitlines()
             if STRANGER.search(line)]  # fmt: skip
    assert wrong == []


@pytest.mark.parametrize(
    "line", ['pip install "edgekit[convert]"', "pip install edgekit", "pip install -U edgekit", "needs edgekit[serve]"]
)
def test_the_search_finds_what_it_is_for(line):
    assert STRANGER.search(line)


def test_the_distribution_has_the_name_that_the_hints_print():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert setup["metadata"]["name"] == DISTRIBUTION == "edgekit-coral"
    assert install_command("convert") == 'pip install "edgekit-coral[convert]"'  # zsh expands bare brackets
    assert install_command() == "pip install edgekit-coral"


def test_a_package_that_is_there_but_does_not_load_is_not_called_missing():
    missing = not_importable("Quantizing", "scipy", "convert", ModuleNotFoundError("No module named 'scipy'"))
    broken = not_importable("Quantizing", "scipy", "convert", ImportError("libx.so: undefined symbol: y\nmore"))
    assert isinstance(missing, MissingDependencyError)
    assert missing.message == "Quantizing needs scipy, which is not installed."
    assert (
        broken.message == "Quantizing needs scipy, which is installed but does not load: libx.so: undefined symbol: y."
    )
    assert install_command("convert") in missing.hint and install_command("convert") in broken.hint


@pytest.mark.parametrize(
    ("summary", "found"), [("The SDK of somebody else", True), (None, True), (f"{DESCRIPTION}, phones", False)]
)
def test_the_strangers_distribution_is_told_from_an_old_installation_of_this_one(tmp_path, monkeypatch, summary, found):
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    assert other_edgekit() == ""
    (tmp_path / "edgekit-3.1.dist-info").mkdir()
    lines = ["Metadata-Version: 2.1", "Name: edgekit", "Version: 3.1", *([f"Summary: {summary}"] if summary else [])]
    (tmp_path / "edgekit-3.1.dist-info" / "METADATA").write_text("\n".join(lines))
    assert other_edgekit().startswith("edgekit 3.1: ") is found


def test_the_description_is_the_one_that_is_published():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert setup["metadata"]["description"].startswith(DESCRIPTION)
