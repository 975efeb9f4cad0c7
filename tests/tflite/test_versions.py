import csv
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from edgekit.errors import ModelFormatError, UnsupportedModelError, UsageError
from edgekit.tflite.reader import constant, read_graph
from edgekit.tflite.versions import COMPILERS, minimal_versions, refusal, set_op_versions
from tests.support.build import GraphBuilder, colour_classifier
from tests.support.one_op import Q, activation, one_op
from tests.support.sparse import sparse_classifier


def versions_of(content):
    return tuple(op.version for op in read_graph(content).ops)


def lowered(content, **options):
    """The file with its versions set; the very same object where nothing changes."""
    graph = read_graph(content)
    changed = set_op_versions(graph, **options)
    return content if changed is graph else changed.content


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
        ("RESIZE_NEAREST_NEIGHBOR", (X8, SIZE), None, 2),
        ("RESIZE_BILINEAR", (X8, SIZE), None, 2),
        ("RESIZE_BILINEAR", (X8, SIZE), {"alignCorners": True}, 2),
        ("DEPTHWISE_CONV_2D", (XU8, np.ones((1, 1, 1, 8), np.uint8), B), None, 1),
        ("TRANSPOSE_CONV", (SIZE, W.astype(np.uint8), XU8), None, 1),
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
    content = lowered(one_op(opcode, *inputs, options=options, version=stored))
    assert versions_of(content) == (expected,)
    assert lowered(content) is content


def of(dtype, *shape):
    """An activation without quantization."""
    return shape or (1, 4, 4, 8), dtype, None


X16 = activation(1, 4, 4, 8, dtype="int16")
W8, W16, W4 = (activation(8, 1, 1, 8, dtype=dtype) for dtype in ("int8", "int16", "int4"))
W8_PER_CHANNEL = ((8, 1, 1, 8), "int8", ([0.5] * 8, [0] * 8, 0))
X8_PER_CHANNEL = ((1, 4, 4, 8), "int8", ([0.5] * 8, [0] * 8, 3))
DEEP8, DEEP16, DEEP = (activation(1, 1, 4, 4, 8, dtype=dtype) for dtype in ("int8", "int16", "float32"))
SMALL_DEEP = activation(1, 1, 1, 1, 8)

