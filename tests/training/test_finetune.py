"""The last blocks trained in Keras: what is kept, what a kill costs, what is refused."""

import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import edgekit
from edgekit.converters.export.as_keras import ROWS
from edgekit.converters.making import file_bytes, input_of
from edgekit.devices.interpreter import open_interpreter
from edgekit.errors import MissingDependencyError, UnsupportedModelError
from edgekit.models import FAMILY
from edgekit.models.architecture import member
from edgekit.preprocess import InputSpec
from edgekit.reports.curves import curves_png
from edgekit.reports.training import about_tuning, training_facts, training_to_json
from edgekit.tflite import read_graph, read_metadata
from edgekit.tflite.model import Model
from edgekit.training.cache import FeatureCache
from edgekit.training.dataset import Example
from edgekit.training.finetuning.checkpoint import load_state, save_state
from edgekit.training.finetuning.descent import Descent, Epoch, Lesson, Schedule, best_epoch, class_weights, judged
from edgekit.training.finetuning.finetune import Tuned
from edgekit.training.finetuning.passes import Passes, pass_count
from edgekit.training.finetuning.tail import tail_of, with_weights
from tests.support.float_nets import bottleneck_net, save_images

#: A child process that saves its state after every step, and fine-tunes whatever the probe can do already.
CHILD = """
import sys
from functools import partial
from pathlib import Path
import edgekit
from edgekit.training.cache import FeatureCache
from edgekit.training.finetuning import descent, finetune
descent.SECONDS = 0.0
finetune._MOST = 3
finetune.Schedule = partial(finetune.Schedule, batch=4)
finetune._better = lambda top1, probe: True
images, base, cache, output = map(Path, sys.argv[1:])
plan = edgekit.TrainingPlan(base=base, finetune=True, name="colours", augment="none")
trained = edgekit.train(images, plan, cache=FeatureCache(cache))
edgekit.save_trained(trained, output, output.with_suffix(".float.tflite"))
"""


def run(content, *inputs):
    interpreter = open_interpreter(content, threads=1)
    for detail, value in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(detail["index"], value)
    interpreter.invoke()
    return [interpreter.get_tensor(each["index"]) for each in interpreter.get_output_details()]


def model():
    return Model(read_graph(bottleneck_net()), InputSpec(16, 16), "probabilities", tuple("abcde"))


# The cut.


def test_the_tail_has_the_last_of_the_work_and_few_numbers_pass_the_cut():
    lite0 = FAMILY["lite0"]
    tail = tail_of(Model(read_graph(file_bytes(member(lite0, 7), ".tflite", input_of(lite0))), input_of(lite0)))
    assert 1 / 2 <= tail.share <= 3 / 4
    assert tail.shapes == ((14, 14, 80),) and tail.width == 15_680
    assert {kernel.kind for kernel in tail.keras.kernels.values()} == {"Conv2D", "DepthwiseConv2D", "Dense"}


def test_the_tail_in_keras_computes_what_the_whole_does_after_its_front(tmp_path):
    keras = pytest.importorskip("keras")
    from edgekit.models.kerasfile import keras_bytes

    tail = tail_of(model())
    image = np.random.default_rng(0).uniform(0, 255, (1, 16, 16, 3)).astype(np.float32)
    (tmp_path / "tail.keras").write_bytes(keras_bytes(tail.keras.network))
    scores = keras.models.load_model(tmp_path / "tail.keras", compile=False).predict(
        run(tail.front.content, image)[0], verbose=0
    )
    powers = np.exp(scores - scores.max())
    assert np.allclose(powers / powers.sum(), run(tail.model.graph.content, image)[0], atol=1e-5)


def test_other_weights_of_the_tail_change_the_tail_alone():
    tail = tail_of(model())
    same = with_weights(tail, tail.weights)
    image = np.full((1, 16, 16, 3), 90, np.float32)
    assert np.array_equal(run(same.graph.content, image)[0], run(tail.model.graph.content, image)[0])
    doubled = {name: tuple(2 * value for value in values) for name, values in tail.weights.items()}
    changed = with_weights(tail, doubled)
    assert not np.allclose(run(changed.graph.content, image)[0], run(same.graph.content, image)[0])
    again = tail_of(changed)
    assert np.array_equal(run(again.front.content, image)[0], run(tail.front.content, image)[0])
    for name, values in again.weights.items():
        assert all(np.array_equal(found, expected) for found, expected in zip(values, doubled[name], strict=True))


