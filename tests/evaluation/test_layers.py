"""The per-layer report against errors computed by hand in numpy, on a pair of tiny models."""

import numpy as np
import pytest

from edgekit.calibration import open_samples
from edgekit.devices.interpreter import open_interpreter
from edgekit.errors import ModelError
from edgekit.evaluation.layers import layer_report, match_ops
from edgekit.evaluation.verdict import Runner, feed
from edgekit.preprocess import InputSpec
from edgekit.tflite import read_graph
from edgekit.tflite.expose import exposed, severed
from tests.tflite.build import GraphBuilder

SPEC = InputSpec(6, 6, mean=(0.0,) * 3, std=(255.0,) * 3)
PICTURES = np.random.default_rng(3).integers(0, 256, (5, 6, 6, 3)).astype(np.uint8)
WEIGHTS = np.random.default_rng(4).normal(size=(4, 1, 1, 3)).astype(np.float32)
CONV = {"padding": 1, "strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
NAMES = ("conv", "sigmoid", "mean", "scores")


def float_model(weights=WEIGHTS, stop=4):
    graph = GraphBuilder()
    x = graph.input((1, 6, 6, 3))
    bias = graph.constant(np.zeros(4, np.float32))
    tensors = [graph.op("CONV_2D", [x, graph.constant(weights), bias], (1, 6, 6, 4), options=CONV, name="conv")]
    tensors += [graph.op("LOGISTIC", tensors[-1:], (1, 6, 6, 4), name="sigmoid")]
    axes = graph.constant(np.array([1, 2], np.int32))
    mean = {"keepDims": False}
    tensors += [graph.op("MEAN", [tensors[-1], axes], (1, 4), options=mean, name="mean")]
    tensors += [graph.op("SOFTMAX", tensors[-1:], (1, 4), options={"beta": 1.0}, name="scores")]
    return graph.finish([tensors[stop - 1]])


def int8_model(weights=WEIGHTS, *, conv=(0.04, 0), bits=8, stop=4, names=NAMES):
    """The same in int8; `conv` is the convolution's output quantization, `bits` those of its weights."""
    graph = GraphBuilder()
    x = graph.input((1, 6, 6, 3), "int8", quant=(1 / 255, -128))
    scales = np.abs(weights).max(axis=(1, 2, 3)) / (2 ** (bits - 1) - 1)
    steps = np.rint(weights / scales[:, None, None, None]).astype(np.int8)
    kernel = graph.constant(steps, quant=(scales, np.zeros(4), 0))
    bias = graph.constant(np.zeros(4, np.int32), quant=(scales / 255, np.zeros(4), 0))
    tensors = [
        graph.op("CONV_2D", [x, kernel, bias], (1, 6, 6, 4), "int8", quant=conv, options=CONV, version=3, name=names[0])
    ]
    tensors += [
        graph.op("LOGISTIC", tensors[-1:], (1, 6, 6, 4), "int8", quant=(1 / 256, -128), version=2, name=names[1])
    ]
    axes = graph.constant(np.array([1, 2], np.int32))
    mean = {"quant": (1 / 256, -128), "options": {"keepDims": False}, "version": 2}
    tensors += [graph.op("MEAN", [tensors[-1], axes], (1, 4), "int8", name=names[2], **mean)]
    softmax = {"quant": (1 / 256, -128), "options": {"beta": 1.0}, "version": 2}
    tensors += [graph.op("SOFTMAX", tensors[-1:], (1, 4), "int8", name=names[3], **softmax)]
    return graph.finish([tensors[stop - 1]])


def report(reference, candidate, pictures=PICTURES):
    return layer_report(Runner(reference, SPEC), Runner(candidate, SPEC), open_samples(pictures, SPEC))


def tensors_of(make, real=lambda values: values):
    """Each layer's output over all pictures, from models that end there: no inner tensor is exposed."""
    found = []
    for stop in (1, 2, 3, 4):
        interpreter = open_interpreter(make(stop=stop))
        rows = []
        for sample in open_samples(PICTURES, SPEC):
            feed(interpreter, sample.input(SPEC))
            detail = interpreter.get_output_details()[0]
            values = interpreter.get_tensor(detail["index"]).astype(np.float64)
            scale, zero = detail["quantization"]
            rows.append((values - zero) * scale if scale else values)
        found.append(np.stack(rows))
    return found


def ratio(signal, noise):
    return 10 * np.log10(np.square(signal).sum() / np.square(noise).sum())


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
    pixels = np.stack([sample.input(SPEC) for sample in open_samples(PICTURES, SPEC)]).astype(np.float64)
    computed = pixels @ WEIGHTS.reshape(4, 3).T.astype(np.float64)
    assert layers["conv"].local_db == pytest.approx(ratio(computed, computed - conv), abs=0.05)


@pytest.mark.parametrize(
    ("weights", "options", "reason"),
    [
        (WEIGHTS, {"conv": (0.005, 0)}, "clipped"),
        (WEIGHTS, {"conv": (1.0, 0)}, "too wide"),
        (WEIGHTS * np.float32([[[[20]]], [[[0.5]]], [[[0.5]]], [[[0.5]]]]), {"conv": (0.6, 0)}, "channel disparity"),
        (WEIGHTS, {"bits": 3}, "weights"),
        (WEIGHTS, {"conv": (0.02, 0)}, "rounding"),
    ],
)
def test_the_reason_of_an_error_is_found(weights, options, reason):
    first, second = report(float_model(weights), int8_model(weights, **options))[:2]
    assert first.reason.name == reason
    assert first.share > 0.5
    assert second.reason.name == "fixed range"


@pytest.mark.parametrize(("scale", "swallowed"), [(6 / 127, True), (5 / 127, False)])
def test_what_is_clipped_where_a_sigmoid_is_flat_does_no_harm(scale, swallowed):
    large = 20 * WEIGHTS
    layer = report(float_model(large), int8_model(large, conv=(scale, 0)))[0]
    assert (layer.reason.name, layer.swallowed) == ("clipped", swallowed)


def test_ranges_and_values_are_told():
    layer = report(float_model(), int8_model(conv=(0.01, 28)))[0]
    assert (layer.low, layer.high) == pytest.approx((-1.56, 0.99))
    computed = PICTURES / 255 @ WEIGHTS.reshape(4, 3).T.astype(np.float64)
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
    shown = read_graph(exposed(graph, [index["mean"], index["conv"]]))
    assert [shown.tensors[i].name for i in shown.outputs] == ["mean", "conv"]


def test_a_severed_model_evaluates_each_op_alone():
    graph = read_graph(float_model())
    index = {tensor.name: tensor.index for tensor in graph.tensors}
    cut = severed(graph, {(1, 0): 0, (3, 0): 1}, [index["sigmoid"], index["scores"]])
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
