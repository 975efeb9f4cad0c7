import io
import zipfile

import numpy as np
import pytest

from edgekit.errors import ModelFormatError, UnsupportedModelError, UsageError
from edgekit.tflite.reader import read_graph
from edgekit.tflite.versions import COMPILERS, minimal_versions, set_op_versions
from tests.support.build import GraphBuilder, colour_classifier
from tests.support.one_op import Q, activation, one_op


def versions_of(content):
    return tuple(op.version for op in read_graph(content).ops)


X8 = activation(1, 4, 4, 8)
XU8 = activation(1, 4, 4, 8, dtype="uint8")
XF = activation(1, 4, 4, 8, dtype="float32")
W = np.ones((8, 1, 1, 8), np.int8)
B = np.zeros(8, np.int32)
AXES = np.array([1, 2], np.int32)
PADS = np.zeros((4, 2), np.int32)
SIZE = np.array([8, 8], np.int32)


@pytest.mark.parametrize(
    ("opcode", "inputs", "options", "expected"),
    [
        ("CONV_2D", (X8, W, B), None, 3),
        ("CONV_2D", (XU8, W.astype(np.uint8), B), None, 1),
        ("DEPTHWISE_CONV_2D", (X8, np.ones((1, 1, 1, 8), np.int8), B), None, 3),
        ("DEPTHWISE_CONV_2D", (XU8, np.ones((1, 1, 1, 8), np.uint8), B), {"dilationWFactor": 2}, 2),
        ("FULLY_CONNECTED", (X8, np.ones((8, 8), np.int8), B), None, 4),
        ("FULLY_CONNECTED", (X8, np.ones((8, 8), np.int8), B), {"keepNumDims": True}, 5),
        ("FULLY_CONNECTED", (X8, np.ones((8, 8), np.int8)), None, 6),
        ("ADD", (X8, X8), None, 2),
        ("ADD", (XU8, XU8), None, 1),
        ("SUB", (X8, X8), None, 2),
        ("MEAN", (X8, AXES), None, 2),
        ("SOFTMAX", (X8,), None, 2),
        ("LOGISTIC", (X8,), None, 2),
        ("PAD", (X8, PADS), None, 2),
        ("PAD", (activation(1, 1, 4, 4, 8), PADS), None, 4),
        ("CONCATENATION", (X8, X8), None, 2),
        ("QUANTIZE", (XF,), None, 1),
        ("QUANTIZE", (XU8,), None, 1),
        ("DEQUANTIZE", (X8,), None, 2),
        ("DEQUANTIZE", (XU8,), None, 1),
        ("RESHAPE", (X8, SIZE), None, 1),
        ("AVERAGE_POOL_2D", (X8,), None, 2),
        ("MAX_POOL_2D", (XU8,), None, 1),
        ("RESIZE_BILINEAR", (X8, SIZE), {}, 2),
        ("RESIZE_BILINEAR", (X8, SIZE), {"halfPixelCenters": True}, 3),
        ("RESIZE_NEAREST_NEIGHBOR", (X8, SIZE), {"alignCorners": True}, 3),
        ("TRANSPOSE", (X8, np.array([0, 2, 1, 3], np.int32)), None, 2),
        ("TRANSPOSE", (activation(1, 1, 4, 4, 8), np.arange(5, dtype=np.int32)), None, 4),
        ("STRIDED_SLICE", (X8, SIZE, SIZE, SIZE), None, 2),
        ("STRIDED_SLICE", (X8, SIZE, SIZE, SIZE), {"ellipsisMask": 1}, 6),
        ("SPLIT", (np.array(3, np.int32), X8), None, 2),
        ("HARD_SWISH", (X8,), None, 1),
        ("RELU", (XU8,), None, 2),
        ("TRANSPOSE_CONV", (SIZE, W, X8), None, 2),
        ("TRANSPOSE_CONV", (SIZE, W, X8, B), None, 3),
        ("MAXIMUM", (X8, X8), None, 2),
        ("UNPACK", (XU8,), None, 2),
    ],
)
@pytest.mark.parametrize("stored", [1, 9])
def test_versions_are_what_the_types_and_features_need(opcode, inputs, options, expected, stored):
    content = set_op_versions(one_op(opcode, *inputs, options=options, version=stored))
    assert versions_of(content) == (expected,)
    assert set_op_versions(content) is content


@pytest.mark.parametrize(("output_scale", "expected"), [(0.5, 2), (0.24, 3)])
def test_a_product_that_is_scaled_up_needs_version_3(output_scale, expected):
    content = one_op("MUL", X8, X8, out=((1, 4, 4, 8), "int8", (output_scale, 0)))
    assert versions_of(set_op_versions(content)) == (expected,)


def test_everything_but_the_versions_stays():
    content = colour_classifier("int8")
    changed = set_op_versions(_with_version(content, 1))
    before, after = read_graph(content), read_graph(changed)
    assert versions_of(changed) == (2, 2)
    assert (before.tensors, before.inputs, before.outputs) == (after.tensors, after.inputs, after.outputs)
    assert [op.options for op in before.ops] == [op.options for op in after.ops]
    assert set_op_versions(_with_version(content, 1)) == changed


def _with_version(content, version):
    from edgekit.tflite.edit import pack, unpack

    model = unpack(content)
    for code in model.operatorCodes:
        code.version = version
    return pack(model)


