"""A float graph written as a Keras model computes the same in both Kerases."""

import numpy as np
import pytest

from edgekit.converters.export.as_keras import as_keras, classifier_network
from edgekit.converters.export.direct.open import open_directly
from edgekit.converters.export.keras_writer import graph_weights
from edgekit.converters.making import file_bytes, input_of
from edgekit.converters.sources.sniff import sniff
from edgekit.devices.interpreter import open_interpreter
from edgekit.errors import UnsupportedModelError
from edgekit.models import FAMILY
from edgekit.models.architecture import member
from edgekit.models.kerasfile import h5_bytes, keras_bytes
from edgekit.preprocess import InputSpec
from edgekit.tflite import read_graph
from edgekit.tflite.model import Model
from edgekit.tflite.reader import constant
from tests.support.build import GraphBuilder
from tests.support.float_nets import bottleneck_net, colour_net
from tests.support.tiny_keras import save

SPEC = InputSpec(16, 16)


def answer(content, image):
    run = open_interpreter(content, threads=1)
    run.set_tensor(run.get_input_details()[0]["index"], image)
    run.invoke()
    return run.get_tensor(run.get_output_details()[0]["index"])


def loaded(library, network, folder):
    path = folder / ("model.h5" if library.__name__ == "tf_keras" else "model.keras")
    path.write_bytes(h5_bytes(network) if path.suffix == ".h5" else keras_bytes(network))
    return library.models.load_model(path, compile=False)


@pytest.mark.parametrize("library", ["keras", "tf_keras"])
@pytest.mark.parametrize("name", ["lite0", "b0", "v2-b0"])
def test_a_member_of_the_family_goes_there_and_back(tmp_path, library, name):
    library, variant = pytest.importorskip(library), FAMILY[name]
    content = file_bytes(member(variant, 7), ".tflite", input_of(variant))
    graph = read_graph(content)
    model = loaded(library, as_keras(graph, graph.inputs, graph.outputs).network, tmp_path)
    image = np.random.default_rng(0).uniform(-1, 1, (1, 224, 224, 3)).astype(np.float32)
    assert np.allclose(model.predict(image, verbose=0), answer(content, image), atol=1e-5)


@pytest.mark.parametrize("library", ["keras", "tf_keras"])
def test_a_keras_file_scales_pixels_itself(tmp_path, library):
    library = pytest.importorskip(library)
    spec = InputSpec(16, 16, mean=(120.0, 110.0, 100.0), std=(60.0, 61.0, 62.0))
    content = colour_net()
    model = loaded(library, classifier_network(Model(read_graph(content), spec)), tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (1, 16, 16, 3)).astype(np.float32)
    scaled = ((pixels - spec.mean) / spec.std).astype(np.float32)
    assert np.allclose(model.predict(pixels, verbose=0), answer(content, scaled), atol=1e-5)


def activation_net(opcode, extra=(), options=None, shape=(1, 4, 4, 3), turned=False):
    """An op on an image, alone or with constants beside it, behind them where `turned`."""
    graph = GraphBuilder()
    image = graph.input(shape)
    inputs = [image, *(graph.constant(np.asarray(value)) for value in extra)]
    output = graph.op(opcode, inputs[::-1] if turned else inputs, shape, options=options)
    return graph.finish([output])


SLOPES = np.array([0.1, -0.3, 0.5], np.float32)
THREE = np.float32(3)
OPS = {
    "hard swish": ("HARD_SWISH", ()),
    "slopes of channels": ("PRELU", (SLOPES.reshape(1, 1, 3),)),
    "slopes of channels, one axis": ("PRELU", (SLOPES,)),
    "slopes of every place": ("PRELU", (np.linspace(-1, 1, 48, dtype=np.float32).reshape(4, 4, 3),)),
    "one slope": ("PRELU", (np.full((1, 1, 1), 0.2, np.float32),)),
    "leaky": ("LEAKY_RELU", (), {"alpha": 0.25}),
    "gelu": ("GELU", (), {"approximate": False}),
    "not below": ("MAXIMUM", (np.float32(0.5),)),
    "not above": ("MINIMUM", (np.float32(-0.5),)),
    "divided": ("DIV", (THREE,), {}),
    "a number less the image": ("SUB", (THREE,), {}, (1, 4, 4, 3), True),
    "channels times the image": ("MUL", (SLOPES,), {}, (1, 4, 4, 3), True),
    "turned": ("TRANSPOSE", (np.array([0, 2, 1, 3], np.int32),)),
}


@pytest.mark.parametrize("library", ["keras", "tf_keras"])
@pytest.mark.parametrize("case", OPS)
def test_ops_of_users_models_compute_the_same_in_both_kerases(tmp_path, library, case):
    content = activation_net(*OPS[case])
    graph = read_graph(content)
    model = loaded(pytest.importorskip(library), as_keras(graph, graph.inputs, graph.outputs).network, tmp_path)
    image = np.random.default_rng(0).uniform(-4, 4, (1, 4, 4, 3)).astype(np.float32)
    assert np.allclose(model(image).numpy(), answer(content, image), atol=2e-6)


