import numpy as np
import pytest

from edgekit.calibration.ranges import Ranges
from edgekit.converters.quantization.backend import quantize_int8
from edgekit.converters.quantization.overflow import fit_biases
from edgekit.devices.interpreter import open_interpreter
from edgekit.evaluation.verdict import run
from edgekit.preprocess import InputSpec
from edgekit.tflite import read_graph
from edgekit.tflite.reader import constant
from tests.support.build import GraphBuilder

pytest.importorskip("litert_quantizer")

SPEC = InputSpec(4, 4, mean=(0.0,) * 3, std=(255.0,) * 3)
CONV = {"padding": 0, "strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
DEPTHWISE = {**CONV, "depthMultiplier": 1}


def model(opcode, weights, bias):
    graph = GraphBuilder()
    graph.model.signatureDefs = []  # litert-quantizer wants the list to be there
    x = graph.input((1, 4, 4, 3))
    options = CONV if opcode == "CONV_2D" else DEPTHWISE
    inputs = [x, graph.constant(weights, name="weights"), graph.constant(bias, name="bias")]
    y = graph.op(opcode, inputs, (1, 4, 4, 3), options=options, name="y")
    axes = graph.constant(np.array([1, 2], np.int32))
    return graph.finish([graph.op("MEAN", [y, axes], (1, 3), options={"keepDims": False}, name="mean")])


def weights_of(opcode, scale):
    """Weights of three channels, the second of which is all but dead."""
    shape, channel = ((3, 1, 1, 3), 0) if opcode == "CONV_2D" else ((1, 1, 1, 3), 3)
    weights = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    dead = [slice(None)] * 4
    dead[channel] = 1
    weights[tuple(dead)] *= scale
    return weights


@pytest.mark.parametrize("opcode", ["CONV_2D", "DEPTHWISE_CONV_2D"])
@pytest.mark.parametrize("bias", [0.7, -0.7])
def test_a_dead_channel_answers_with_its_bias(opcode, bias):
    content = model(opcode, weights_of(opcode, 1e-9), np.array([0.1, bias, -0.1], np.float32))
    bounds = dict.fromkeys(("y", "mean"), (-4.0, 4.0))
    quantized = quantize_int8(read_graph(content), Ranges(bounds, "", 1, ""), SPEC, io="float")
    image = np.random.default_rng(1).random((1, 4, 4, 3)).astype(np.float32)
    expected, found = (run(open_interpreter(one), image) for one in (content, quantized.content))
    assert expected[1] == pytest.approx(bias, abs=1e-6)
    assert found == pytest.approx(expected, abs=2 * 8 / 255)
    (offset,) = (tensor for tensor in quantized.tensors if tensor.name == "bias")
    assert np.abs(constant(quantized, offset).astype(np.int64)).max() == pytest.approx(2**30, rel=1e-3)
    layer = next(op for op in quantized.ops if op.opcode == opcode)
    source, kernel = (quantized.tensors[index].quant.scale for index in layer.inputs[:2])
    assert offset.quant.scale == pytest.approx(np.array(kernel) * source[0], rel=1e-6)


def test_models_without_such_channels_stay_as_they_are():
    floats = read_graph(model("CONV_2D", weights_of("CONV_2D", 1.0), np.zeros(3, np.float32)))
    quantized = quantize_int8(floats, Ranges({"y": (-4, 4), "mean": (-4, 4)}, "", 1, ""), SPEC)
    assert fit_biases(quantized, floats) is quantized


def test_layers_that_share_a_bias_are_told_apart():
    """litert-quantizer gives each its own copy, in its own steps and under a name of its own."""
    graph = GraphBuilder()
    graph.model.signatureDefs = []
    bias = graph.constant(np.array([0.1, 0.7, -0.1], np.float32), name="bias")
    x = graph.input((1, 4, 4, 3))
    for number in range(2):
        weights = graph.constant(weights_of("CONV_2D", 1e-9), name=f"weights{number}")
        x = graph.op("CONV_2D", [x, weights, bias], (1, 4, 4, 3), options=CONV, name=f"y{number}")
    content = graph.finish([x])
    quantized = quantize_int8(
        read_graph(content), Ranges(dict.fromkeys(("y0", "y1"), (-8.0, 8.0)), "", 1, ""), SPEC, io="float"
    )
    image = np.random.default_rng(1).random((1, 4, 4, 3)).astype(np.float32)
    expected, found = (run(open_interpreter(one), image) for one in (content, quantized.content))
    assert found == pytest.approx(expected, abs=4 * 16 / 255)
