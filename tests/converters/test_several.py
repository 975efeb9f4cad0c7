"""One source for several targets, and the precisions that they take."""

import numpy as np
import pytest

from edgekit import Classifier, Recipe, convert, convert_for, load_source, save
from edgekit.converters.pipeline import _search
from edgekit.converters.recipe import for_target
from edgekit.converters.verification.reproduce import reproduce
from edgekit.errors import ConversionError, UsageError
from edgekit.targets import TARGETS
from tests.support.float_nets import colour_net, save_images

pytest.importorskip("litert_quantizer")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("targets")
    (folder / "m.tflite").write_bytes(colour_net(size=32))
    (folder / "sine.tflite").write_bytes(colour_net(between="SIN"))
    for name in ("m", "sine"):
        (folder / f"{name}.labels.txt").write_text("blue\ngreen\nred\n")
    save_images(folder / "images")
    return folder


def made(place, name="m", recipe=None, targets=tuple(TARGETS)):
    source = load_source(place / f"{name}.tflite")
    found = convert_for([for_target(recipe or Recipe(), each) for each in targets], source, place / "images")
    return {each.target: each for each in found}


def constants(graph):
    return {tensor.dtype for tensor in graph.tensors if tensor.is_constant and tensor.elements > 8}


@pytest.mark.parametrize(
    ("precision", "types", "agreeing_db"), [("float16", {"float16"}, 60), ("dynamic", {"int8"}, 30)]
)
def test_weights_are_of_the_precision_and_ends_are_float(place, precision, types, agreeing_db):
    recipe = Recipe(target="cpu", precision=precision)
    found = made(place, recipe=recipe, targets=["cpu"])["cpu"].conversion
    graph = found.artefact.model.graph
    assert constants(graph) == types
    assert {graph.tensors[i].dtype for i in graph.inputs + graph.outputs} == {"float32"}
    assert found.verdict.agreement == 1 and found.verdict.sqnr_db > agreeing_db
    assert found.artefact.ranges is None and "calibration" not in found.artefact.provenance


def test_each_file_classifies_by_itself(place, tmp_path):
    for precision in ("int8", "float16", "dynamic"):
        for target, each in made(place, recipe=Recipe(target="cpu", precision=precision)).items():
            save(each.conversion.artefact, tmp_path / f"{target}_{precision}.tflite")
    assert len(list(tmp_path.glob("*.tflite"))) == 3 * len(TARGETS)
    for path in tmp_path.glob("*.tflite"):
        with Classifier(path) as classifier:
            for colour in ("blue", "green", "red"):
                image = str(place / "images" / colour / "00.png")
                assert classifier.classify(image).classes[0].label == colour, path


def test_a_target_that_does_not_take_a_precision_gets_its_own(place):
    found = made(place, recipe=Recipe(target="android", precision="float16"))
    precisions = {name: each.conversion.artefact.provenance["recipe"]["precision"] for name, each in found.items()}
    accelerators = dict.fromkeys(("edgetpu", "ethos-u", "coral-npu"), "int8")
    assert precisions == {**accelerators, "android": "float16", "ios": "float16", "cpu": "float16"}


def test_the_edge_tpu_s_model_is_that_of_a_conversion_of_its_own(place):
    alone = convert(load_source(place / "m.tflite"), place / "images").artefact.model.graph.content
    together = made(place, targets=["android", "edgetpu"])["edgetpu"].conversion.artefact.model.graph.content
    assert together == alone


def test_one_search_serves_all_targets(place, monkeypatch):
    searches = []

    def search(*arguments):
        searches.append(arguments)
        return _search(*arguments)

    monkeypatch.setattr("edgekit.converters.pipeline._search", search)
    found = made(place)
    assert len(searches) == 1 and all(each.conversion.verdict.images for each in found.values())


def test_ops_without_int8_stay_in_float_where_the_target_takes_them(place):
    found = made(place, "sine", targets=["edgetpu", "android"])
    assert isinstance(found["edgetpu"].error, ConversionError) and found["edgetpu"].conversion is None
    android = found["android"].conversion
    assert android.artefact.provenance["float_ops"] == {"SIN": 1}
    assert android.verdict.agreement > 0.9
    with pytest.raises(ConversionError):
        made(place, "sine", targets=["edgetpu"])


def test_a_recipe_holds_what_its_target_takes():
    with pytest.raises(UsageError, match="edgetpu does not take float16"):
        Recipe(precision="float16")
    with pytest.raises(UsageError, match="no target 'toaster'"):
        for_target(Recipe(), "toaster")
    recipe = for_target(Recipe(io="int8"), "android")
    assert (recipe.io, recipe.allow_float, recipe.target) == ("int8", True, "android")


@pytest.mark.parametrize("precision", ["float16", "dynamic"])
def test_a_smaller_model_is_reproduced_from_its_record(place, tmp_path, precision):
    recipe = Recipe(target="cpu", precision=precision)
    save(made(place, recipe=recipe, targets=["cpu"])["cpu"].conversion.artefact, tmp_path / "x.tflite")
    assert reproduce(tmp_path / "x.tflite", place / "m.tflite", place / "images").same


def test_mediapipe_opens_the_file_of_every_target_with_the_same_answers(place, tmp_path):
    pytest.importorskip("mediapipe", reason="the extra mediapipe is not installed")
    from mediapipe import Image, ImageFormat
    from mediapipe.tasks.python import BaseOptions, vision

    read = [name for name, target in TARGETS.items() if target.io == "uint8"]  # MediaPipe takes no int8 input
    for precision in ("int8", "float16", "dynamic"):
        for target, each in made(place, recipe=Recipe(target="cpu", precision=precision), targets=read).items():
            path = tmp_path / f"{target}_{precision}.tflite"
            save(each.conversion.artefact, path)
            options = vision.ImageClassifierOptions(base_options=BaseOptions(model_asset_path=str(path)))
            with vision.ImageClassifier.create_from_options(options) as theirs, Classifier(path) as ours:
                for seed in range(10):
                    pixels = np.random.default_rng(seed).integers(0, 256, (32, 32, 3)).astype(np.uint8)
                    best = theirs.classify(Image(image_format=ImageFormat.SRGB, data=pixels)).classifications[0]
                    scores = {each.label: each.score for each in ours.classify(pixels, 3).classes}
                    for category in best.categories:
                        assert abs(scores[category.category_name] - category.score) < 0.01