def test_a_base_that_cannot_be_fine_tuned_is_refused_before_the_work(base, colours, monkeypatch):
    pytest.importorskip("tensorflow")
    monkeypatch.delitem(ROWS, "MEAN")
    with pytest.raises(UnsupportedModelError, match=r"cannot be fine-tuned: There is no Keras layer for the op MEAN"):
        edgekit.train(colours, edgekit.TrainingPlan(base=base, finetune=True), cache=FeatureCache(None))


# The parts.


def test_the_learning_rate_rises_for_an_epoch_and_falls_to_nothing():
    schedule = Schedule(epochs=5, rate=0.1)
    rates = [schedule.rate_at(step, 10) for step in range(50)]
    assert rates[9] == pytest.approx(0.1) and max(rates) == pytest.approx(0.1)
    assert rates[0] == pytest.approx(0.01) and rates[-1] < 0.001
    assert rates[29] > rates[30] > rates[31]


def test_what_is_judged_and_kept_lies_between_the_start_and_the_end(tmp_path):
    pytest.importorskip("tensorflow")
    tail, labels = tail_of(model()), np.arange(8) % 5
    examples = tuple(Example(tmp_path / f"{number}", "", 0, "train", "", "") for number in labels)
    passes, everything = Passes(tmp_path, tail, examples, 1, 0), np.arange(8)
    for number in range(2):
        rows = np.random.default_rng(number).normal(0, 1, (8, tail.width)).astype(np.float16)
        np.save(tmp_path / f"pass-{number}.npy", rows)
    found = {}
    for blend in (0.0, 0.5, 1.0):
        lesson = Lesson(f"blend{blend}", passes, labels, everything, everything, tail.weights)
        descent = Descent(tail, Schedule(epochs=2, rate=0.01, batch=4, blend=blend), 5)
        found[blend] = descent.run(lesson, 2, lambda done: None)
    assert found[0.0][1][0].aside_loss == found[0.0][1][1].aside_loss != found[1.0][1][1].aside_loss
    for name, start in tail.weights.items():
        for first, between, last in zip(start, found[0.5][0][name], found[1.0][0][name], strict=True):
            assert np.allclose(between, (first + last) / 2, atol=1e-6) and not np.allclose(first, last, atol=1e-4)
    losses = {blend: [epoch.loss for epoch in history] for blend, (_, history) in found.items()}
    assert losses[0.0] == losses[0.5] == losses[1.0]


def test_the_best_epoch_is_the_last_of_those_with_most_images_right():
    history = [Epoch(1.0, 0.5, top1) for top1 in (0.8, 0.9, 0.9, 0.85)]
    assert best_epoch(history) == 3
    assert best_epoch([Epoch(1.0, float("nan"), float("nan"))] * 3) == 0 == best_epoch([])


def test_classes_count_alike_however_many_images_each_has():
    labels = np.array([0] * 30 + [1] * 10 + [3] * 20)
    weights = class_weights(labels, 4)
    sums = [weights[labels[labels == label]].sum() for label in (0, 1, 3)]
    assert np.allclose(sums, 20) and weights[labels].mean() == pytest.approx(1)


def test_scores_are_judged_as_probabilities():
    scores, labels = np.log(np.array([[0.7, 0.3], [0.4, 0.6], [0.9, 0.1]], np.float32)), np.array([0, 1, 1])
    loss, right = judged(scores, labels)
    assert loss == pytest.approx(-np.log([0.7, 0.6, 0.1]).sum(), abs=1e-5) and right == 2


def test_there_are_fewer_passes_where_images_are_many():
    assert pass_count(600, 22_000, 12) == 12
    assert pass_count(100_000, 22_000, 12) == 1