#: What TensorFlow's `GetBuiltinOperatorVersion` (tools/versioning/op_version.cc) answers for these types and options.
BY_TENSORFLOW = [
    ("CONV_2D", (XF, W), None, 2),
    ("CONV_2D", (XF, W8_PER_CHANNEL), None, 5),
    ("CONV_2D", (XF, of("float32", 8, 1, 1, 8)), None, 1),
    ("CONV_2D", (X16, W16), None, 4),
    ("CONV_2D", (X16, W8), None, 1),
    ("CONV_2D", (X16, W8), {"quantizedBiasType": 4}, 8),
    ("CONV_2D", (X8, W4), None, 7),
    ("CONV_2D", (XF, of("float32", 8, 1, 1, 4)), None, 6),
    ("CONV_2D", (X16, activation(8, 1, 1, 4)), {"quantizedBiasType": 4}, 8),
    ("DEPTHWISE_CONV_2D", (XF, of("float32", 1, 1, 1, 8)), None, 1),
    ("DEPTHWISE_CONV_2D", (XF, of("float32", 1, 1, 1, 8)), {"dilationHFactor": 2}, 2),
    ("DEPTHWISE_CONV_2D", (XF, of("float32", 1, 1, 1, 8)), {"dilationWFactor": 2}, 2),
    ("DEPTHWISE_CONV_2D", (XF, W8), None, 4),
    ("DEPTHWISE_CONV_2D", (XF, W8_PER_CHANNEL), None, 6),
    ("DEPTHWISE_CONV_2D", (X16, W16), None, 5),
    ("DEPTHWISE_CONV_2D", (X8, W4), None, 7),
    ("FULLY_CONNECTED", (XF, of("float32", 8, 8), of("float32", 8)), None, 1),
    ("FULLY_CONNECTED", (XF, of("float32", 8, 8), of("float32", 8)), {"weightsFormat": 1}, 2),
    ("FULLY_CONNECTED", (XF, W8, B), None, 3),
    ("FULLY_CONNECTED", (XF, W8, B), {"asymmetricQuantizeInputs": True}, 9),
    ("FULLY_CONNECTED", (XF, W8_PER_CHANNEL, B), None, 12),
    ("FULLY_CONNECTED", (X16, W16, B), None, 7),
    ("FULLY_CONNECTED", (X16, W4, B), None, 13),
    ("FULLY_CONNECTED", (X16, W4), None, 13),
    ("FULLY_CONNECTED", (X16, W8, B), {"quantizedBiasType": 4}, 11),
    ("FULLY_CONNECTED", (X16, W8), {"quantizedBiasType": 4}, 11),
    ("FULLY_CONNECTED", (X8, W4, B), None, 10),
    ("ABS", (X16,), None, 3),
    ("ABS", (of("int16"),), None, 4),
    ("ABS", (of("int32"),), None, 5),
    ("MUL", (XF, XF), None, 1),
    ("MUL", (XU8, XU8), None, 1),
    ("MUL", (X8, X8), None, 2),
    ("MUL", (X16, X16), None, 4),
    ("MUL", (of("int64"), of("int64")), None, 5),
    ("MUL", (of("complex64"), of("complex64")), None, 6),
    ("MUL", (of("int16"), of("int16")), None, 7),
    ("MUL", (of("uint32"), of("uint32")), None, 7),
    ("MUL", (of("float16"), of("float16")), None, 8),
    ("ADD", (XF, XF), None, 1),
    ("ADD", (X16, X16), {}, 1),
    ("ADD", (X16, X16), {"potScaleInt16": False}, 3),
    ("ADD", (of("int64"), of("int64")), None, 4),
    ("ADD", (of("int16"), of("int16")), None, 5),
    ("ADD", (of("float16"), of("float16")), None, 6),
    ("SUB", (XF, XF), None, 1),
    ("SUB", (DEEP8, DEEP8), None, 2),
    ("SUB", (DEEP8, SMALL_DEEP), None, 3),
    ("SUB", (X8, activation(1, 1, 1, 8)), None, 2),
    ("SUB", (of("int64"), of("int64")), None, 4),
    ("SUB", (X16, X16), {"potScaleInt16": False}, 5),
    ("SUB", (X16, X16), {}, 1),
    ("DIV", (XF, XF), None, 1),
    ("DIV", (DEEP, DEEP), None, 1),
    ("DIV", (DEEP, of("float32", 1, 1, 1, 1, 8)), None, 2),
    ("MAXIMUM", (XF, XF), None, 1),
    ("MINIMUM", (X8, X8), None, 2),
    ("MAXIMUM", (DEEP8, SMALL_DEEP), None, 3),
    ("MINIMUM", (X16, X16), None, 4),
    ("PAD", (XF, PADS), None, 1),
    ("PADV2", (X16, PADS, X16), None, 3),
    ("PAD", (DEEP, PADS), None, 4),
    ("PAD", (of("bool"), PADS), None, 5),
    ("TRANSPOSE", (XF, AXES), None, 1),
    ("TRANSPOSE", (of("bool"), AXES), None, 3),
    ("TRANSPOSE", (DEEP, AXES), None, 4),
    ("TRANSPOSE", (DEEP16, AXES), None, 5),
    ("TRANSPOSE", (of("float32", 1, 1, 1, 1, 1, 8), AXES), None, 6),
    ("TRANSPOSE", (activation(1, 4, 4, 8, dtype="int4"), AXES), None, 7),
    ("TRANSPOSE", (of("float32", 1, 1, 1, 1, 1, 1, 8), AXES), None, 8),
    ("TRANSPOSE_CONV", (SIZE, of("float32", 8, 1, 1, 8), XF), None, 1),
    ("TRANSPOSE_CONV", (SIZE, W, X8), {"fusedActivationFunction": 1}, 4),
    ("TRANSPOSE_CONV", (SIZE, W, X16), {"quantizedBiasType": 4}, 5),
    ("SLICE", (XF, SIZE, SIZE), None, 1),
    ("SLICE", (X8, SIZE, SIZE), None, 2),
    ("SLICE", (of("string"), SIZE, SIZE), None, 3),
    ("SLICE", (X16, SIZE, SIZE), None, 4),
    ("SLICE", (DEEP8, SIZE, SIZE), None, 5),
    ("SLICE", (of("uint32"), SIZE, SIZE), None, 6),
    ("SLICE", (activation(1, 4, 4, 8, dtype="int4"), SIZE, SIZE), None, 7),
    ("STRIDED_SLICE", (XF, SIZE, SIZE, SIZE), None, 1),
    ("STRIDED_SLICE", (of("bool"), SIZE, SIZE, SIZE), None, 3),
    ("STRIDED_SLICE", (DEEP, SIZE, SIZE, SIZE), None, 4),
    ("STRIDED_SLICE", (of("string"), SIZE, SIZE, SIZE), None, 5),
    ("STRIDED_SLICE", (X8, SIZE, SIZE, SIZE), {"newAxisMask": 1}, 6),
    ("STRIDED_SLICE", (of("uint32"), SIZE, SIZE, SIZE), None, 7),
    ("STRIDED_SLICE", (of("uint32"), SIZE, SIZE, SIZE), {"newAxisMask": 1}, 7),
    ("STRIDED_SLICE", (of("string"), SIZE, SIZE, SIZE), {"ellipsisMask": 1}, 6),
    ("STRIDED_SLICE", (X8, SIZE, SIZE, SIZE), {"offset": True}, 8),
    ("RESIZE_BILINEAR", (XF, SIZE), {}, 1),
    ("RESIZE_BILINEAR", (XF, SIZE), {"halfPixelCenters": True}, 3),
    ("RESIZE_BILINEAR", (X8, SIZE), {"alignCorners": True}, 2),
    ("RESIZE_NEAREST_NEIGHBOR", (X16, SIZE), {}, 4),
    ("RESIZE_NEAREST_NEIGHBOR", (X8, SIZE), {"halfPixelCenters": True}, 3),
    ("SPACE_TO_BATCH_ND", (XF, SIZE, PADS), None, 1),
    ("SPACE_TO_BATCH_ND", (X8, SIZE, PADS), None, 2),
    ("BATCH_TO_SPACE_ND", (activation(1, 4, 8), SIZE, PADS), None, 3),
    ("BATCH_TO_SPACE_ND", (X16, SIZE, PADS), None, 4),
    ("QUANTIZE", (XF,), {"out": X16}, 2),
    ("QUANTIZE", (XF,), {"out": X8}, 1),
    ("QUANTIZE", (XF,), {"out": X8_PER_CHANNEL}, 3),
    ("QUANTIZE", (X8_PER_CHANNEL,), {"out": X8}, 3),
    ("QUANTIZE", (X8,), {"out": activation(1, 4, 4, 8, dtype="int4")}, 4),
    ("DEQUANTIZE", (X16,), {"out": XF}, 3),
    ("DEQUANTIZE", (of("float16"),), {"out": XF}, 3),
    ("DEQUANTIZE", (X8_PER_CHANNEL,), {"out": XF}, 5),
    ("DEQUANTIZE", (activation(1, 4, 4, 8, dtype="int4"),), {"out": XF}, 6),
]


