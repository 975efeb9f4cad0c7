"""A sound classifier around each of many ops: float image in, (1, N) float scores out, as a `.tflite`'s bytes.

    every_op()["SPLIT"]

They are what damage is done to, and what no check may refuse.
"""

from functools import lru_cache

import numpy as np
from flatbuffers import flexbuffers

from tests.support.build import GraphBuilder

IMAGE = (1, 8, 8, 3)
SHAPE = (1, 8, 8, 4)
_IMAGE = np.linspace(-1, 1, 256, dtype=np.float32).reshape(SHAPE)
_POOL = {"padding": 0, "strideW": 1, "strideH": 1, "filterWidth": 2, "filterHeight": 2}
_STEP = {"padding": 0, "strideW": 1, "strideH": 1, "dilationWFactor": 1, "dilationHFactor": 1}
_SLICE = {"beginMask": 0, "endMask": 0, "ellipsisMask": 0, "newAxisMask": 0, "shrinkAxisMask": 0}
_BLOCKS, _CROPS = np.array([2, 2], np.int32), np.zeros((2, 2), np.int32)


def _ints(*values):
    return np.array(values, np.int32)


# Ops of one input that keep its shape, with their options.
_KEEPING = {
    **{key: {} for key in "ABS COS EXP HARD_SWISH NEG SQUARE SIGN ZEROS_LIKE LOG_SOFTMAX".split()},
    **dict.fromkeys("CEIL ELU FLOOR ROUND SIN LOGISTIC RELU RELU6 RELU_N1_TO_1 TANH LOG SQRT RSQRT".split()),
    "GELU": {"approximate": False},
    "LEAKY_RELU": {"alpha": 0.1},
    "SOFTMAX": {"beta": 1.0},
    "L2_NORMALIZATION": {},
    "LOCAL_RESPONSE_NORMALIZATION": {"radius": 2, "bias": 1.0, "alpha": 1.0, "beta": 0.5},
}

# Ops of the image and a constant of its shape.
_BINARY = {
    **{key: {"fusedActivationFunction": 0} for key in "ADD SUB MUL DIV".split()},
    **{key: {} for key in "MAXIMUM MINIMUM".split()},
    **{key: {} for key in "POW FLOOR_DIV FLOOR_MOD SQUARED_DIFFERENCE".split()},
}

# op → (further inputs, shape of the output, options).
_ONE_OUTPUT = {
    "MAX_POOL_2D": ((), SHAPE, _POOL),
    "AVERAGE_POOL_2D": ((), SHAPE, _POOL),
    "L2_POOL_2D": ((), SHAPE, _POOL),
    "CONV_2D": ((np.ones((2, 3, 3, 4), np.float32), np.zeros(2, np.float32)), (1, 8, 8, 2), _STEP),
    "DEPTHWISE_CONV_2D": (
        (np.ones((1, 3, 3, 4), np.float32), np.zeros(4, np.float32)),
        SHAPE,
        {**_STEP, "depthMultiplier": 1},
    ),
    "FULLY_CONNECTED": ((np.ones((2, 256), np.float32), np.zeros(2, np.float32)), (1, 2), {}),
    "RESHAPE": ((_ints(1, 16, 16),), (1, 16, 16), {"newShape": [1, 16, 16]}),
    "SQUEEZE": ((), (8, 8, 4), {"squeezeDims": [0]}),
    "EXPAND_DIMS": ((_ints(1),), (1, 1, 8, 8, 4), {}),
    "TRANSPOSE": ((_ints(0, 2, 1, 3),), SHAPE, {}),
    "SLICE": ((_ints(0, 1, 1, 0), _ints(1, 4, 4, 4)), (1, 4, 4, 4), {}),
    "STRIDED_SLICE": ((_ints(0, 1, 1, 0), _ints(1, 5, 5, 4), _ints(1, 1, 1, 1)), (1, 4, 4, 4), _SLICE),
    "PAD": ((np.pad(np.ones((2, 2), np.int32), ((1, 1), (0, 0))),), (1, 10, 10, 4), {}),
    "MIRROR_PAD": ((np.pad(np.ones((2, 2), np.int32), ((1, 1), (0, 0))),), (1, 10, 10, 4), {"mode": 0}),
    "TILE": ((_ints(1, 2, 1, 1),), (1, 16, 8, 4), {}),
    "BROADCAST_TO": ((_ints(2, 8, 8, 4),), (2, 8, 8, 4), {}),
    "REVERSE_V2": ((_ints(1),), SHAPE, {}),
    "GATHER": ((_ints(0, 2),), (1, 2, 8, 4), {"axis": 1, "batchDims": 0}),
    "GATHER_ND": ((np.zeros((2, 2), np.int32),), (2, 8, 4), {}),
    "SPACE_TO_DEPTH": ((), (1, 4, 4, 16), {"blockSize": 2}),
    "DEPTH_TO_SPACE": ((), (1, 16, 16, 1), {"blockSize": 2}),
    "SPACE_TO_BATCH_ND": ((_BLOCKS, _CROPS), (4, 4, 4, 4), {}),
    "RESIZE_BILINEAR": ((_ints(4, 4),), (1, 4, 4, 4), {"alignCorners": False}),
    "RESIZE_NEAREST_NEIGHBOR": ((_ints(4, 4),), (1, 4, 4, 4), {"alignCorners": False}),
    **{name: ((_ints(1, 2),), (1, 4), {"keepDims": False}) for name in ("SUM", "MEAN", "REDUCE_MAX", "REDUCE_MIN")},
    "REDUCE_PROD": ((_ints(1, 2),), (1, 4), {"keepDims": False}),
    "CUMSUM": ((_ints(3),), SHAPE, {}),
    "PRELU": ((np.full((1, 1, 4), 0.1, np.float32),), SHAPE, None),
    "CONCATENATION": ((_IMAGE,), (1, 8, 8, 8), {"axis": 3}),
    "PACK": ((_IMAGE,), (2, 1, 8, 8, 4), {"valuesCount": 2, "axis": 0}),
    "BATCH_MATMUL": ((np.ones((1, 8, 4, 2), np.float32),), (1, 8, 8, 2), {}),
    "ADD_N": ((_IMAGE,), SHAPE, {}),
}