def test_a_state_that_was_cut_short_counts_as_none(tmp_path):
    path = tmp_path / "state.npz"
    assert load_state(path) is None
    save_state(path, {"a": np.arange(3), "b": np.zeros((2, 2), np.float32)})
    assert load_state(path)["a"].tolist() == [0, 1, 2] and load_state(path)["b"].dtype == np.float32
    path.write_bytes(path.read_bytes()[:-40])
    assert load_state(path) is None
    assert [each.name for each in tmp_path.iterdir()] == ["state.npz"]


# The whole.


@pytest.fixture(scope="module")
def trained(base, colours, tmp_path_factory):
    pytest.importorskip("tensorflow")
    cache = FeatureCache(tmp_path_factory.mktemp("cache") / "features")
    plan = edgekit.TrainingPlan(base=base, finetune=True, name="colours", augment="none")
    return edgekit.train(colours, plan, cache=cache), cache


def test_fine_tuning_that_does_not_beat_the_probe_is_not_kept_and_says_so(trained, base, colours):
    found, _ = trained
    assert found.way == "probe" and not found.tuned.kept and found.tuned.probe == 1.0
    assert found.tuned.aside == 48  # in turns each image that is trained on
    told = dict(training_facts(found, Path("c.tflite"), None))
    assert (
        told["Fine-tuning"].startswith("not kept: named ") and "the probe 100.0 % of 48 images" in told["Fine-tuning"]
    )
    without = edgekit.train(colours, edgekit.TrainingPlan(base=base, name="colours", augment="none"))
    assert found.floating != without.floating  # which tells what was tried
    assert read_metadata(found.floating).provenance["training"]["finetuning"]["kept"] is False


def test_nothing_is_left_on_disk(trained):
    _, cache = trained
    assert not list(cache.folder.with_name("finetuning").iterdir())


def test_a_training_leaves_others_alone_but_for_those_of_long_ago(base, colours, tmp_path):
    pytest.importorskip("tensorflow")
    others = {name: tmp_path / "finetuning" / name / "pass-0.npy" for name in ("killed", "forgotten")}
    for path in others.values():
        path.parent.mkdir(parents=True)
        path.write_bytes(b"")
    for path in (others["forgotten"], others["forgotten"].parent):
        os.utime(path, (1e9, 1e9))
    for finetune in (False, True):
        plan = edgekit.TrainingPlan(base=base, finetune=finetune, augment="none")
        edgekit.train(colours, plan, cache=FeatureCache(tmp_path / "features"))
        assert others["killed"].exists() and others["forgotten"].exists() is not finetune


def test_what_fine_tuning_came_to_is_in_the_document(trained):
    found, _ = trained
    document = training_to_json(found, Path("c.tflite"), Path("c.json"), None)
    assert document["way"] == "probe" and document["finetuning"]["probe"] == 1.0
    assert len(document["finetuning"]["history"]) >= document["finetuning"]["epochs"] >= 1
    kept = replace(found, tuned=replace(found.tuned, model=model(), top1=0.95, probe=0.9))
    assert training_to_json(kept, Path("c.tflite"), Path("c.json"), None)["way"] == "finetune"
    assert kept.expected == 0.95
    told = dict(training_facts(kept, Path("c.tflite"), None))
    assert told["Trained"].startswith("fine-tuned, ") and told["Fine-tuning"].startswith("kept: named 95.0 %")


def test_curves_are_drawn_with_and_without_fine_tuning(trained):
    pytest.importorskip("matplotlib")
    found, _ = trained
    wide, narrow = (Image.open(BytesIO(curves_png(each))) for each in (found, replace(found, tuned=None)))
    assert wide.format == "PNG" and wide.width == 2 * narrow.width and wide.height == narrow.height
    assert len(np.unique(np.asarray(wide.convert("RGB")).reshape(-1, 3), axis=0)) > 50
    assert curves_png(found) == curves_png(found)


def test_too_few_images_to_decide_on_are_said():
    assert "too few to tell" in about_tuning(Tuned(None, 0, float("nan"), float("nan"), 0, 0, 0.4, ()))


def start(images, base, cache, output):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    words = [sys.executable, "-c", CHILD, *map(str, (images, base, cache / "features", output))]
    with open(output.with_suffix(".log"), "w") as log:
        return subprocess.Popen(words, env=environment, stdout=log, stderr=log)


