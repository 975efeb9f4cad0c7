"""Ops that the quantizer does not know, against TFLite's float kernels and against TensorFlow's own quantizer."""

import warnings

import numpy as np
import pytest

from edgekit.calibration import Ranges, choose_ranges, observe, open_samples
from edgekit.converters.export.rewrite import rewrite
from edgekit.converters.quantization.backend import float_ops, quantize_int8
from edgekit.converters.quantization.stand_ins import STAND_INS
from edgekit.converters.quantization.template import template
from edgekit.devices.interpreter import open_interpreter
from edgekit.preprocess import InputSpec
from edgekit.tflite import read_graph
from edgekit.tflite.editor import Editor
from edgekit.tflite.model import Model
from tests.support.build import GraphBuilder

pytest.importorskip("litert_quantizer")

SPEC = InputSpec(8, 8, mean=(127.5,) * 3, std=(127.5,) * 3)
SHAPE = (1, 8, 8, 4)
RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (12, 8, 8, 3), np.uint8)
VALUES = RANDOM.normal(0, 1, SHAPE).astype(np.float32)


def ints(*values):
    return np.array(values, np.int32)


#: op → (further inputs, shape of the output, options).
CASES = {
    **{name: ((), SHAPE, {}) for name in ("ABS", "L2_NORMALIZATION", "LOG_SOFTMAX")},
    **dict.fromkeys(("RELU6", "RELU_N1_TO_1"), ((), SHAPE, None)),
    **{name: ((VALUES,), SHAPE, {}) for name in ("GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "MINIMUM")},
    "BATCH_TO_SPACE_ND": ((ints(1, 1), np.zeros((2, 2), np.int32)), SHAPE, {}),
    "DEPTH_TO_SPACE": ((), (1, 16, 16, 1), {"blockSize": 2}),
    "EXPAND_DIMS": ((ints(1),), (1, 1, 8, 8, 4), {}),
    "PRELU": ((np.array([[[0.1, 0.2, -0.3, 0.9]]], np.float32),), SHAPE, None),
    "REDUCE_MAX": ((ints(1, 2),), (1, 4), {"keepDims": False}),
    "REDUCE_PROD": ((ints(3),), (1, 8, 8), {"keepDims": False}),
    "REVERSE_V2": ((ints(1),), SHAPE, {}),
    "SPACE_TO_BATCH_ND": ((ints(2, 2), np.zeros((2, 2), np.int32)), (4, 4, 4, 4), {}),
    "SPLIT_V": ((ints(1, 3), np.array(3, np.int32)), SHAPE, {"numSplits": 2}),
    "SQUEEZE": ((), (8, 8, 4), {"squeezeDims": [0]}),
    "TILE": ((ints(1, 1, 1, 2),), (1, 8, 8, 8), {}),
}


def net(name, further, shape, options):
    """The op behind a 1×1 convolution, as a float graph."""
    graph = GraphBuilder()
    x = graph.input((1, 8, 8, 3), name="image")
    weights = np.array([[1, 0, 0], [0, 1, 0], [0, 0, -1], [0.7, -0.8, 0.1]], np.float32).reshape(4, 1, 1, 3)
    step = {"padding": 0, "strideW": 1, "strideH": 1, "dilationWFactor": 1, "dilationHFactor": 1}
    x = graph.op("CONV_2D", [x, graph.constant(weights), graph.constant(np.zeros(4, np.float32))], SHAPE, options=step)
    inputs = [x, *(graph.constant(value) for value in further)]
    if name == "SPLIT_V":
        parts = [graph.tensor((*SHAPE[:3], size)) for size in (1, 3)]
        graph.raw_op(name, inputs, parts, options=options)
        y = graph.op("CONCATENATION", parts[::-1], SHAPE, options={"axis": 3})
    elif options is not None and STAND_INS.get(name) == "EQUAL":
        mask = graph.op(name, inputs, SHAPE, "bool", options=options)
        y = graph.op("SELECT_V2", [mask, *inputs], SHAPE, options={})
    else:
        y = graph.op(name, inputs, shape, options=options)
    graph.model.signatureDefs = []
    return read_graph(graph.finish([y]))


def ranges_of(graph):
    return choose_ranges(observe(Model(graph, SPEC), open_samples(PIXELS, SPEC)))


def outputs(graph, images):
    """The model's answers as real numbers, one row an image; pixels are what an int8 input holds, plus 128."""
    interpreter = open_interpreter(graph.content)
    given, answer = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    rows = []
    for pixels in images:
        batch = pixels[None].astype(np.float32)
        is_float = given["dtype"] == np.float32
        interpreter.set_tensor(given["index"], batch / 127.5 - 1 if is_float else (batch - 128).astype(np.int8))
        interpreter.invoke()
        scale, zero_point = answer["quantization"] if answer["quantization"][0] else (1.0, 0)
        rows.append((interpreter.get_tensor(answer["index"]).astype(np.float64) - zero_point) * scale)
    return np.array(rows)


def decibels(expected, found):
    return 10 * np.log10(np.square(expected).sum() / np.square(expected - found).sum())


def test_each_stand_in_is_tried():
    assert set(CASES) == set(STAND_INS)


@pytest.mark.parametrize("name", CASES)
def test_an_op_that_the_quantizer_does_not_know_is_int8_and_answers_as_in_float(name):
    graph = net(name, *CASES[name])
    quantized = quantize_int8(graph, ranges_of(graph), SPEC, io="int8")
    assert float_ops(quantized) == ()
    assert name in {op.opcode for op in quantized.ops}
    # Products of four factors carry four factors' errors.
    assert decibels(outputs(graph, PIXELS), outputs(quantized, PIXELS)) > (25 if name == "REDUCE_PROD" else 35)


@pytest.mark.parametrize("name", CASES)
def test_the_template_fills_in_the_same_bytes(name):
    graph = net(name, *CASES[name])
    ranges = ranges_of(graph)
    narrower = Ranges({key: (low / 2, high / 2) for key, (low, high) in ranges.bounds.items()}, "half", 1, "")
    known = template(graph, ranges, SPEC)
    if known is None:  # ranges decide a constant's steps, or whether a part has to be requantized to be joined
        assert name in ("MINIMUM", "SPLIT_V") or STAND_INS[name] == "EQUAL"
        return
    assert known.filled(narrower, SPEC).content == quantize_int8(graph, narrower, SPEC).content


def test_a_leaky_relu_becomes_a_prelu_that_computes_the_same():
    graph = net("LEAKY_RELU", (), SHAPE, {"alpha": 0.1})
    editor = Editor(graph)
    rewrite(editor)
    rewritten = editor.finish()
    assert [op.opcode for op in rewritten.ops] == ["CONV_2D", "PRELU"]
    np.testing.assert_allclose(outputs(graph, PIXELS), outputs(rewritten, PIXELS), atol=1e-6)


def tensorflows(model, images):
    """The Keras model by TFLiteConverter, full int8."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image[None] / np.float32(127.5) - 1] for image in images)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read_graph(converter.convert())


def test_they_are_as_exact_as_tensorflows_own_and_of_the_same_versions():
    keras = pytest.importorskip("keras")
    tf = pytest.importorskip("tensorflow")
    layers = keras.layers
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3), batch_size=1)
    x = layers.Conv2D(8, 3)(image)
    x = layers.PReLU(shared_axes=[1, 2], alpha_initializer=keras.initializers.Constant(0.2))(x)
    x = layers.LeakyReLU(negative_slope=0.1)(layers.Conv2D(8, 3)(x))
    x = layers.Minimum()([layers.Conv2D(8, 1)(x), layers.Conv2D(8, 1)(x)])
    model = keras.Model(image, layers.Dense(5)(layers.GlobalMaxPooling2D()(x)))
    editor = Editor(read_graph(tf.lite.TFLiteConverter.from_keras_model(model).convert()))
    expected = outputs(editor.graph, PIXELS)
    rewrite(editor)
    editor.drop_signatures()
    graph = editor.finish()
    ours, theirs = quantize_int8(graph, ranges_of(graph), SPEC, io="int8"), tensorflows(model, PIXELS)
    found = [decibels(expected, outputs(one, PIXELS)) for one in (ours, theirs)]
    assert found[0] > found[1] - 1
    versions = [{op.opcode: op.version for op in one.ops} for one in (ours, theirs)]
    assert {"PRELU", "MINIMUM", "REDUCE_MAX"} <= set(versions[0])
    assert all(versions[1].get(opcode, version) == version for opcode, version in versions[0].items())
