"""A float graph written as a Keras model computes the same in both Kerases."""

import numpy as np
import pytest

from edgekit.converters.export.as_keras import as_keras, classifier_network, graph_weights
from edgekit.converters.making import file_bytes, input_of
from edgekit.devices.interpreter import open_interpreter
from edgekit.errors import UnsupportedModelError
from edgekit.models import FAMILY
from edgekit.models.architecture import member
from edgekit.models.kerasfile import h5_bytes, keras_bytes
from edgekit.preprocess import InputSpec
from edgekit.tflite import read_graph
from edgekit.tflite.model import Model
from edgekit.tflite.reader import constant
from tests.support.float_nets import bottleneck_net, colour_net

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
