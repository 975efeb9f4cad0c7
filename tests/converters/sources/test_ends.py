"""Models with several outputs or signatures, scores in axes of size 1, and what an output means."""

import numpy as np
import pytest

from edgekit.converters import Recipe, convert
from edgekit.converters.comparing import compare
from edgekit.converters.manifest import save as save_artefact
from edgekit.converters.sources.keras.loader import load_keras
from edgekit.converters.sources.open import load_source
from edgekit.converters.sources.sniff import KERAS_ZIP
from edgekit.devices.interpreter import open_interpreter
from edgekit.errors import UnsupportedModelError, UsageError
from edgekit.tflite import read_graph
from edgekit.tflite.editor import Editor
from tests.support.float_nets import COLOURS, SIZE, colour_net
from tests.support.tiny_keras import save, saved_as

IMAGES = np.random.default_rng(0).random((2, 12, 10, 3), dtype=np.float32)
EVERY_FORMAT = pytest.mark.parametrize("kind", ["keras", "savedmodel", "tflite"])


def two_heads(keras):
    """A model that answers with 3 breeds and 2 colours."""
    layers = keras.layers
    image = keras.Input((12, 10, 3))
    features = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(image))
    heads = [layers.Dense(count, activation="softmax", name=name)(features) for count, name in ((3, "a"), (2, "b"))]
    return keras.Model(image, heads)


def headed(keras, *head):
    """A small backbone with these last layers."""
    return keras.Sequential([keras.Input((12, 10, 3)), keras.layers.Conv2D(4, 3), *head])


@EVERY_FORMAT
def test_several_outputs_are_refused_with_their_names_until_one_is_chosen(kind, keras3, tmp_path):
    model = two_heads(keras3)
    path = saved_as(kind, model, tmp_path)
    with pytest.raises(UnsupportedModelError, match=r"has 2 outputs \(.*\(\?|1, 3\).*\), expected one") as caught:
        load_source(path)
    assert "--output-name" in caught.value.hint
    expected = {scores.shape[1]: np.asarray(scores) for scores in model(IMAGES)}
    chosen = [load_source(path, output=place) for place in ("0", "1")]
    assert {source.classes for source in chosen} == set(expected)
    for source in chosen:
        np.testing.assert_allclose(source.predict(IMAGES), expected[source.classes], atol=1e-5)
        assert any("left out" in note for note in source.notes)
    with pytest.raises(UsageError, match="no output 'c'") as absent:
        load_source(path, output="c")
    assert "Choose one of" in absent.value.hint


def through_keras(path, output):
    return load_keras(path, KERAS_ZIP, trust=False, size=None, output=output)


@pytest.mark.parametrize("way", [load_source, through_keras])
def test_an_output_of_a_keras_model_by_its_layers_name(way, keras3, tmp_path):
    model = two_heads(keras3)
    source = way(save(model, tmp_path / "m.keras"), output="b")
    np.testing.assert_allclose(source.predict(IMAGES), np.asarray(model(IMAGES)[1]), atol=1e-5)


def test_classes_beside_probabilities_need_no_choice(tmp_path):
    tf = pytest.importorskip("tensorflow")
    module = tf.Module()
    module.weights = tf.Variable(tf.random.normal([3, 4]))

    @tf.function(input_signature=[tf.TensorSpec([None, 12, 10, 3], name="image")])
    def both(image):
        scores = tf.nn.softmax(tf.reduce_mean(image, [1, 2]) @ module.weights)
        return {"classes": tf.argmax(scores, axis=1), "probabilities": scores}

    tf.saved_model.save(module, str(tmp_path / "m"), signatures=both)
    (tmp_path / "m.tflite").write_bytes(tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "m")).convert())
    for name in ("m", "m.tflite"):
        source = load_source(tmp_path / name)
        np.testing.assert_allclose(source.predict(IMAGES), both(IMAGES)["probabilities"], atol=1e-5)
        assert (source.classes, source.output) == (4, "probabilities")
        assert any("probabilities is converted; left out: classes" in note for note in source.notes)