@pytest.mark.parametrize(("opcode", "inputs", "options", "expected"), BY_TENSORFLOW)
def test_versions_are_those_of_tensorflows_rules(opcode, inputs, options, expected):
    options = dict(options) if options is not None else None
    out = options.pop("out") if options and "out" in options else next(x for x in inputs if isinstance(x, tuple))
    if opcode in ("SPLIT", "TRANSPOSE_CONV"):
        out = inputs[-1]
    content = one_op(opcode, *inputs, out=out, options=options or None, version=99)
    assert minimal_versions(read_graph(content)) == (expected,)


#: op → version for float32, int8, uint8 and int16 data, by the same rules.
BY_DTYPE = {
    "ABS": (1, 2, 2, 3),
    "ARG_MAX": (1, 2, 1, 1),
    "ARG_MIN": (1, 2, 1, 1),
    "AVERAGE_POOL_2D": (1, 2, 1, 3),
    "CONCATENATION": (1, 2, 1, 3),
    "DEPTH_TO_SPACE": (1, 2, 1, 1),
    "EQUAL": (1, 2, 1, 4),
    "EXP": (1, 2, 1, 2),
    "EXPAND_DIMS": (1, 1, 1, 1),
    "GREATER": (1, 2, 1, 1),
    "GREATER_EQUAL": (1, 2, 1, 3),
    "HARD_SWISH": (1, 1, 1, 1),
    "L2_NORMALIZATION": (1, 2, 1, 1),
    "LEAKY_RELU": (1, 1, 1, 2),
    "LESS": (1, 2, 1, 3),
    "LESS_EQUAL": (1, 2, 1, 1),
    "LOG": (1, 2, 1, 2),
    "LOGISTIC": (1, 2, 1, 3),
    "LOG_SOFTMAX": (1, 2, 1, 1),
    "MAX_POOL_2D": (1, 2, 1, 3),
    "MEAN": (1, 2, 1, 3),
    "MIRROR_PAD": (1, 2, 1, 3),
    "PACK": (1, 2, 1, 3),
    "PRELU": (1, 1, 1, 1),
    "REDUCE_MAX": (1, 2, 1, 3),
    "REDUCE_MIN": (1, 2, 1, 3),
    "REDUCE_PROD": (1, 2, 1, 2),
    "RELU": (1, 2, 2, 3),
    "RELU6": (1, 2, 1, 3),
    "RELU_N1_TO_1": (1, 1, 1, 1),
    "RESHAPE": (1, 1, 1, 1),
    "RSQRT": (1, 2, 1, 3),
    "SOFTMAX": (1, 2, 1, 3),
    "SPACE_TO_DEPTH": (1, 2, 1, 1),
    "SPLIT_V": (1, 2, 1, 1),
    "SQRT": (1, 2, 1, 2),
    "SQUARED_DIFFERENCE": (1, 2, 1, 1),
    "SQUEEZE": (1, 1, 1, 1),
    "SUM": (1, 2, 1, 1),
    "TANH": (1, 2, 1, 3),
    "TILE": (1, 3, 1, 1),
    "UNPACK": (1, 2, 2, 4),
}


