"""Each gate lets a good model pass, and stops the kind of regression that it is there for."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from edgekit import Recipe, convert, load_source, save, verify
from edgekit.errors import ModelFormatError, UsageError
from edgekit.tflite import read_graph
from edgekit.tflite.metadata import read_metadata, write_metadata
from tests.support.build import GraphBuilder
from tests.support.float_nets import STEP, colour_net, save_images
from tests.support.pairs import write_pair

pytest.importorskip("litert_quantizer")

QUICK = Recipe(ranges="minmax", corrections="none", samples=12)
TURNED = 6 * np.eye(3)  # names red what is blue


def converted(folder, name, **changes):
    (folder / f"{name}.tflite").write_bytes(colour_net(**changes))
    (folder / f"{name}.labels.txt").write_text("blue\ngreen\nred\n" if "dense" not in changes else "")
    made = convert(load_source(folder / f"{name}.tflite"), folder / "images", recipe=QUICK)
    save(made.artefact, folder / f"{name}_int8.tflite")


@pytest.fixture(scope="session")
def ready(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gates")
    save_images(folder / "images")
    converted(folder, "good")
    converted(folder, "wrong", dense=TURNED)
    converted(folder, "large", dense=np.random.default_rng(0).normal(size=(4000, 3)))
    for count in (2, 60):
        (folder / f"convolutions{count}.tflite").write_bytes(convolutions(count))
    good = (folder / "good_int8.tflite").read_bytes()
    other = replace(read_metadata(read_graph(good)), labels=("blue", "green", "crimson"))
    (folder / "touched.tflite").write_bytes(write_metadata(good, other))
    return folder


def convolutions(count):
    graph, shape = GraphBuilder(), (1, 32, 32, 8)
    x = graph.input(shape)
    for _ in range(count):
        kernel, bias = np.zeros((8, 3, 3, 8), np.float32), np.zeros(8, np.float32)
        x = graph.op("CONV_2D", [x, graph.constant(kernel), graph.constant(bias)], shape, options=STEP)
    return graph.finish([x])


@pytest.fixture
def check(ready, tmp_path):
    """The outcomes of a model of the folder by gates that are written into a file there."""

    def run(model, gates):
        spec = ready / "edgekit.toml"
        spec.write_text(f'[convert]\ndata = "images"\n[verify]\nsource = "good.tflite"\ndata = "images"\n{gates}\n')
        found = verify(ready / model, spec)
        return found, {each.gate: each for each in found.outcomes}

    return run


REGRESSIONS = [
    ("max_size", 'max_size = "8KiB"', "good_int8.tflite", "large_int8.tflite"),
    ("min_mapped", 'min_mapped = "100%"', "good_int8.tflite", "good.tflite"),
    ("max_on_chip", 'max_on_chip = "8KiB"', "good_int8.tflite", "large_int8.tflite"),
    ("min_top1", 'min_top1 = "90%"', "good_int8.tflite", "wrong_int8.tflite"),
    ("min_agreement", 'min_agreement = "95%"', "good_int8.tflite", "wrong_int8.tflite"),
    (
        "max_latency_ratio",
        'baseline = "convolutions2.tflite"\nmax_latency_ratio = 2',
        "convolutions2.tflite",
        "convolutions60.tflite",
    ),
    ("reproducible", "reproducible = true", "good_int8.tflite", "touched.tflite"),
]


@pytest.mark.parametrize(("gate", "lines", "good", "regressed"), REGRESSIONS, ids=[row[0] for row in REGRESSIONS])
def test_a_gate_stops_its_kind_of_regression_and_nothing_else(check, gate, lines, good, regressed):
    found, outcomes = check(good, lines)
    assert found.met, outcomes
    assert list(outcomes) == [gate]
    found, outcomes = check(regressed, lines)
    assert not found.met and not outcomes[gate].met
    assert not outcomes[gate].found.startswith("not measured")


def test_a_model_made_of_other_images_is_not_reproduced_and_the_record_says_why(check, ready):
    shutil.copytree(ready / "images", ready / "fewer", dirs_exist_ok=True)
    for path in sorted((ready / "fewer").rglob("*.png"))[::3]:
        path.unlink()
    made = convert(load_source(ready / "good.tflite"), ready / "fewer", recipe=QUICK)
    save(made.artefact, ready / "elsewhere.tflite")
    _, outcomes = check("elsewhere.tflite", "reproducible = true")
    assert "the records differ in calibration" in outcomes["reproducible"].found


def test_a_gate_that_cannot_be_measured_is_not_met(check):
    found, outcomes = check("good.tflite", "reproducible = true\nmax_size = 1000000")
    assert not found.met and outcomes["max_size"].met
    assert outcomes["reproducible"].found.startswith("not measured: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "No gate is asked for"),
        ("[verify]\nsource = 'x'", "No gate is asked for"),
        ("[verify]\nreproducible = false", "No gate is asked for"),
        ("[verify]\nmin_agreement = '98%'", "needs source and data"),
        ("[verify]\nmax_latency_ratio = 1.1", "needs baseline"),
        ("[verify]\nmax_weight = 3", "'max_weight' in .verify., which means nothing"),
        ("[verify]\nmax_size = 'big'", "max_size in .verify.: big is not a size"),
        ("[verify]\nmax_size = true", "is not a size"),
        ("[verify]\nmin_top1 = '120%'", "is not a part of 1"),
        ("[verify]\nmin_mapped = []", "is not a part of 1"),
        ("[verify]\nmax_latency_ratio = 'fast'", "not a number"),
        ("[verify]\nreproducible = 1", "neither true nor false"),
        ("[verify]\nimages = 0\nmax_size = 9", "not a number of images"),
        ("[verify]\nsource = 3\nmax_size = 9", "not a path"),
        ("[verfy]\n", "'verfy', which means nothing"),
        ("verify = 3", "'verify', which means nothing"),
        ("[verify", "is no TOML"),
        ("[convert]\ntrust = true", "only the command line may say"),
        ("[convert]\nsave_ranges = 'x.json'", "only the command line may say"),
    ],
)
def test_demands_that_mean_nothing_are_told_before_the_work(ready, text, message):
    spec = ready / "bad.toml"
    spec.write_text(text)
    with pytest.raises(UsageError, match=message):
        verify(ready / "good_int8.tflite", spec)


def test_models_that_cannot_be_judged_are_told(ready, tmp_path):
    (tmp_path / "edgekit.toml").write_text("[verify]\nmax_size = 1")
    with pytest.raises(UsageError, match="is compiled"):
        verify(write_pair(tmp_path), tmp_path / "edgekit.toml")
    with pytest.raises(ModelFormatError):
        verify(tmp_path / "none.tflite", tmp_path / "edgekit.toml")
    with pytest.raises(UsageError, match="cannot be read"):
        verify(ready / "good_int8.tflite", tmp_path / "none.toml")