def finish(process, output):
    assert process.wait() == 0, output.with_suffix(".log").read_text()


def kill_once(process, cache, condition):
    """SIGKILL as soon as the state on disk is so."""
    while process.poll() is None:
        if any(condition(path) for path in cache.glob("*/*/*")):
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.005)
    assert process.wait() == -signal.SIGKILL


def features_come(path):
    return path.parent.parent.name == "features"


def in_the_midst(path):
    state = load_state(path) if path.suffix == ".npz" else None
    return state is not None and int(state["epoch"]) == 1 and int(state["step"]) > 0


def after_training(path):
    """Whatever is under way then: the last epochs on all images, or the conversion."""
    state = load_state(path) if path.name == "all.npz" else None
    return state is not None and int(state["epoch"]) > 0


@pytest.mark.slow
def test_a_training_that_was_killed_at_every_stage_ends_as_if_it_had_not_been(base, colours, tmp_path):
    pytest.importorskip("tensorflow")
    whole, killed = tmp_path / "whole.tflite", tmp_path / "killed.tflite"
    undisturbed = start(colours, base, tmp_path / "cache1", whole)
    cache = tmp_path / "cache2"
    for stage in (features_come, lambda path: path.name == "pass-1.npy", in_the_midst, after_training):
        kill_once(start(colours, base, cache, killed), cache, stage)
    assert not killed.exists()
    finish(start(colours, base, cache, killed), killed)
    finish(undisturbed, whole)
    assert killed.read_bytes() == whole.read_bytes()
    assert killed.with_suffix(".float.tflite").read_bytes() == whole.with_suffix(".float.tflite").read_bytes()
    assert read_metadata(whole.read_bytes()).provenance["training"]["way"] == "finetune"


def test_without_tensorflow_it_is_said_before_the_work(monkeypatch, colours):
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(MissingDependencyError, match="Fine-tuning needs TensorFlow") as error:
        edgekit.train(colours, edgekit.TrainingPlan(base="never-opened.tflite", finetune=True))
    assert "[tensorflow]" in error.value.hint


# What is refused or handled without fine-tuning is so with it.


def prepared(folder, fault):
    """A folder of three colours with a fault; what is said of it."""
    save_images(folder, each=3 if fault == "three images a class" else 20)
    if fault == "one class":
        for name in ("green", "red"):
            (folder / name).rename(folder.parent / name)
    if fault == "an empty class":
        (folder / "violet").mkdir()
    if fault == "copies":
        shutil.copytree(folder / "red", folder / "rouge")
    return folder


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("three images a class", "too few different images"),
        ("one class", "of one class, 'blue'"),
        ("an empty class", "violet"),
        ("copies", "hold the same images"),
    ],
)
def test_what_cannot_be_trained_on_is_refused_as_without(base, tmp_path, fault, message):
    pytest.importorskip("tensorflow")
    folder = prepared(tmp_path / "set", fault)
    for plan in (edgekit.TrainingPlan(base=base, finetune=True), edgekit.TrainingPlan(base=base)):
        with pytest.raises(edgekit.EdgekitError, match=message):
            edgekit.train(folder, plan, cache=FeatureCache(None))


def test_grey_sixteen_bit_images_in_roots_and_a_corrupt_one_are_fine_tuned_on(base, tmp_path):
    pytest.importorskip("tensorflow")
    random = np.random.default_rng(0)
    for side, name in itertools.product(("train", "test"), ("dark", "light")):
        folder = tmp_path / side / name
        folder.mkdir(parents=True)
        for number in range(10):
            pixels = {"dark": 9_000, "light": 50_000}[name] + random.integers(0, 5000, (20, 20))
            Image.fromarray(pixels.astype(np.uint16)).save(folder / f"{number}.png")
    (tmp_path / "train" / "dark" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    plan = edgekit.TrainingPlan(base=base, finetune=True, augment="none")
    found = edgekit.train(tmp_path, plan, cache=FeatureCache(None))
    assert found.tuned.aside == 20 and found.int8.images == 20 and found.int8.top1 == 1.0
    assert set(found.dataset.skipped) == {str(Path("train") / "dark" / "broken.png")}
