import warnings

import numpy as np
import pytest

from edgekit.calibration import Ranges, choose_ranges, observe, open_samples
from edgekit.converters.export.through_tensorflow import export_float
from edgekit.converters.quantization.backend import (
    IO_TYPES,
    float_ops,
    pixel_range,
    quantize_int8,
    with_smaller_weights,
)
from edgekit.converters.sources.open import load_source
from edgekit.devices.interpreter import open_interpreter
from edgekit.errors import ConversionError, DataError, UsageError
from edgekit.preprocess import InputSpec, normalize
from edgekit.tflite import read_graph
from edgekit.tflite.reader import constant
from tests.support.build import model_of
from tests.support.float_nets import SIZE, colour_net
from tests.support.tiny_keras import save

pytest.importorskip("litert_quantizer")

RAW = InputSpec(SIZE, SIZE)
PIXELS = np.random.default_rng(0).integers(0, 256, (12, SIZE, SIZE, 3), np.uint8)
#: What TensorFlow's own converter writes for int8, and the Edge TPU compiler is known to read.
VERSIONS = {"CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 4, "MEAN": 2, "SOFTMAX": 2, "MUL": 2, "ADD": 2}


def ranges_of(content, spec=RAW, pixels=PIXELS):
    return choose_ranges(observe(model_of(content, spec), open_samples(pixels, spec)))


def quantized(content, spec=RAW, io="uint8"):
    return quantize_int8(read_graph(content), ranges_of(content, spec), spec, io=io)


def ends(graph):
    return graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]


def test_a_quantized_step_is_a_pixel_step():
    given, answer = ends(quantized(colour_net()))
    assert (given.dtype, given.quant.scale, given.quant.zero_point) == ("uint8", (1.0,), (0,))
    assert (answer.dtype, answer.quant.scale, answer.quant.zero_point) == ("uint8", (1 / 256,), (0,))


@pytest.mark.parametrize(("mean", "std"), [(127.5, 127.5), (127.0, 128.0), (0.0, 255.0)])
def test_a_pixel_is_its_own_quantized_value_under_any_uniform_scaling(mean, std):
    spec = InputSpec(SIZE, SIZE, mean=(mean,) * 3, std=(std,) * 3)
    given, _ = ends(quantized(colour_net(), spec))
    every = normalize(np.arange(256, dtype=np.uint8).reshape(1, 256, 1).repeat(3, 2), spec)
    steps = np.rint(every / given.quant.scale[0]) + given.quant.zero_point[0]
    # Zero, the grey 127.5, lies between two steps: all that half a step can do is to round to the next.
    assert np.abs(steps[0, :, 0] - np.arange(256)).max() <= (1 if mean == 127.5 else 0)


@pytest.mark.parametrize("io", list(IO_TYPES))
def test_types_of_input_and_output(io):
    content = colour_net()
    graph = quantized(content, io=io)
    assert [end.dtype for end in ends(graph)] == [IO_TYPES[io]] * 2
    assert float_ops(graph) == ()


def test_weights_per_channel_except_in_dense_layers():
    graph = quantized(colour_net())
    weights = {op.opcode: graph.op_inputs(op)[1] for op in graph.ops if op.opcode in ("CONV_2D", "FULLY_CONNECTED")}
    assert len(weights["CONV_2D"].quant.scale) == 3
    assert len(weights["FULLY_CONNECTED"].quant.scale) == 1
    for tensor in weights.values():
        assert set(tensor.quant.zero_point) == {0}
        assert constant(graph, tensor).min() >= -127


def test_op_versions_are_those_that_old_compilers_know():
    for op in quantized(colour_net()).ops:
        assert op.version == VERSIONS.get(op.opcode, op.version)
        assert op.opcode in VERSIONS or (op.opcode == "QUANTIZE" and op.version in (1, 2))


def test_int8_answers_are_near_the_float_ones():
    content = colour_net()
    model = quantized(content)
    answers = []
    for made, batch in ((content, PIXELS[:1].astype(np.float32)), (model.content, PIXELS[:1])):
        interpreter = open_interpreter(made)
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], batch)
        interpreter.invoke()
        answers.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).astype(float))
    np.testing.assert_allclose(answers[1] / 256, answers[0], atol=0.02)


def test_the_same_input_gives_the_same_bytes():
    content = colour_net()
    ranges = ranges_of(content)
    first, second = (quantize_int8(read_graph(content), ranges, RAW) for _ in range(2))
    assert first.content == second.content


def test_a_range_that_someone_widened_is_taken():
    content = colour_net()
    ranges = ranges_of(content)
    wide = Ranges({**ranges.bounds, "logits": (-100.0, 100.0)}, "minmax", 1, "")
    graph = quantize_int8(read_graph(content), wide, RAW)
    logits = next(graph.op_outputs(op)[0] for op in graph.ops if op.opcode == "FULLY_CONNECTED")
    assert logits.quant.scale[0] == pytest.approx(200 / 255)


