"""docs/json.md names the keys that commands print with --json: all of them, and no other."""

import json
import re
import shutil
from collections import defaultdict
from pathlib import Path

import pytest
from click.testing import CliRunner

import edgekit
from edgekit.cli import COMMANDS, main
from edgekit.edgetpu.compiler import run as compiler_run
from edgekit.reports.training import training_to_json
from edgekit.training.cache import FeatureCache
from tests.support.float_nets import bottleneck_net, colour_net, save_images
from tests.support.pairs import write_pair
from tests.support.phone import FakePhone, binary
from tests.support.recordings import FAKE_COMPILER, compiled_model, int8_model, record, success_text

PAGE = (Path(__file__).parents[1] / "docs" / "json.md").read_text(encoding="utf-8")
#: Those that print a line for each frame, or run until they are stopped.
LIVE = {"camera", "serve"}
COMMANDS_RUN = [
    "convert model.h5 --data train --verify-data validation -o m.tflite",
    "convert model.h5 --data train -o c.tflite --compile",
    "evaluate m.tflite --data validation",
    "evaluate m.tflite --data mislabelled",
    "compare model.h5 m.tflite --data mislabelled",
    "inspect m.tflite --tensors",
    "inspect m.tflite --edgetpu",
    "inspect m.tflite --target ethos-u",
    "inspect net_edgetpu.tflite",
    "inspect alone/net_edgetpu.tflite",
    "inspect net.tflite --compiled net_edgetpu.tflite",
    "classify m.tflite photo.png",
    "benchmark m.tflite --device cpu,usb --runs 25",
    "benchmark m.tflite --runs 25 --images 2 --adb --binary benchmark_model",
    "verify m.tflite --spec edgekit.toml",
    "compile small.tflite",
    "metadata show m.tflite",
    "metadata labels m.tflite",
    "metadata set m.tflite --author Somebody",
    "explain m.tflite photo.png broken.png",
    "doctor",
    "devices",
    "zoo",
    "new b0 -o new.h5",
    "scale",
    "snippet m.tflite --for python",
    "report m.json",
]


def sections():
    """Title → rows (keys, text) of the tables below it."""
    found = {}
    for title, body in re.findall(r"^##? ([^\n]+)\n(.*?)(?=^##? |\Z)", PAGE, re.M | re.S):
        rows = re.findall(r"^\| (`[^|]*`) \| (.*) \|$", body, re.M)
        found[title] = [(re.findall(r"`([^`]+)`", keys), text) for keys, text in rows]
    return found


def documented(title):
    """Every key below a title, those of parts that it links to included."""
    keys = set()
    for names, text in sections()[title]:
        parts = [documented(anchor.capitalize()) for anchor in re.findall(r"\(#(\w+)\)", text)]
        for name in names:
            keys |= {name, *(f"{name}.{below}" for part in parts for below in part if len(names) < 3)}
    return {*keys, *(key[: end.start()] for key in keys for end in re.finditer(r"\.", key))}


def printed(value, open_keys, at=""):
    """Every key of a document; below those that are documented as `a.*` none is told apart."""
    if isinstance(value, list):
        return {key for each in value for key in printed(each, open_keys, at)}
    if not isinstance(value, dict):
        return set()
    if f"{at}*" in open_keys:
        return {f"{at}*"}
    return {key for name in value for key in {f"{at}{name}", *printed(value[name], open_keys, f"{at}{name}.")}}


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    """Command → the documents that it prints."""
    for package in ("litert_quantizer", "jinja2", "ethosu"):
        pytest.importorskip(package)
    with pytest.MonkeyPatch.context() as patch:
        here = tmp_path_factory.mktemp("json")
        patch.chdir(here)
        _prepare(here, patch)
        found = defaultdict(list)
        for line in COMMANDS_RUN:
            result = CliRunner().invoke(main, [*line.split(), "--json"])
            assert result.exit_code in (0, 1, 2), f"{line}: {result.output}"
            document = json.loads(result.stdout)
            assert "error" not in document, document
            found[line.split()[0]].append(document)
        found["train"].append(_training(here))
    return found


def _prepare(here, patch):
    (here / "model.h5").write_bytes(colour_net())
    (here / "model.labels.txt").write_text("blue\ngreen\nred\n")
    for seed, side in enumerate(("train", "validation", "mislabelled")):
        save_images(here / side, each=6, seed=seed)
    shutil.copy("validation/red/00.png", "mislabelled/blue/other.png")
    shutil.copy("validation/red/00.png", "photo.png")
    for folder in (here, here / "train", here / "mislabelled" / "red"):
        (folder / "broken.png").write_bytes(b"no image")
    (here / "edgekit.toml").write_text('[verify]\nmax_size = "5 MB"\n')
    write_pair(here, "apart")
    (here / "alone").mkdir()
    write_pair(here / "alone")
    (here / "alone" / "net.tflite").unlink()
    (here / "small.tflite").write_bytes(int8_model(tail=True))
    (here / "runs").mkdir()
    record(here / "runs", compiled_model(tail=True), stdout=success_text(tail=True))
    patch.setenv("EDGEKIT_FAKE_RUNS", str(here / "runs"))
    patch.setenv("EDGEKIT_EDGETPU_COMPILER", str(FAKE_COMPILER))
    patch.setattr(compiler_run, "_GRACE_S", 0.0)
    (here / "phone").mkdir()
    FakePhone(here / "phone", patch)
    binary(here / "benchmark_model")


def _training(here):
    (here / "base.tflite").write_bytes(bottleneck_net())
    images = save_images(here / "colours")
    (here / "colours" / "red" / "broken.png").write_bytes(b"no image")
    plan = edgekit.TrainingPlan(base=here / "base.tflite", name="colours")
    trained = edgekit.train(images, plan, cache=FeatureCache(None))
    return json.loads(json.dumps(training_to_json(trained, Path("m.tflite"), Path("m.json"), None)))


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - LIVE))
def test_the_keys_that_are_documented_are_those_that_are_printed(documents, command):
    known = documented(f"edgekit {command}")
    found = {key for document in documents[command] for key in printed(document, known)}
    assert sorted(found - known) == []
    assert sorted(key for key in known - found if not key.endswith("*") and f"{key}.*" not in known) == []


def test_the_keys_of_an_error_are_documented():
    result = CliRunner().invoke(main, ["inspect", "missing.tflite", "--json"])
    assert result.exit_code == 2 and set(json.loads(result.stdout or result.stderr)) == documented("The JSON documents")


def test_the_live_commands_are_named():
    assert all(f"`{command}`" in PAGE for command in LIVE)
