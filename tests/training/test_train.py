"""From a folder of images to a verified int8 model."""

import hashlib
import json
import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import edgekit
from edgekit.cli import main
from edgekit.errors import DataError, UnsupportedModelError, UsageError
from edgekit.reports.training import training_facts, training_to_json
from edgekit.tflite import read_metadata
from edgekit.training import base as training_base
from edgekit.training.cache import FeatureCache
from tests.support.float_nets import bottleneck_net, colour_net, save_images

#: A child process that fails where anything of TensorFlow is imported.
WITHOUT_TENSORFLOW = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "keras", "tf_keras", "torch"):
            raise ImportError(f"{name} is refused")
sys.meta_path.insert(0, Refuse())
from edgekit.cli import main
main(sys.argv[1:])
"""


def command(*arguments, cwd):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    words = [sys.executable, "-c", WITHOUT_TENSORFLOW, "train", *map(str, arguments)]
    return subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def trained(base, colours):
    return edgekit.train(colours, edgekit.TrainingPlan(base=base, name="colours"), cache=FeatureCache(None))


def test_colours_are_learnt_and_judged_on_images_that_trained_nothing(trained):
    assert trained.dataset.class_names == ("blue", "green", "red")
    assert len(trained.dataset.train) == 48 and len(trained.dataset.test) == 12
    assert trained.top1 == 1.0 and trained.int8.top1 == 1.0 and trained.int8.images == 12
    verdict = trained.conversion.verdict
    assert verdict.images == 12 and verdict.source == "data" and verdict.top1_candidate == 1.0
    assert verdict.top1_reference == trained.top1


def test_the_int8_model_is_calibrated_on_the_images_trained_on(trained):
    calibration = trained.conversion.artefact.provenance["calibration"]
    assert calibration["kind"] == "data" and calibration["images"] == 48


def test_the_files_describe_themselves(trained, tmp_path):
    manifest = edgekit.save_trained(trained, tmp_path / "c.tflite", tmp_path / "c.float.tflite")
    told = read_metadata((tmp_path / "c.tflite").read_bytes())
    assert told.labels == ("blue", "green", "red")
    assert told.provenance["training"]["images"] == 48 and told.provenance["training"]["base"] == "base.tflite"
    assert read_metadata((tmp_path / "c.float.tflite").read_bytes()).labels == told.labels
    record = json.loads(manifest.read_text())
    assert record["training"] == told.provenance["training"]
    assert record["sha256"] == hashlib.sha256((tmp_path / "c.tflite").read_bytes()).hexdigest()


def test_images_to_judge_on_that_are_harder_than_those_to_train_on_are_an_alarm(trained):
    assert trained.alarms == ()
    worse = replace(trained, top1=0.5, interval=(0.3, 0.7), choice=replace(trained.choice, accuracy=0.95))
    assert "95.0% of the images to train on rightly: those to judge on are of another kind" in worse.alarms[0]
    easier = replace(trained, choice=replace(trained.choice, accuracy=0.5))
    assert "those to judge on are easier" in easier.alarms[0]
    assert ("Alarm", worse.alarms[0]) in training_facts(worse, Path("c.tflite"), None)
    assert training_to_json(worse, Path("c.tflite"), Path("c.json"), None)["alarms"] == list(worse.alarms)


@pytest.mark.parametrize("kind", ["c.tflite", "c.float.tflite"])
def test_both_files_name_the_colours(trained, tmp_path, kind):
    edgekit.save_trained(trained, tmp_path / "c.tflite", tmp_path / "c.float.tflite")
    with edgekit.Classifier(str(tmp_path / kind), device="cpu") as classifier:
        for name, colour in {"blue": (20, 30, 220), "green": (10, 210, 40), "red": (230, 20, 10)}.items():
            assert classifier.classify(np.full((40, 30, 3), colour, np.uint8)).classes[0].label == name


def test_the_same_images_make_the_same_bytes_with_and_without_a_cache(trained, base, colours, tmp_path):
    plan, cache = edgekit.TrainingPlan(base=base, name="colours"), FeatureCache(tmp_path)
    for _ in range(2):  # the second time its features are read
        again = edgekit.train(colours, plan, cache=cache)
        assert again.conversion.artefact.model.graph.content == trained.conversion.artefact.model.graph.content
        assert again.floating == trained.floating
    assert any(path.is_file() for path in tmp_path.rglob("*"))


@pytest.mark.parametrize(("library", "suffix"), [("keras", ".keras"), ("keras", ".h5"), ("tf_keras", ".h5")])
def test_the_float_model_is_the_same_in_both_kerases(trained, tmp_path, library, suffix):
    library = pytest.importorskip(library)
    for kind in (suffix, ".tflite"):
        edgekit.save_trained(trained, tmp_path / "c.tflite", tmp_path / f"float{kind}")
    model = library.models.load_model(tmp_path / f"float{suffix}", compile=False)
    pixels = np.random.default_rng(0).integers(0, 256, (8, *trained.spec.shape), np.uint8)
    with edgekit.Classifier(str(tmp_path / "float.tflite"), device="cpu") as classifier:
        expected = [{each.label: each.score for each in classifier.classify(image).classes} for image in pixels]
    expected = [[row[name] for name in trained.dataset.class_names] for row in expected]
    assert np.allclose(model.predict(pixels.astype(np.float32), verbose=0), expected, atol=1e-5)


def test_a_keras_file_is_itself_a_base(trained, colours, tmp_path):
    pytest.importorskip("h5py")
    edgekit.save_trained(trained, tmp_path / "c.tflite", tmp_path / "c.h5")
    plan = edgekit.TrainingPlan(base=tmp_path / "c.h5", augment="none")
    assert edgekit.train(colours, plan, cache=FeatureCache(None)).int8.top1 == 1.0


def test_a_base_that_keras_has_no_layers_for_is_refused_before_the_work(colours, tmp_path):
    base = tmp_path / "base.tflite"
    base.write_bytes(colour_net(between="FLOOR"))
    with pytest.raises(UnsupportedModelError, match=r"cannot be written as \.keras: .* FLOOR"):
        edgekit.train(colours, edgekit.TrainingPlan(base=base, float_suffix=".keras"), cache=FeatureCache(None))


def test_three_images_a_class_are_refused_in_words(base, tmp_path):
    with pytest.raises(DataError, match="too few different images: 'blue' 3, 'green' 3, 'red' 3"):
        edgekit.train(save_images(tmp_path / "few", each=3), edgekit.TrainingPlan(base=base))


def test_an_unknown_base_is_refused_with_those_there_are(colours):
    with pytest.raises(UsageError, match="no such model in the zoo") as error:
        edgekit.train(colours, edgekit.TrainingPlan(base="lite9"))
    assert "lite0" in error.value.hint


@pytest.mark.parametrize("plan", [{"augment": "all"}, {"seed": -1}])
def test_a_plan_that_names_nothing_is_refused(plan):
    with pytest.raises(UsageError):
        edgekit.TrainingPlan(**plan)


def test_grey_sixteen_bit_images_are_learnt(base, tmp_path):
    random = np.random.default_rng(0)
    for name, level in (("dark", 9_000), ("light", 50_000)):
        (tmp_path / "set" / name).mkdir(parents=True)
        for number in range(10):
            pixels = (level + random.integers(0, 5000, (20, 20))).astype(np.uint16)
            Image.fromarray(pixels).save(tmp_path / "set" / name / f"{number}.png")
    found = edgekit.train(tmp_path / "set", edgekit.TrainingPlan(base=base), cache=FeatureCache(None))
    assert found.top1 == 1.0 and found.int8.top1 == 1.0


# The command.


def test_the_command_needs_no_tensorflow_and_answers_as_documented(base, colours, tmp_path):
    done = command(colours, "-o", "c.tflite", "--base", base, "--save-float", "f.tflite", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["model"], told["float"], told["manifest"]) == ("c.tflite", "f.tflite", "c.json")
    assert told["way"] == "probe" and told["images"] == 60 and told["seconds"] > 0
    assert told["top1"] == told["top1_int8"] == 1.0 and told["top1_interval"][0] < 1.0
    assert [each["label"] for each in told["classes"]] == ["blue", "green", "red"]
    assert {each["specificity"] for each in told["classes"]} == {1.0}
    assert told["verdict"]["agreement"] == 1.0 and told["verdict"]["images"] == 12
    assert sum(each["images"] for each in told["confusion"]) == 12
    assert told["curve"]["points"][-1]["images"] == 48
    assert {path.name for path in tmp_path.iterdir()} == {"c.tflite", "c.json", "f.tflite"}


def test_the_command_tells_what_it_found(base, colours, tmp_path):
    done = command(colours, "--base", base, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "48 to train on, 12 to judge on (20% of each class, drawn with seed 0)" in done.stdout
    assert "float 100.0 % (95 % CI 75.8–100.0) on 12 images that trained nothing" in done.stdout
    assert "By class" in done.stdout and (tmp_path / "colours.tflite").is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "c.h5"], "c.h5 does not end in .tflite"),
        (["-o", "c.tflite", "--save-float", "c.tflite"], "would overwrite"),
        (["--save-float", "c.onnx"], "c.onnx does not end in .tflite, .keras, .h5"),
        (["-o", "nowhere/c.tflite"], "nowhere"),
        (["--curves", "c.svg"], "c.svg does not end in .png"),
        (["--augment", "all"], "no augmentation 'all'"),
    ],
)
def test_wrong_options_are_refused_before_the_work(colours, tmp_path, options, message):
    done = command(colours, *options, "--base", "never-opened.tflite", cwd=tmp_path)
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def examples():
    lines = (main.get_command(None, "train").help or "").partition("Examples:")[2].splitlines()
    return [shlex.split(line)[2:] for line in lines if line.strip().startswith("edgekit ")]


@pytest.mark.parametrize("arguments", [pytest.param(each, id=" ".join(each)) for each in examples()])
def test_an_example_of_the_help_runs(tmp_path, monkeypatch, arguments):
    base = tmp_path / "base.tflite"
    base.write_bytes(bottleneck_net(size=224))
    monkeypatch.setattr(training_base, "_opened_zoo", lambda name, like, progress: training_base.open_base(base))
    sides = [""] if "--test" not in arguments else ["train", "validation"]
    for seed, side in enumerate(sides):
        save_images(tmp_path / "flowers" / side, each=10, seed=seed)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model_cache").mkdir()
    result = CliRunner().invoke(main, ["train", *arguments])
    assert result.exit_code == 0, result.output
    assert "-o" not in arguments or (tmp_path / arguments[arguments.index("-o") + 1]).exists()


@pytest.mark.shared
@pytest.mark.slow
def test_flowers_are_told_apart_without_tensorflow(shared, tmp_path):
    data = shared / "flowers"
    for side, count in (("train", 24), ("validation", 12)):
        for folder in (data / side).iterdir():
            (tmp_path / side / folder.name).mkdir(parents=True)
            for path in sorted(folder.iterdir())[:count]:
                (tmp_path / side / folder.name / path.name).symlink_to(path)
    done = command(tmp_path, "-o", "flowers.tflite", "--augment", "none", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["images_trained"] == 120 and told["images_judged"] == 60
    assert told["top1"] > 0.75 and abs(told["top1"] - told["top1_int8"]) <= 0.05