def test_ops_that_share_a_code_get_codes_of_their_own():
    graph = GraphBuilder()
    first = graph.input(*X8[:2], quant=Q)
    floats = graph.input(*XF[:2])
    quantized = graph.op("ADD", [first, first], (1, 4, 4, 8), "int8", quant=Q)
    plain = graph.op("ADD", [floats, floats], (1, 4, 4, 8))
    graph.model.operatorCodes.pop()
    graph.graph.operators[1].opcodeIndex = 0
    assert versions_of(set_op_versions(graph.finish([quantized, plain]))) == (2, 1)


def test_appended_label_files_are_kept():
    buffer = io.BytesIO(_with_version(colour_classifier("int8"), 1))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("labels.txt", "red\ngreen\nblue\n")
    changed = set_op_versions(buffer.getvalue())
    assert versions_of(changed) == (2, 2)
    assert zipfile.ZipFile(io.BytesIO(changed)).read("labels.txt") == b"red\ngreen\nblue\n"
    assert set_op_versions(buffer.getvalue()) == changed


def test_per_channel_dense_layers_are_refused():
    weights = (np.ones((8, 8), np.int8), ([0.5] * 8, [0] * 8, 0))
    with pytest.raises(UnsupportedModelError, match=r"op 0: FULLY_CONNECTED .*per channel") as caught:
        set_op_versions(one_op("FULLY_CONNECTED", X8, weights, B))
    assert "per_channel_quantization_for_dense_layers" in caught.value.hint


@pytest.mark.parametrize(
    ("opcode", "inputs", "options", "knows"),
    [
        ("CONV_2D", (X8, np.ones((8, 1, 1, 4), np.int8), B), None, ()),  # two groups
        ("TRANSPOSE_CONV", (SIZE, W, X8), {"fusedActivationFunction": 1}, ()),
        ("TRANSPOSE_CONV", (SIZE, W, X8, B), None, ("14.1", "15.0", "16.0")),
        ("RESIZE_BILINEAR", (X8, SIZE), {"halfPixelCenters": True}, ("14.1", "15.0", "16.0")),
        ("SQUARED_DIFFERENCE", (X8, X8), None, ("16.0",)),
        ("EXP", (X8,), None, ()),
        ("GELU", (X8,), {}, ()),
        ("CONV_2D", (X8, W, B), None, COMPILERS),
    ],
)
@pytest.mark.parametrize("release", COMPILERS)
def test_what_a_compiler_does_not_know_is_refused_and_named(opcode, inputs, options, knows, release):
    content = one_op(opcode, *inputs, options=options)
    if release in knows:
        assert versions_of(set_op_versions(content, compiler_version=release)) == minimal_versions(read_graph(content))
    else:
        with pytest.raises(UnsupportedModelError, match=rf"{release} cannot read op 0: {opcode} ") as caught:
            set_op_versions(content, compiler_version=release)
        assert caught.value.hint


def test_without_a_compiler_nothing_is_refused():
    assert versions_of(set_op_versions(one_op("EXP", X8), compiler_version=None)) == (2,)


def test_ops_without_a_rule_keep_their_version():
    assert versions_of(set_op_versions(one_op("CUSTOM:Mine", X8, version=7))) == (7,)


@pytest.mark.parametrize("release", ["16", "16.0.384591198"])
def test_a_release_is_known_by_its_major_number(release):
    with pytest.raises(UnsupportedModelError):
        set_op_versions(one_op("EXP", X8), compiler_version=release)


@pytest.mark.parametrize("release", ["", "17.0", "latest"])
def test_unknown_releases_are_a_usage_error(release):
    with pytest.raises(UsageError, match="Nothing is known"):
        set_op_versions(one_op("EXP", X8), compiler_version=release)


@pytest.mark.parametrize("content", [b"", b"\0" * 100, colour_classifier()[:200]])
def test_damaged_files_are_refused(content):
    with pytest.raises(ModelFormatError):
        set_op_versions(content)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Statistics for quantized inputs")
def test_versions_are_those_that_tensorflows_converter_writes():
    import tensorflow as tf

    def layers(x):
        y = tf.nn.conv2d(x, tf.ones((3, 3, 4, 8)), 2, "SAME")
        y = tf.nn.depthwise_conv2d(tf.nn.relu6(y), tf.ones((3, 3, 8, 1)), [1, 1, 1, 1], "VALID")
        y = tf.sigmoid(y) * y + tf.pad(y[:, 1:-1, 1:-1], [[0, 0], [1, 1], [1, 1], [0, 0]])
        y = tf.concat([tf.image.resize(y, (12, 12)), tf.image.resize(y, (12, 12), "nearest")], 3)
        first, second = tf.split(y, 2, 3)
        y = tf.maximum(tf.nn.max_pool2d(first, 2, 2, "SAME"), tf.nn.avg_pool2d(tf.tanh(second), 2, 2, "SAME"))
        y = tf.reduce_mean(tf.transpose(y, [0, 2, 1, 3]), [1, 2])
        return tf.nn.softmax(tf.matmul(y, tf.ones((8, 3))) - 1.0)

    function = tf.function(layers, input_signature=[tf.TensorSpec((1, 16, 16, 4))]).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    samples = np.random.default_rng(1).uniform(-1, 1, (4, 1, 16, 16, 4)).astype(np.float32)
    converter.representative_dataset = lambda: ([sample] for sample in samples)
    converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    content = converter.convert()
    assert len({op.opcode for op in read_graph(content).ops}) > 12
    assert versions_of(set_op_versions(_with_version(content, 1), compiler_version=None)) == versions_of(content)