def test_a_tensor_that_was_always_zero_gets_a_range_that_kernels_take():
    content = colour_net()
    ranges = ranges_of(content)
    dead = Ranges({**ranges.bounds, "logits": (0.0, 0.0)}, "minmax", 1, "")
    model = quantize_int8(read_graph(content), dead, RAW)
    dense = next(op for op in model.ops if op.opcode == "FULLY_CONNECTED")
    (logits,) = model.op_outputs(dense)
    read, weights = (tensor.quant.scale for tensor in model.op_inputs(dense)[:2])
    assert read[0] * max(weights) / logits.quant.scale[0] == pytest.approx(2**7, rel=0.01)
    open_interpreter(model.content).invoke()


def test_no_such_type():
    with pytest.raises(UsageError, match="no input and output type 'int4'"):
        quantize_int8(read_graph(colour_net()), Ranges({}, "minmax", 1, ""), RAW, io="int4")


def test_ranges_of_another_model():
    with pytest.raises(DataError, match="hold none for tensor 'conv_0'") as caught:
        quantize_int8(read_graph(colour_net()), ranges_of(colour_net(seed=1)), RAW)
    assert "another model" in caught.value.hint


def test_an_op_without_an_int8_version_is_named():
    content = colour_net(between="SIN")
    with pytest.raises(ConversionError, match="would stay in float: SIN"):
        quantized(content)


def test_the_range_of_pixels():
    assert pixel_range(RAW) == (0, 255)
    assert pixel_range(InputSpec(8, 8, mean=(127.5,) * 3, std=(127.5,) * 3)) == (-1, 1)
    low, high = pixel_range(InputSpec(8, 8, mean=(100.0, 120.0, 140.0), std=(50.0, 60.0, 70.0)))
    assert (low, high) == (-2, 155 / 50)


def reference_int8(model, images):
    """The same model by TensorFlow's converter and quantizer."""
    import tensorflow as tf

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([image[None]] for image in images)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
        converter._experimental_disable_per_channel_quantization_for_dense_layers = True
        return read_graph(converter.convert())


def test_parameters_are_those_of_tensorflows_quantizer(keras2, tmp_path):
    keras2.utils.set_random_seed(0)
    layers = keras2.layers
    model = keras2.Sequential(
        [
            keras2.Input((SIZE, SIZE, 3)),
            layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(6.0),
            layers.DepthwiseConv2D(3, padding="same"),
            layers.Conv2D(16, 1, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(4, activation="softmax"),
        ]
    )
    # Black and white are among the pixels, so that TensorFlow's range of the input is 0 to 255 as well.
    source = load_source(save(model, tmp_path / "m.h5"))
    expected = reference_int8(model, PIXELS.astype(np.float32))
    found = quantized(export_float(source, RAW).graph.content)
    kept = ("CONV_2D", "DEPTHWISE_CONV_2D", "MEAN", "FULLY_CONNECTED", "SOFTMAX")
    ours, theirs = ([op for op in graph.ops if op.opcode in kept] for graph in (found, expected))
    assert [op.opcode for op in ours] == [op.opcode for op in theirs] and len(ours) == 6
    assert ends(found)[0].quant == ends(expected)[0].quant
    for our, their in zip(ours, theirs, strict=True):
        assert our.version == their.version
        a, b = found.op_outputs(our)[0], expected.op_outputs(their)[0]
        assert a.dtype == b.dtype == "int8"
        np.testing.assert_allclose(a.quant.scale, b.quant.scale, rtol=1e-5)
        assert a.quant.zero_point == b.quant.zero_point
        if our.opcode in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            a, b = found.op_inputs(our)[1], expected.op_inputs(their)[1]
            np.testing.assert_allclose(a.quant.scale, b.quant.scale, rtol=1e-5)
            difference = constant(found, a).astype(int) - constant(expected, b).astype(int)
            assert np.abs(difference).max() <= 1  # a tie may be rounded either way


def test_weights_in_float16_are_cast_in_the_model_which_any_interpreter_runs():
    """DEQUANTIZE ops before each layer, as TensorFlow's converter writes them; inputs and outputs stay float."""
    floats = read_graph(colour_net())
    small = with_smaller_weights(floats, "float16")
    casts = [op for op in small.ops if op.opcode == "DEQUANTIZE"]
    assert casts and {small.op_inputs(op)[0].dtype for op in casts} == {"float16"}
    assert [op.opcode for op in small.ops if op.opcode != "DEQUANTIZE"] == [op.opcode for op in floats.ops]
    assert [end.dtype for end in ends(small)] == ["float32", "float32"]