@lru_cache(maxsize=None)
def every_op():
    """op (or «op, what is particular») → a sound model's bytes."""
    found = {name: _chain(name, (), SHAPE, options) for name, options in _KEEPING.items()}
    found.update((name, _chain(name, (_IMAGE + 2,), SHAPE, options)) for name, options in _BINARY.items())
    found.update((name, _chain(name, *row)) for name, row in _ONE_OUTPUT.items())
    for make in (_split, _split_v, _unpack, _top_k, _compare, _select, _fill, _range, _arg_max, _one_hot, _cast):
        found.update(make())
    for make in (_transpose_conv, _detection, _branches, _quantized, _batches, _scatter, _suppression, _lookup):
        found.update(make())
    return found


def _chain(name, further, shape, options):
    graph, x = _started()
    inputs = [x, *(graph.constant(value) for value in further)]
    return _scores(graph, graph.op(name, inputs, shape, options=options, version=_version(name)), shape)


def _version(name):
    return 2 if name in ("BATCH_MATMUL", "BROADCAST_TO", "RESIZE_BILINEAR") else 1


def _scores(graph, tensor, shape, dtype="float32"):
    """Flattened, as float32."""
    if dtype != "float32":
        codes = {"int32": 2, "int64": 4, "bool": 6}
        tensor = graph.op("CAST", [tensor], shape, options={"inDataType": codes[dtype], "outDataType": 0})
    flat = (1, int(np.prod(shape)))
    return graph.finish([graph.op("RESHAPE", [tensor, graph.constant(_ints(*flat))], flat, options=None)])


def _started():
    """A graph whose 1x1 convolution has made four channels of an image's three."""
    graph = GraphBuilder()
    inputs = [graph.input(IMAGE), graph.constant(np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 1, 1, 3))]
    inputs.append(graph.constant(np.zeros(4, np.float32)))
    return graph, graph.op("CONV_2D", inputs, SHAPE, options=_STEP)


def _split():
    graph, x = _started()
    parts = [graph.tensor((1, 8, 8, 2)) for _ in range(2)]
    graph.raw_op("SPLIT", [graph.constant(np.array(3, np.int32)), x], parts, options={"numSplits": 2})
    return {"SPLIT": _scores(graph, parts[1], (1, 8, 8, 2))}