@pytest.mark.parametrize(
    "case",
    [
        ("GELU", (), {"approximate": True}),
        ("DIV", (THREE,), {}, (1, 4, 4, 3), True),
        ("MAXIMUM", (SLOPES,)),
        ("TRANSPOSE", (np.array([3, 1, 2, 0], np.int32),), None, (1, 4, 4, 1)),
    ],
)
def test_an_op_in_a_form_that_no_layer_has_is_refused(case):
    graph = read_graph(activation_net(*case))
    with pytest.raises(UnsupportedModelError, match=f"no Keras layer for the op {case[0]}"):
        as_keras(graph, graph.inputs, graph.outputs)


def test_trained_slopes_go_back_to_where_they_came_from():
    graph = read_graph(activation_net(*OPS["slopes of channels"]))
    found = as_keras(graph, graph.inputs, graph.outputs)
    ((name, kernel),) = found.kernels.items()
    (slopes,) = found.network.weights[name]
    assert np.array_equal(graph_weights(slopes, kernel.kind, (1, 1, 3)), SLOPES.reshape(1, 1, 3))


def mobile_net(keras):
    return keras.applications.MobileNetV3Small(input_shape=(32, 32, 3), alpha=0.35, weights=None, classes=3)


def resnet_with_slopes(keras):
    """A residual block whose activations are PReLU, as face networks have them."""
    layers = keras.layers
    image = x = layers.Input((16, 16, 3))
    for strides in (2, 1):
        y = layers.Conv2D(8, 3, strides, "same")(x)
        y = layers.PReLU(shared_axes=[1, 2], alpha_initializer="random_normal")(layers.BatchNormalization()(y))
        x = layers.Add()([layers.Conv2D(8, 1, strides)(x), layers.Conv2D(8, 3, padding="same")(y)])
    x = layers.GlobalAveragePooling2D()(layers.LeakyReLU(0.1)(x))
    return keras.Model(image, layers.Dense(3, "softmax")(x))


def branches_of_one_shape(keras):
    """Convolutions side by side: their weights fit each other's places."""
    layers = keras.layers
    image = layers.Input((16, 16, 3))
    long = layers.Conv2D(3, 3, padding="same")(layers.Conv2D(3, 3, padding="same", activation="relu")(image))
    short, deep = layers.Conv2D(3, 3, padding="same")(image), layers.Conv2D(3, 3, padding="same")(long)
    for branches in ([short, deep, long], [deep, short]):
        parts = [layers.Conv2D(3, 3, padding="same")(branch) for branch in branches]
        short, deep, long = layers.Concatenate()(parts), layers.Add()(parts), short
        short = layers.Conv2D(3, 3, padding="same")(short)
    x = layers.GlobalAveragePooling2D()(layers.Multiply()([deep, short]))
    return keras.Model(image, layers.Dense(3)(x))


@pytest.mark.parametrize("library", ["keras", "tf_keras"])
@pytest.mark.parametrize("build", [mobile_net, resnet_with_slopes, branches_of_one_shape])
def test_a_users_network_goes_there_and_back(tmp_path, build, library):
    keras = pytest.importorskip("keras")
    path = save(build(keras), tmp_path / "users.keras")
    source = open_directly(path, sniff(path), trust=False, size=None)
    graph = source.graph
    model = loaded(pytest.importorskip(library), as_keras(graph, graph.inputs, graph.outputs).network, tmp_path)
    image = np.random.default_rng(0).uniform(0, 255, graph.tensors[graph.inputs[0]].shape).astype(np.float32)
    assert np.allclose(model(image).numpy(), source.predict(image), atol=1e-5)


def test_weights_go_back_to_where_they_came_from():
    graph = read_graph(file_bytes(member(FAMILY["lite0"], 7), ".tflite", input_of(FAMILY["lite0"])))
    found = as_keras(graph, graph.inputs, graph.outputs)
    assert {kernel.kind for kernel in found.kernels.values()} == {"Conv2D", "DepthwiseConv2D", "Dense"}
    for name, kernel in found.kernels.items():
        tensor = graph.tensors[kernel.op.inputs[1]]
        back = graph_weights(found.network.weights[name][0], kernel.kind, tensor.shape)
        assert np.array_equal(back, constant(graph, tensor))


def test_what_has_no_layer_is_refused_by_name():
    graph = read_graph(colour_net(between="FLOOR"))
    with pytest.raises(UnsupportedModelError, match="no Keras layer for the op FLOOR"):
        as_keras(graph, graph.inputs, graph.outputs)
    with pytest.raises(UnsupportedModelError, match="BGR"):
        classifier_network(Model(read_graph(bottleneck_net()), InputSpec(16, 16, order="bgr")))