@pytest.mark.parametrize("opcode", BY_DTYPE)
def test_an_ops_version_follows_the_type_of_its_data(opcode):
    data = (XF, X8, XU8, X16)
    found = [minimal_versions(read_graph(one_op(opcode, x, SIZE, version=99)))[0] for x in data]
    assert tuple(found) == BY_DTYPE[opcode]


@pytest.mark.parametrize(
    ("opcode", "dtype", "expected"),
    [
        ("ARG_MAX", "bool", 3),
        ("ARG_MIN", "bool", 3),
        ("CONCATENATION", "uint32", 4),
        ("CONCATENATION", "int4", 5),
        ("EQUAL", "string", 3),
        ("NOT_EQUAL", "int8", 2),
        ("NOT_EQUAL", "string", 3),
        ("PACK", "uint32", 4),
        ("SQUEEZE", "string", 2),
        ("TILE", "string", 2),
        ("UNPACK", "bool", 3),
    ],
)
def test_rare_types_have_versions_of_their_own(opcode, dtype, expected):
    assert minimal_versions(read_graph(one_op(opcode, of(dtype), SIZE, version=99))) == (expected,)


@pytest.mark.parametrize(("data", "expected"), [(XF, 1), (X8, 2), (XU8, 1), (of("int32"), 3), (X16, 4)])
def test_split_reads_its_data_behind_its_axis(data, expected):
    content = one_op("SPLIT", np.array(3, np.int32), data, out=data, version=99)
    assert minimal_versions(read_graph(content)) == (expected,)