def _split_v():
    graph, x = _started()
    parts = [graph.tensor((1, 8, 8, 1)), graph.tensor((1, 8, 8, 3))]
    sizes, axis = graph.constant(_ints(1, 3)), graph.constant(np.array(3, np.int32))
    graph.raw_op("SPLIT_V", [x, sizes, axis], parts, options={"numSplits": 2})
    return {"SPLIT_V": _scores(graph, parts[1], (1, 8, 8, 3))}


def _unpack():
    graph, x = _started()
    parts = [graph.tensor((1, 8, 8)) for _ in range(4)]
    graph.raw_op("UNPACK", [x], parts, options={"num": 4, "axis": 3})
    return {"UNPACK": _scores(graph, parts[2], (1, 8, 8))}


def _top_k():
    graph, x = _started()
    values, places = graph.tensor((1, 8, 8, 2)), graph.tensor((1, 8, 8, 2), "int32")
    graph.raw_op("TOPK_V2", [x, graph.constant(np.array(2, np.int32))], [values, places], options={})
    return {"TOPK_V2": _scores(graph, values, (1, 8, 8, 2))}


def _compare():
    found = {}
    for name in ("GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "EQUAL", "NOT_EQUAL"):
        graph, x = _started()
        y = graph.op(name, [x, graph.constant(_IMAGE)], SHAPE, "bool", options={})
        found[name] = _scores(graph, y, SHAPE, "bool")
    return found


def _select():
    found = {}
    for name in ("SELECT", "SELECT_V2"):
        graph, x = _started()
        chosen = graph.op("GREATER", [x, graph.constant(_IMAGE)], SHAPE, "bool", options={})
        found[name] = _scores(graph, graph.op(name, [chosen, x, graph.constant(_IMAGE)], SHAPE, options={}), SHAPE)
    return found


def _fill():
    graph, x = _started()
    filled = graph.op("FILL", [graph.constant(_ints(*SHAPE)), graph.constant(np.float32(1))], SHAPE, options={})
    return {"FILL": _scores(graph, graph.op("ADD", [x, filled], SHAPE, options={}), SHAPE)}


def _range():
    graph, x = _started()
    ends = [graph.constant(np.float32(value)) for value in (0, 4, 1)]
    return {
        "RANGE": _scores(
            graph, graph.op("ADD", [x, graph.op("RANGE", ends, (4,), options={})], SHAPE, options={}), SHAPE
        )
    }


def _arg_max():
    found = {}
    for name in ("ARG_MAX", "ARG_MIN"):
        graph, x = _started()
        y = graph.op(name, [x, graph.constant(_ints(3))], (1, 8, 8), "int32", options={"outputType": 2})
        found[name] = _scores(graph, y, (1, 8, 8), "int32")
    return found


def _one_hot():
    graph, x = _started()
    places = graph.op("ARG_MAX", [x, graph.constant(_ints(3))], (1, 8, 8), "int32", options={"outputType": 2})
    further = [graph.constant(np.array(4, np.int32)), graph.constant(np.float32(1)), graph.constant(np.float32(0))]
    return {"ONE_HOT": _scores(graph, graph.op("ONE_HOT", [places, *further], SHAPE, options={"axis": 3}), SHAPE)}


def _cast():
    graph, x = _started()
    y = graph.op("CAST", [x], SHAPE, "int32", options={"inDataType": 0, "outDataType": 2})
    return {"CAST": _scores(graph, y, SHAPE, "int32")}


def _transpose_conv():
    graph, x = _started()
    size, weights = graph.constant(_ints(1, 16, 16, 2)), graph.constant(np.ones((2, 2, 2, 4), np.float32))
    options = {"padding": 0, "strideW": 2, "strideH": 2}
    return {
        "TRANSPOSE_CONV": _scores(
            graph, graph.op("TRANSPOSE_CONV", [size, weights, x], (1, 16, 16, 2), options=options), (1, 16, 16, 2)
        )
    }


def _detection():
    """Boxes from the image's 64 places; what the op is told stands in a FlexBuffer."""
    graph, x = _started()
    boxes = graph.op("RESHAPE", [x, graph.constant(_ints(1, 64, 4))], (1, 64, 4), options=None)
    scores = graph.constant(np.linspace(0, 1, 192, dtype=np.float32).reshape(1, 64, 3))
    anchors = graph.constant(np.full((64, 4), 0.5, np.float32))
    told = {"max_detections": 5, "max_classes_per_detection": 1, "detections_per_class": 5, "use_regular_nms": False}
    told.update(nms_score_threshold=0.1, nms_iou_threshold=0.5, num_classes=2)
    told.update(y_scale=10.0, x_scale=10.0, h_scale=5.0, w_scale=5.0)
    found = [graph.tensor((1, 5, 4)), *(graph.tensor((1, 5)) for _ in range(2)), graph.tensor((1,))]
    options = bytes(flexbuffers.Dumps(told))
    graph.raw_op("CUSTOM:TFLite_Detection_PostProcess", [boxes, scores, anchors], found, options=options)
    return {"TFLite_Detection_PostProcess": _scores(graph, found[2], (1, 5))}


def _branches():
    """IF and WHILE, whose branches are further graphs."""
    graph, x = _started()
    y = graph.op(
        "IF", [graph.constant(np.array([True])), x], SHAPE, options={"thenSubgraphIndex": 1, "elseSubgraphIndex": 1}
    )
    _branch(graph, "NEG", SHAPE, "float32")
    return {"IF": _scores(graph, y, SHAPE)}


def _branch(graph, name, shape, dtype):
    branch = GraphBuilder()
    y = branch.op(name, [branch.input(SHAPE)], shape, dtype, options={})
    branch.graph.outputs = [y]
    branch.graph.operators[0].opcodeIndex = graph._code(name, "", 1)
    graph.model.subgraphs.append(branch.graph)


def _quantized():
    """A convolution, an addition and a pool in int8, between QUANTIZE and DEQUANTIZE."""
    graph, x = _started()
    scale = (0.1, 0)
    q = graph.op("QUANTIZE", [x], SHAPE, "int8", quant=scale, options=None)
    weights = graph.constant(np.ones((4, 3, 3, 4), np.int8), quant=([0.1] * 4, [0] * 4, 0))
    bias = graph.constant(np.zeros(4, np.int32), quant=([0.01] * 4, [0] * 4, 0))
    y = graph.op("CONV_2D", [q, weights, bias], SHAPE, "int8", quant=scale, options=_STEP, version=3)
    y = graph.op("ADD", [y, q], SHAPE, "int8", quant=scale, options={}, version=2)
    y = graph.op("MAX_POOL_2D", [y], SHAPE, "int8", quant=scale, options=_POOL, version=2)
    return {"int8": _scores(graph, graph.op("DEQUANTIZE", [y], SHAPE, options=None, version=2), SHAPE)}


def _batches():
    graph, x = _started()
    batches = graph.op(
        "SPACE_TO_BATCH_ND", [x, graph.constant(_BLOCKS), graph.constant(_CROPS)], (4, 4, 4, 4), options={}
    )
    y = graph.op("BATCH_TO_SPACE_ND", [batches, graph.constant(_BLOCKS), graph.constant(_CROPS)], SHAPE, options={})
    return {"BATCH_TO_SPACE_ND": _scores(graph, y, SHAPE)}


def _scatter():
    graph, x = _started()
    places, size = graph.constant(np.array([[0]], np.int32)), graph.constant(_ints(*SHAPE))
    return {"SCATTER_ND": _scores(graph, graph.op("SCATTER_ND", [places, x, size], SHAPE, options={}), SHAPE)}


def _suppression():
    graph, x = _started()
    boxes = graph.op("RESHAPE", [x, graph.constant(_ints(64, 4))], (64, 4), options=None)
    further = [np.linspace(0, 1, 64, dtype=np.float32), np.array(5, np.int32), np.float32(0.5), np.float32(0.1)]
    chosen, count = graph.tensor((5,), "int32"), graph.tensor((), "int32")
    inputs = [boxes, *(graph.constant(value) for value in further)]
    graph.raw_op("NON_MAX_SUPPRESSION_V4", inputs, [chosen, count], options={})
    return {"NON_MAX_SUPPRESSION_V4": _scores(graph, chosen, (5,), "int32")}


def _lookup():
    graph, x = _started()
    places = graph.constant(_ints(0, 0))
    return {
        "EMBEDDING_LOOKUP": _scores(
            graph, graph.op("EMBEDDING_LOOKUP", [places, x], (2, 8, 8, 4), options=None), (2, 8, 8, 4)
        )
    }