def test_a_signature_is_chosen_by_its_name(keras3, tmp_path):
    tf = pytest.importorskip("tensorflow")
    module = tf.Module()
    module.weights = tf.Variable(tf.random.normal([3, 4]))

    def signature(factor):
        @tf.function(input_signature=[tf.TensorSpec([None, 12, 10, 3], name="image")])
        def call(image):
            return {"scores": factor * tf.reduce_mean(image, [1, 2]) @ module.weights}

        return call

    calls = {"plain": signature(1.0), "doubled": signature(2.0)}
    tf.saved_model.save(module, str(tmp_path / "m"), signatures=calls)
    with pytest.raises(UnsupportedModelError, match=r"doubled, plain") as caught:
        load_source(tmp_path / "m")
    assert "--signature" in caught.value.hint
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "m"), signature_keys=["doubled"])
    (tmp_path / "m.tflite").write_bytes(converter.convert())
    expected = calls["doubled"](IMAGES)["scores"]
    for name in ("m", "m.tflite"):
        source = load_source(tmp_path / name, signature="doubled")
        np.testing.assert_allclose(source.predict(IMAGES), expected, atol=1e-5)
        with pytest.raises(UsageError, match="no signature 'nothing'"):
            load_source(tmp_path / name, signature="nothing")


def test_a_keras_file_has_no_signatures(keras3, tmp_path):
    with pytest.raises(UsageError, match="it has no signatures"):
        load_source(save(two_heads(keras3), tmp_path / "m.keras"), signature="serving_default")


@EVERY_FORMAT
@pytest.mark.parametrize("axes", [(1, 1, 3), (3, 1, 1)])
def test_scores_in_axes_of_size_1(kind, axes, keras3, tmp_path):
    layers = keras3.layers
    model = headed(keras3, layers.GlobalAveragePooling2D(), layers.Dense(3), layers.Reshape(axes))
    source = load_source(saved_as(kind, model, tmp_path))
    assert (source.classes, source.output) == (3, "logits")
    np.testing.assert_allclose(source.predict(IMAGES), np.asarray(model(IMAGES)).reshape(-1, 3), atol=1e-5)


@EVERY_FORMAT
def test_a_map_of_scores_is_no_row(kind, keras3, tmp_path):
    with pytest.raises(UnsupportedModelError, match="feature map"):
        load_source(saved_as(kind, headed(keras3, keras3.layers.Conv2D(3, 1)), tmp_path))


@EVERY_FORMAT
def test_what_an_output_means_is_judged_by_the_graph_and_not_by_values(kind, keras3, tmp_path):
    layers = keras3.layers
    # All of them answer with numbers between 0 and 1 on any image that is tried.
    small = {"kernel_initializer": keras3.initializers.RandomUniform(0, 1e-6)}
    heads = {
        "features": ([layers.Conv2D(3, 1, activation="relu", **small), layers.GlobalAveragePooling2D()], "logits"),
        "logits": ([layers.GlobalAveragePooling2D(), layers.Dense(3, bias_initializer="ones", **small)], "logits"),
        "sigmoids": ([layers.GlobalAveragePooling2D(), layers.Dense(3, "sigmoid")], "probabilities"),
        "softmax": ([layers.GlobalAveragePooling2D(), layers.Dense(3), layers.Softmax()], "probabilities"),
    }
    for name, (head, meaning) in heads.items():
        (tmp_path / name).mkdir()
        source = load_source(saved_as(kind, headed(keras3, *head), tmp_path / name))
        told = " ".join(source.notes)
        assert (name, source.output) == (name, meaning)
        assert ("sigmoid" in told, "features" in told) == (name == "sigmoids", name == "features")


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """A float model that answers with features, too; and what is made of its scores."""
    pytest.importorskip("litert_quantizer")
    folder = tmp_path_factory.mktemp("converted")
    editor = Editor(read_graph(colour_net()))
    features = editor.tensors[next(op for op in editor.ops if op.opcode == "MEAN").outputs[0]]
    editor.set_outputs([features.index, *editor.outputs])
    (folder / "m.tflite").write_bytes(editor.finish().content)
    source = load_source(folder / "m.tflite", output="scores")
    made = convert(source, recipe=Recipe(preprocess="raw", samples=4), verify=False)
    save_artefact(made.artefact, folder / "int8.tflite")
    return folder / "m.tflite", folder / "int8.tflite"


def test_a_written_file_is_called_by_signature(converted):
    interpreter = open_interpreter(converted[1].read_bytes())
    interpreter.allocate_tensors()
    image = np.full((1, SIZE, SIZE, 3), COLOURS["red"], np.uint8)
    scores = interpreter.get_signature_runner()(image=image)["scores"]
    assert int(np.argmax(scores)) == 2


def test_a_comparison_takes_the_output_that_was_converted(converted):
    pixels = np.stack([np.full((SIZE, SIZE, 3), colour, np.uint8) for colour in COLOURS.values()])
    assert compare(*converted, pixels, preprocess="raw").verdict.agreement == 1
