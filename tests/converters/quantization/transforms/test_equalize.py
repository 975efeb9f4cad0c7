import numpy as np
import pytest

from edgekit.calibration import METHODS, Ranges, observe
from edgekit.converters.quantization.backend import quantize_int8
from edgekit.converters.quantization.transforms.equalize import SATURATION, compared_channels, split_like, split_swish
from edgekit.tflite import read_graph
from edgekit.tflite.editor import Editor
from tests.support.build import model_of
from tests.support.gated_net import SAMPLES, SPEC, Net, answers


def split(content):
    return split_swish(read_graph(content), observe(model_of(content, SPEC), SAMPLES))


@pytest.mark.parametrize("parts", [False, True], ids=["a mean", "a mean of means"])
def test_the_function_stays_and_channels_come_to_one_size(parts):
    content = Net(parts=parts).content
    result = split(content)
    assert result.changes == 1
    np.testing.assert_allclose(answers(result.graph.content), answers(content), rtol=1e-4, atol=1e-4)
    before = observe(model_of(content, SPEC), SAMPLES).tensors["y"].channels.high
    after = observe(model_of(result.graph.content, SPEC), SAMPLES).tensors["y"].channels.high
    assert before.max() / before.min() > 30 > 10 * after.max() / after.min()


@pytest.mark.parametrize("parts", [False, True], ids=["a mean", "a mean of means"])
def test_it_compares_no_other_channels_than_it_says(parts):
    content = Net(parts=parts).content
    graph, whole = read_graph(content), split(content)
    asked = compared_channels(graph)
    assert {"x", "y"} <= asked < {tensor.name for tensor in graph.tensors}
    few = split_swish(graph, observe(model_of(content, SPEC), SAMPLES, channels=asked))
    assert (few.graph.content, few.limits) == (whole.graph.content, whole.limits)


def test_a_convolution_behind_the_gate_takes_the_factors_back():
    content = Net(behind=True).content
    result = split(content)
    assert result.changes == 1 and "product" in result.changed
    np.testing.assert_allclose(answers(result.graph.content), answers(content), rtol=1e-4, atol=1e-4)
    before, after = (
        observe(model_of(one, SPEC), SAMPLES).tensors["product"].channels.magnitudes
        for one in (content, result.graph.content)
    )
    factors = after / before
    assert factors.min() == pytest.approx(1, rel=1e-3) and factors.max() > 3


def test_limits_hold_what_matters():
    result = split(Net().content)
    assert result.limits["x"] == (-SATURATION, SATURATION)
    low, high = result.limits["edgekit/swish0/scaled"]
    assert low < 0 and high == float("inf")


def test_unused_constants_are_dropped():
    graph = split(Net().content).graph
    used = {i for op in graph.ops for i in (*op.inputs, *op.outputs) if i >= 0} | {*graph.inputs, *graph.outputs}
    assert used == set(range(len(graph.tensors)))


def test_the_same_model_gives_the_same_bytes():
    content = Net().content
    assert split(content).graph.content == split(content).graph.content


@pytest.mark.parametrize(
    "net",
    [
        Net(wide=True),  # too expensive to double
        Net(gate="TANH"),  # a factor cannot be told from a gate that is no sigmoid
        Net(extra_reader="TANH"),  # a reader that cannot take the factor back
        Net(activation=1),  # what enters the sigmoid is clipped at zero
    ],
    ids=["wide", "gate", "reader", "relu"],
)
def test_what_cannot_be_split_stays_as_it_is(net):
    result = split(net.content)
    assert (result.changes, result.limits) == (0, {})
    np.testing.assert_array_equal(answers(result.graph.content), answers(net.content))


def test_a_graph_output_is_not_scaled():
    editor = Editor(read_graph(Net().content))
    (y,) = (tensor.index for tensor in editor.tensors if tensor.name == "y")
    editor.set_outputs([*editor.outputs, y])
    assert split(editor.content()).changes == 0


def quantized(content):
    pytest.importorskip("litert_quantizer")
    tensors = observe(model_of(content, SPEC), SAMPLES).tensors
    bounds = {name: METHODS["minmax"](seen) for name, seen in tensors.items()}
    return quantize_int8(read_graph(content), Ranges(bounds, "minmax", len(SAMPLES), ""), SPEC)


def test_the_split_of_an_int8_model_is_found_again_in_its_float_source():
    """From the doubled weights' scales alone: names, factors, and with them every tensor's values are the same."""
    content = Net().content
    expected = split(content).graph
    found = split_like(read_graph(content), quantized(expected.content))
    assert [(op.opcode, op.inputs, op.outputs) for op in found.ops] == [
        (op.opcode, op.inputs, op.outputs) for op in expected.ops
    ]
    assert [tensor.name for tensor in found.tensors] == [tensor.name for tensor in expected.tensors]
    before, after = (observe(model_of(one, SPEC), SAMPLES).tensors for one in (expected.content, found.content))
    for name, seen in before.items():
        np.testing.assert_allclose(after[name].channels.low, seen.channels.low, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(after[name].channels.high, seen.channels.high, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(answers(found.content), answers(content), rtol=1e-4, atol=1e-4)


def test_a_float_model_stays_as_it_is_beside_an_int8_model_that_has_no_split():
    content = Net().content
    again = split_like(read_graph(content), quantized(content))
    assert again.ops == read_graph(content).ops
    np.testing.assert_array_equal(answers(again.content), answers(content))
