"""The per-layer report against errors computed by hand in numpy, on a pair of tiny models."""

import numpy as np
import pytest

from edgekit.calibration import open_samples
from edgekit.devices.interpreter import open_interpreter
from edgekit.errors import ModelError
from edgekit.evaluation.layers import layer_report, match_ops
from edgekit.preprocess import InputSpec
from edgekit.tflite import read_graph
from edgekit.tflite.expose import exposed, severed
from tests.support.build import GraphBuilder, model_of
from tests.support.layered_nets import IMAGES, NAMES, SPEC, WEIGHTS, float_model, int8_model, ratio, tensors_of


def report(reference, candidate, images=IMAGES):
    return layer_report(model_of(reference, SPEC), model_of(candidate, SPEC), open_samples(images, SPEC))


def test_accumulated_errors_are_those_of_models_that_end_at_each_layer():
    expected, found = tensors_of(float_model), tensors_of(int8_model)
    layers = report(float_model(), int8_model())
    assert [(layer.name, layer.op) for layer in layers] == list(
        zip(NAMES, ("CONV_2D", "LOGISTIC", "MEAN", "SOFTMAX"), strict=True)
    )
    for layer, a, b in zip(layers, expected, found, strict=True):
        assert layer.accumulated_db == pytest.approx(ratio(a, a - b), abs=0.01)


def test_local_errors_are_those_of_the_float_op_on_the_int8_ops_own_inputs():
    conv, sigmoid, mean, scores = tensors_of(int8_model)
    layers = {layer.name: layer for layer in report(float_model(), int8_model())}
    for name, computed, real in (
        ("sigmoid", 1 / (1 + np.exp(-conv)), sigmoid),
        ("mean", sigmoid.mean(axis=(2, 3)), mean),
        ("scores", np.exp(mean) / np.exp(mean).sum(axis=-1, keepdims=True), scores),
    ):
        assert layers[name].local_db == pytest.approx(ratio(computed, computed - real), abs=0.05)
    pixels = np.stack([sample.input(SPEC) for sample in open_samples(IMAGES, SPEC)]).astype(np.float64)
    computed = pixels @ WEIGHTS.reshape(4, 3).T.astype(np.float64)
    assert layers["conv"].local_db == pytest.approx(ratio(computed, computed - conv), abs=0.05)


@pytest.mark.parametrize(
    ("weights", "options", "cause"),
    [
        (WEIGHTS, {"conv": (0.005, 0)}, "clipped"),
        (WEIGHTS, {"conv": (1.0, 0)}, "too wide"),
        (WEIGHTS * np.float32([[[[20]]], [[[0.5]]], [[[0.5]]], [[[0.5]]]]), {"conv": (0.6, 0)}, "channel disparity"),
        (WEIGHTS, {"bits": 3}, "weights"),
        (WEIGHTS, {"conv": (0.02, 0)}, "quantization noise"),
    ],
)
def test_the_cause_of_an_error_is_found(weights, options, cause):
    first, second = report(float_model(weights), int8_model(weights, **options))[:2]
    assert first.cause.name == cause
    assert first.share > 0.5
    assert second.cause.name == "fixed range"


@pytest.mark.parametrize(("scale", "swallowed"), [(6 / 127, True), (5 / 127, False)])
def test_what_is_clipped_where_a_sigmoid_is_flat_does_no_harm(scale, swallowed):
    large = 20 * WEIGHTS
    layer = report(float_model(large), int8_model(large, conv=(scale, 0)))[0]
    assert (layer.cause.name, layer.swallowed) == ("clipped", swallowed)


def test_ranges_and_values_are_told():
    layer = report(float_model(), int8_model(conv=(0.01, 28)))[0]
    assert (layer.low, layer.high) == pytest.approx((-1.56, 0.99))
    computed = IMAGES / 255 @ WEIGHTS.reshape(4, 3).T.astype(np.float64)
    assert layer.seen == pytest.approx((computed.min(), computed.max()), abs=1e-5)


def test_layers_are_matched_by_name_kind_and_shape():
    def matched(names):
        graphs = read_graph(float_model()), read_graph(int8_model(names=names))
        return [pair.reference.index for pair in match_ops(*graphs)]

    assert matched(NAMES) == [0, 1, 2, 3]
    assert matched(("conv_quantized", "sigmoid", "mean", "scores")) == [0, 1, 2, 3]
    assert matched(("other", "sigmoid", "mean", "scores")) == [1, 2, 3]
    assert matched(("sigmoid", "conv", "x", "mean")) == []
    assert report(float_model(), float_model()) == ()
    assert report(int8_model(), int8_model()) == ()


