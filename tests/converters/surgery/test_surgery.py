"""Replacing what int8 does harm to, in models of either Keras."""

import numpy as np
import pytest

from edgekit.converters import Recipe, convert, load_source
from edgekit.converters.surgery.surgery import SURGERIES, operate
from edgekit.errors import UnsupportedModelError, UsageError
from tests.support.float_nets import colour_net
from tests.support.swishes import SIZE, images, swish_net
from tests.support.tiny_keras import classifier, save

pytest.importorskip("litert_quantizer")


@pytest.fixture(params=["keras2", "keras3"])
def keras(request):
    return request.getfixturevalue(request.param)


def answers(model, inputs):
    return np.asarray(model(inputs, training=False))


@pytest.mark.parametrize("inner", [False, True])
def test_swishes_become_relu6_wherever_they_are(keras, inner):
    model = swish_net(keras, inner=inner)
    assert operate(model, "relu6", "m.h5") == {"swish to ReLU6": 7}
    reference = swish_net(keras, swish="relu6")
    reference.set_weights(model.get_weights())
    assert np.allclose(answers(model, images(4)), answers(reference, images(4)), atol=1e-5)


def test_excitation_is_removed_and_its_weights_no_longer_matter(keras):
    model = swish_net(keras)
    done = operate(model, "relu6-no-se", "m.h5")
    assert done == {"swish to ReLU6": 7, "squeeze-and-excitation removed": 2}
    before = answers(model, images(4))
    gates = [layer for layer in model.layers if getattr(layer.input, "shape", [0])[1:3] == (1, 1) and layer.weights]
    assert len(gates) == 4
    for layer in gates:
        layer.set_weights([value + 1 for value in layer.get_weights()])
    assert np.array_equal(answers(model, images(4)), before)


def test_swish_called_as_a_function_is_found(keras):
    import tensorflow as tf

    def net(function):
        start = keras.Input((8, 8, 3))
        return keras.Model(start, keras.layers.GlobalAveragePooling2D()(function(start)))

    silu = tf.nn.silu if keras.__name__ == "tf_keras" else keras.ops.silu
    model = net(silu)
    assert operate(model, "relu6", "m.h5") == {"swish to ReLU6": 1}
    inputs = 10 * images(2)[:, :8, :8]
    assert np.allclose(answers(model, inputs), np.clip(inputs, 0, 6).mean(axis=(1, 2)), atol=1e-5)


def test_products_that_are_no_excitation_stay(keras):
    start = keras.Input((8, 8, 3))
    product = keras.layers.Multiply()([start, keras.layers.Activation("swish")(start)])
    model = keras.Model(start, keras.layers.GlobalAveragePooling2D()(product))
    with pytest.raises(UnsupportedModelError, match="squeeze-and-excitation removed") as caught:
        operate(model, "relu6-no-se", "m.h5")
    assert "relu6" in caught.value.hint


@pytest.mark.parametrize("name", SURGERIES)
def test_nothing_to_replace(keras, name):
    with pytest.raises(UnsupportedModelError, match=r"m\.h5 gives --surgery .* nothing to do") as caught:
        operate(classifier(keras), name, "m.h5")
    assert "Leave --surgery away" in caught.value.hint


def test_there_is_no_such_surgery(keras3):
    with pytest.raises(UsageError, match="no surgery 'gelu'"):
        operate(classifier(keras3), "gelu", "m.h5")
    with pytest.raises(UsageError, match="no surgery 'gelu'"):
        Recipe(surgery="gelu")


@pytest.mark.parametrize("minutes", [0.0, -1.0, float("nan"), float("inf")])
def test_no_time_for_it(minutes):
    with pytest.raises(UsageError, match="no time for a surgery"):
        Recipe(surgery_minutes=minutes)


def test_only_keras_models_can_be_taught(tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(colour_net())
    with pytest.raises(UnsupportedModelError, match="cannot teach a tflite model") as caught:
        convert(load_source(path), recipe=Recipe(surgery="relu6", preprocess="raw"))
    assert "Keras file" in caught.value.hint


@pytest.fixture(scope="module")
def taught(request, tmp_path_factory):
    """name → conversion of the small net of either Keras, and of the same again."""
    folder, made = tmp_path_factory.mktemp("swish"), {}
    recipe = Recipe(surgery="relu6-no-se", preprocess="127.5,36.5", ranges="minmax", corrections="none")
    for name, suffix in (("keras2", ".h5"), ("keras3", ".keras")):
        source = load_source(save(swish_net(request.getfixturevalue(name)), folder / f"{name}{suffix}"))
        made[name] = [convert(source, images(120), recipe=recipe) for _ in range(2)]
    return made


@pytest.mark.parametrize("name", ["keras2", "keras3"])
def test_the_whole_way_says_what_was_made(taught, name):
    conversion = taught[name][0]
    student = conversion.student
    assert student.replaced == {"swish to ReLU6": 7, "squeeze-and-excitation removed": 2}
    assert student.kind == "array" and student.training.images > 50
    assert student.verdict.agreement >= 0.8 and student.int8.agreement >= 0.7
    record = conversion.artefact.provenance["surgery"]
    assert record["name"] == "relu6-no-se" and record["images"] == student.training.images
    assert record["int8_against_original"]["agreement"] == student.int8.agreement
    assert conversion.artefact.provenance["verdict"]["agreement"] == conversion.verdict.agreement
    assert conversion.artefact.model.spec.shape == (SIZE, SIZE, 3)


@pytest.mark.parametrize("name", ["keras2", "keras3"])
def test_the_same_input_gives_the_same_bytes(taught, name):
    first, second = taught[name]
    assert first.artefact.model.graph.content == second.artefact.model.graph.content


def test_swish_and_excitation_are_gone_from_the_graph(taught):
    from edgekit.tflite import read_graph

    counts = read_graph(taught["keras3"][0].artefact.model.graph.content).op_counts()
    assert not {"LOGISTIC", "MUL"} & set(counts)


def test_demands_are_made_on_the_int8_model_against_the_original(taught):
    conversion = taught["keras2"][0]
    limit = conversion.student.int8.agreement
    assert conversion.unmet(None, limit) is None
    assert "is less than" in conversion.unmet(None, limit + 1e-6)