@pytest.mark.parametrize(("output_scale", "expected"), [(0.5, 2), (0.25, 3), (0.24, 3), (0.26, 2)])
@pytest.mark.parametrize(("dtype", "unscaled"), [("int8", 2), ("uint8", 1)])
def test_a_product_that_is_scaled_up_needs_version_3(output_scale, expected, dtype, unscaled):
    x = activation(1, 4, 4, 8, dtype=dtype)
    content = one_op("MUL", x, x, out=((1, 4, 4, 8), dtype, (output_scale, 0)))
    assert versions_of(lowered(content)) == (expected if expected == 3 else unscaled,)


def test_everything_but_the_versions_stays():
    content = colour_classifier("int8")
    changed = lowered(_with_version(content, 1))
    before, after = read_graph(content), read_graph(changed)
    assert versions_of(changed) == (2, 2)
    assert (before.tensors, before.inputs, before.outputs) == (after.tensors, after.inputs, after.outputs)
    assert [op.options for op in before.ops] == [op.options for op in after.ops]
    assert lowered(_with_version(content, 1)) == changed


def _with_version(content, version):
    from edgekit.tflite.tree import pack, unpack

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
    assert versions_of(lowered(graph.finish([quantized, plain]))) == (2, 1)


def test_appended_label_files_are_kept():
    buffer = io.BytesIO(_with_version(colour_classifier("int8"), 1))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("labels.txt", "red\ngreen\nblue\n")
    changed = lowered(buffer.getvalue())
    assert versions_of(changed) == (2, 2)
    assert zipfile.ZipFile(io.BytesIO(changed)).read("labels.txt") == b"red\ngreen\nblue\n"
    assert lowered(buffer.getvalue()) == changed


def test_per_channel_dense_layers_are_refused():
    weights = (np.ones((8, 8), np.int8), ([0.5] * 8, [0] * 8, 0))
    with pytest.raises(UnsupportedModelError, match=r"op 0: FULLY_CONNECTED .*per channel") as caught:
        lowered(one_op("FULLY_CONNECTED", X8, weights, B))
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
        assert versions_of(lowered(content, compiler_version=release)) == minimal_versions(read_graph(content))
    else:
        with pytest.raises(UnsupportedModelError, match=rf"{release} cannot read op 0: {opcode} ") as caught:
            lowered(content, compiler_version=release)
        assert caught.value.hint


#: compiler → the TensorFlow release that it is nearest to.
NEAREST = {"2.1": (2, 1), "14.1": (2, 3), "15.0": (2, 4), "16.0": (2, 7)}
#: Where a compiler lies between two releases, a version was registered before TensorFlow's table dates it, or users
#: saw it refused: (op, compiler) → the highest version.
BETWEEN_RELEASES = {
    ("ADD", "15.0"): 4,
    ("ARG_MAX", "16.0"): 3,
    ("ARG_MIN", "16.0"): 3,
    ("DEPTHWISE_CONV_2D", "14.1"): 5,
    ("DEQUANTIZE", "2.1"): 4,
    ("FULLY_CONNECTED", "14.1"): 8,
    ("MIRROR_PAD", "2.1"): 2,
    ("QUANTIZE", "16.0"): 2,
    ("TILE", "16.0"): 3,
    ("TRANSPOSE_CONV", "2.1"): 2,
    ("UNPACK", "2.1"): 3,
}