@pytest.mark.parametrize(
    ("dtype", "quant", "matched"),
    [("int8", (0.01, 0), True), ("float32", None, False), ("int8", (np.full(4, 0.01), np.zeros(4), 1), False)],
)
def test_only_ops_that_write_8_bits_of_one_scale_have_a_rounding_to_measure(dtype, quant, matched):
    floats, ints = GraphBuilder(), GraphBuilder()
    y = floats.op("TANH", [floats.input((1, 4))], (1, 4), name="y")
    z = ints.op("TANH", [ints.input((1, 4), "int8", quant=(0.1, 0))], (1, 4), dtype, quant=quant, name="y")
    assert bool(match_ops(read_graph(floats.finish([y])), read_graph(ints.finish([z])))) is matched


@pytest.mark.parametrize(("dtype", "quant"), [("float32", None), ("int8", (np.full(4, 0.01), np.zeros(4), 1))])
def test_only_ops_that_read_8_bits_of_one_scale_are_evaluated_on_what_they_read(dtype, quant):
    floats, ints = GraphBuilder(), GraphBuilder()
    y = floats.op("TANH", [floats.input((1, 4))], (1, 4), name="y")
    z = ints.op("TANH", [ints.input((1, 4), dtype, quant=quant)], (1, 4), "int8", quant=(0.01, 0), name="y")
    assert match_ops(read_graph(floats.finish([y])), read_graph(ints.finish([z]))) == ()


def test_a_requantized_tensor_that_took_the_name_leads_to_its_op():
    graph = GraphBuilder()
    x = graph.input((1, 4), "int8", quant=(0.1, 0))
    inner = graph.op("LOGISTIC", [x], (1, 4), "int8", quant=(1 / 256, -128), version=2, name="raw")
    graph.op("QUANTIZE", [inner], (1, 4), "uint8", quant=(1 / 256, 0), name="scores", options={})
    quantized = read_graph(graph.finish([2]))
    plain = GraphBuilder()
    y = plain.op("LOGISTIC", [plain.input((1, 4))], (1, 4), name="scores")
    (pair,) = match_ops(read_graph(plain.finish([y])), quantized)
    assert (pair.candidate.opcode, pair.candidate.outputs) == ("LOGISTIC", (1,))


def test_tensors_that_are_exposed_are_the_outputs_in_order():
    graph = read_graph(float_model())
    index = {tensor.name: tensor.index for tensor in graph.tensors}
    shown = read_graph(exposed(graph, [index["mean"], index["conv"]]).content)
    assert [shown.tensors[i].name for i in shown.outputs] == ["mean", "conv"]


def test_a_severed_model_evaluates_each_op_alone():
    graph = read_graph(float_model())
    index = {tensor.name: tensor.index for tensor in graph.tensors}
    cut = severed(graph, {(1, 0): 0, (3, 0): 1}, [index["sigmoid"], index["scores"]]).content
    interpreter = open_interpreter(cut)
    values = [
        np.random.default_rng(n).normal(size=shape).astype(np.float32) for n, shape in enumerate([(1, 6, 6, 4), (1, 4)])
    ]
    for detail, value in zip(interpreter.get_input_details(), values, strict=True):
        interpreter.set_tensor(detail["index"], value)
    interpreter.invoke()
    assert interpreter.get_tensor(index["sigmoid"]) == pytest.approx(1 / (1 + np.exp(-values[0])), abs=1e-6)
    expected = np.exp(values[1]) / np.exp(values[1]).sum()
    assert interpreter.get_tensor(index["scores"]) == pytest.approx(expected, abs=1e-6)


def test_slots_that_share_an_input_must_read_the_same_shape():
    with pytest.raises(ModelError, match="another shape"):
        severed(read_graph(float_model()), {(1, 0): 0, (3, 0): 0}, [])


def test_progress_counts_the_images_from_one():
    told = []
    first, second = model_of(float_model(), SPEC), model_of(int8_model(), SPEC)
    layer_report(first, second, open_samples(IMAGES, SPEC), progress=lambda *given: told.append(given))
    assert told == [("Comparing layers", done, 5) for done in range(1, 6)]


@pytest.mark.parametrize(("side", "counted"), [(73, 73 * 73 * 3), (74, 74 * 74 * 3 // 2), (105, 105 * 105 * 3 // 3)])
def test_of_many_values_as_few_as_16384_are_counted(side, counted):
    """Every second position of a map of 16,428 values, every third of one of 33,075."""
    spec, floats, ints = InputSpec(side, side, std=(255.0,) * 3), GraphBuilder(), GraphBuilder()
    shape = (1, side, side, 3)
    y = floats.op("LOGISTIC", [floats.input(shape)], shape, name="y")
    z = ints.op(
        "LOGISTIC", [ints.input(shape, "int8", quant=(1 / 255, -128))], shape, "int8", quant=(1 / 256, -128), name="y"
    )
    image = open_samples(np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8), spec)
    (layer,) = layer_report(model_of(floats.finish([y]), spec), model_of(ints.finish([z]), spec), image)
    assert sum(layer.distribution.counts) == counted
