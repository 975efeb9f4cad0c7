"""Where features are taken from, and the head that is put on them."""

import numpy as np
import pytest

from edgekit.devices.interpreter import open_interpreter
from edgekit.errors import UnsupportedModelError
from edgekit.preprocess import InputSpec
from edgekit.tflite import read_graph
from edgekit.training.head import backbone, features_of, narrow_maps, with_head
from tests.support.build import GraphBuilder, model_of
from tests.support.float_nets import bottleneck_net, colour_net

SPEC = InputSpec(16, 16)
IMAGE = np.random.default_rng(1).integers(0, 256, (1, 16, 16, 3)).astype(np.float32)


def run(content, image=IMAGE):
    interpreter = open_interpreter(content)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    return [interpreter.get_tensor(each["index"]) for each in interpreter.get_output_details()]


def test_features_are_the_last_layers_and_means_of_maps_that_are_widened_next():
    graph = read_graph(bottleneck_net())
    assert graph.tensors[features_of(graph)].name == "features"
    assert [tensor.name for tensor in narrow_maps(graph, features_of(graph))] == ["conv4"]
    assert backbone(model_of(graph.content, SPEC)).widths == (12, 4)


def test_a_net_that_narrows_nowhere_has_the_last_layers_features_alone():
    assert backbone(model_of(colour_net(), SPEC)).widths == (3,)


def test_the_head_computes_a_softmax_of_all_features():
    model, random = model_of(bottleneck_net(), SPEC), np.random.default_rng(2)
    weights, bias = random.normal(0, 1, (3, 16)).astype(np.float32), random.normal(0, 1, 3).astype(np.float32)
    made = with_head(model, weights, bias, ("a", "b", "c"))
    features = np.concatenate([each.ravel() for each in run(backbone(model).graph.content)])
    powers = np.exp(weights @ features + bias)
    np.testing.assert_allclose(run(made.graph.content)[0][0], powers / powers.sum(), rtol=1e-4)
    assert made.labels == ("a", "b", "c") and made.output == "probabilities"


def test_a_trained_model_is_a_base_with_the_same_features():
    model = model_of(bottleneck_net(), SPEC)
    made = with_head(model, np.ones((3, 16), np.float32), np.zeros(3, np.float32), ("a", "b", "c"))
    again = backbone(made)
    assert again.widths == (12, 4)
    for one, other in zip(run(again.graph.content), run(backbone(model).graph.content), strict=True):
        np.testing.assert_array_equal(one.ravel(), other.ravel())


def test_a_model_whose_output_is_a_map_has_no_features():
    graph = GraphBuilder()
    x = graph.input((1, 8, 8, 3))
    content = graph.finish([graph.op("RELU", [x], (1, 8, 8, 3))])
    with pytest.raises(UnsupportedModelError, match="no list of features"):
        backbone(model_of(content, InputSpec(8, 8)))


def test_scores_of_depths_are_summed_in_four_dimensions_as_the_edge_tpu_was_seen_to_take_them():
    model = model_of(bottleneck_net(), SPEC)
    made = with_head(model, np.ones((3, 16), np.float32), np.zeros(3, np.float32), ("a", "b", "c"))
    sums = [op for op in made.graph.ops if op.opcode == "ADD"]
    assert [made.graph.tensors[op.outputs[0]].shape for op in sums] == [(1, 1, 1, 3)]
    assert made.graph.tensors[made.graph.outputs[0]].shape == (1, 3)