def runtime_versions():
    """op → the first TensorFlow release of each of its versions, as TensorFlow's runtime_version.cc dates them."""
    with open(Path(__file__).with_name("runtime_versions.csv"), encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    return {op: [tuple(map(int, release.split("."))) for release in releases.split()] for op, releases in rows}


@pytest.mark.parametrize(("opcode", "first_releases"), runtime_versions().items())
@pytest.mark.parametrize("compiler", COMPILERS)
def test_a_compiler_knows_the_versions_of_the_tensorflow_that_it_was_built_with(opcode, first_releases, compiler):
    dated = sum(release <= NEAREST[compiler] for release in first_releases)
    newest = BETWEEN_RELEASES.get((opcode, compiler), dated)
    graph = read_graph(one_op(opcode, X8))
    assert [refusal(graph, graph.ops[0], version, compiler) for version in range(1, newest + 1)] == [None] * newest
    assert f"needs version {newest + 1} " in refusal(graph, graph.ops[0], newest + 1, compiler)[0]


@pytest.mark.parametrize(
    ("opcode", "knows"),
    [
        ("DENSIFY", ("2.1", "14.1", "15.0", "16.0")),  # TensorFlow 2.2, from 2.1 on in its schema
        ("SEGMENT_SUM", ("14.1", "15.0", "16.0")),  # 2.2
        ("BATCH_MATMUL", ("14.1", "15.0", "16.0")),  # 2.3
        ("CUMSUM", ("15.0", "16.0")),  # 2.4
        ("CALL_ONCE", ("16.0",)),  # 2.5
        ("VAR_HANDLE", ("16.0",)),  # 2.6
        ("READ_VARIABLE", ()),  # 2.6, but later than VAR_HANDLE
    ],
)
@pytest.mark.parametrize("compiler", COMPILERS)
def test_a_compiler_knows_the_ops_of_its_schema(opcode, knows, compiler):
    graph = read_graph(one_op(opcode, X8))
    refused = refusal(graph, graph.ops[0], 1, compiler)
    assert refused is None if compiler in knows else "newer than this compiler" in refused[0]


def test_a_version_is_refused_with_what_to_do_about_it():
    graph = read_graph(one_op("CONV_2D", X8, W, B))
    assert "grouped convolution" in refusal(graph, graph.ops[0], 6, "16.0")[1]
    assert refusal(graph, graph.ops[0], 5, "16.0") is None


def test_without_a_compiler_nothing_is_refused():
    assert versions_of(lowered(one_op("EXP", X8), compiler_version=None)) == (2,)


def test_ops_without_a_rule_keep_their_version():
    assert versions_of(lowered(one_op("CUSTOM:Mine", X8, version=7))) == (7,)


@pytest.mark.parametrize("release", ["16", "16.0.384591198"])
def test_a_release_is_known_by_its_major_number(release):
    with pytest.raises(UnsupportedModelError):
        lowered(one_op("EXP", X8), compiler_version=release)


@pytest.mark.parametrize("release", ["", "17.0", "latest"])
def test_unknown_releases_are_a_usage_error(release):
    with pytest.raises(UsageError, match="Nothing is known"):
        lowered(one_op("EXP", X8), compiler_version=release)


@pytest.mark.parametrize("content", [b"", b"\0" * 100, colour_classifier()[:200]])
def test_damaged_files_are_refused(content):
    with pytest.raises(ModelFormatError):
        lowered(content)


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
    assert versions_of(lowered(_with_version(content, 1), compiler_version=None)) == versions_of(content)


def test_a_dense_layer_with_sparse_weights_needs_version_8_and_is_no_constant_array():
    graph = read_graph(sparse_classifier())
    dense = next(op for op in graph.ops if op.opcode == "FULLY_CONNECTED")
    assert minimal_versions(graph)[dense.index] == 8
    with pytest.raises(UnsupportedModelError, match="stored sparse"):
        constant(graph, graph.tensors[dense.inputs[1]])
