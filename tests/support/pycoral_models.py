"""Tiny models of the kinds that pycoral's adapters and its training know."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgekit.pycoral.adapters import classify, common
from edgekit.pycoral.utils.edgetpu import make_interpreter
from tests.support.build import GraphBuilder

MIDDLE = {"int8": 0, "uint8": 128}
LOWEST = {"int8": -128, "uint8": 0}


def _quantized(values, scale, zero, dtype):
    limits = np.iinfo(dtype)
    return np.clip(np.rint(np.asarray(values) / scale) + zero, limits.min, limits.max).astype(dtype)


def classifier(dtype="int8", *, kernel="FULLY_CONNECTED", classes=4, size=4):
    """Mean colour → last layer → softmax: what `ImprintingEngine` takes of any classifier. Weights are random."""
    graph = GraphBuilder()
    quantized = dtype != "float32"
    weights = np.random.default_rng(1).normal(size=(classes, 3)).astype(np.float32)
    pixel = (1 / 255, LOWEST[dtype]) if quantized else None
    x = graph.input((1, size, size, 3), dtype, quant=pixel)
    axes = graph.constant(np.array([1, 2], np.int32))
    convolution = kernel == "CONV_2D"
    shape = (1, 1, 1, 3) if convolution else (1, 3)
    y = graph.op("MEAN", [x, axes], shape, dtype, quant=pixel, options={"keepDims": convolution}, version=2)
    if quantized:
        scale = float(np.abs(weights).max() / 127)
        w = graph.constant(
            _quantized(weights, scale, MIDDLE[dtype], dtype).reshape((classes, *shape[1:])),
            quant=(scale, MIDDLE[dtype]),
        )
        b = graph.constant(np.zeros(classes, np.int32), quant=(scale / 255, 0))
    else:
        w, b = graph.constant(weights.reshape((classes, *shape[1:]))), graph.constant(np.zeros(classes, np.float32))
    logits = (8 / 128, MIDDLE[dtype]) if quantized else None
    options = {"padding": 1, "strideW": 1, "strideH": 1} if convolution else {}
    y = graph.op(kernel, [y, w, b], (*shape[:-1], classes), dtype, quant=logits, options=options, version=3)
    if convolution:
        y = graph.op("SQUEEZE", [y], (1, classes), dtype, quant=logits, options={"squeezeDims": [1, 2]})
    scores = (1 / 256, LOWEST[dtype]) if quantized else None
    y = graph.op("SOFTMAX", [y], (1, classes), dtype, quant=scores, options={"beta": 1.0}, version=2)
    return graph.finish([y])


def imprinting_model(classes=3, *, factor=16.0, size=4):
    """As Coral publishes them, uint8: L2_NORMALIZATION, CONV_2D, MUL, RESHAPE, SOFTMAX at the end."""
    graph = GraphBuilder(description="")
    x = graph.input((1, size, size, 3), "uint8", quant=(1 / 255, 0))
    axes = graph.constant(np.array([1, 2], np.int32))
    y = graph.op("MEAN", [x, axes], (1, 1, 1, 3), "uint8", quant=(1 / 255, 0), options={"keepDims": True}, version=2)
    y = graph.op("L2_NORMALIZATION", [y], (1, 1, 1, 3), "uint8", quant=(1 / 128, 128), options=None)
    unit = np.eye(classes, 3) * 0.9 + 0.05
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    w = graph.constant(_quantized(unit, 1 / 100, 120, "uint8").reshape(classes, 1, 1, 3), quant=(1 / 100, 120))
    b = graph.constant(np.zeros(classes, np.int32), quant=(1 / 12800, 0))
    options = {"padding": 1, "strideW": 1, "strideH": 1}
    y = graph.op("CONV_2D", [y, w, b], (1, 1, 1, classes), "uint8", quant=(1 / 128, 128), options=options)
    s = graph.constant(np.array([255], np.uint8), quant=(factor / 255, 0))
    y = graph.op("MUL", [y, s], (1, 1, 1, classes), "uint8", quant=(factor / 128, 128), options={})
    sizes = graph.constant(np.array([1, classes], np.int32))
    y = graph.op("RESHAPE", [y, sizes], (1, classes), "uint8", quant=(factor / 128, 128), options={})
    y = graph.op("SOFTMAX", [y], (1, classes), "uint8", quant=(1 / 256, 0), options={"beta": 1.0})
    return graph.finish([y])


BOXES = np.array([[0.1, 0.2, 0.5, 0.6], [0.0, 0.0, 1.0, 1.0], [0.3, 0.3, 0.4, 0.4]], np.float32)  # y, x, y, x
IDS = np.array([7, 3, 0], np.float32)
SCORES = np.array([0.9, 0.5, 0.0], np.float32)
#: The third object is padding: the detector says that it found two.
COUNT = np.array([2], np.float32)


def detector(order="tf1"):
    """Answers for a black image (height 10, width 20) with BOXES, IDS and SCORES; orders: tf1, tf2, signature."""
    graph = GraphBuilder()
    x = graph.input((1, 10, 20, 3))
    axes = graph.constant(np.array([0, 1, 2, 3], np.int32))
    zero = graph.op("MEAN", [x, axes], (), options={"keepDims": False})
    found = {
        name: graph.op("ADD", [graph.constant(values), zero], values.shape, options={}, name=name)
        for name, values in (("boxes", BOXES[None]), ("ids", IDS[None]), ("scores", SCORES[None]), ("count", COUNT))
    }
    orders = {
        "tf1": ("boxes", "ids", "scores", "count"),
        "tf2": ("scores", "boxes", "count", "ids"),
        "signature": ("ids", "count", "boxes", "scores"),
    }
    if order == "signature":
        graph.model.signatureDefs = [
            _signature(x, {f"output_{i}": found[name] for i, name in enumerate(("count", "scores", "ids", "boxes"))})
        ]
    return graph.finish([found[name] for name in orders[order]])


def _signature(input_, outputs):
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = "serving_default", 0
    signature.inputs = [_named("input", input_)]
    signature.outputs = [_named(name, index) for name, index in outputs.items()]
    return signature


def _named(name, index):
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name, index
    return entry


def segments():
    """A model in two pieces: x → double = 2x; then (x, double) → total = 3x. And the whole of it."""
    first, second, whole = GraphBuilder(), GraphBuilder(), GraphBuilder()
    x = first.input((1, 4), name="x")
    double = first.op("ADD", [x, x], (1, 4), options={}, name="double")
    a, b = second.input((1, 4), name="double"), second.input((1, 4), name="x")
    total = second.op("ADD", [a, b], (1, 4), options={}, name="total")
    y = whole.input((1, 4), name="x")
    z = whole.op("ADD", [y, y], (1, 4), options={}, name="double")
    return (
        first.finish([double]),
        second.finish([total]),
        whole.finish([whole.op("ADD", [z, y], (1, 4), options={}, name="total")]),
    )


#: A pixel of each class that the tests train.
COLOURS = np.array([[200, 40, 30], [30, 220, 60], [20, 40, 180]])


def written(tmp_path, content, name="model.tflite"):
    """Writes a model and returns its path."""
    (tmp_path / name).write_bytes(content)
    return str(tmp_path / name)


def scores(content, colour):
    """What a model answers to an image of one colour, as real numbers."""
    interpreter = make_interpreter(content)
    interpreter.allocate_tensors()
    dtype = np.dtype(common.input_details(interpreter, "dtype"))
    pixels = np.broadcast_to(colour, (4, 4, 3)) - (128 if dtype == np.int8 else 0)
    common.set_input(interpreter, pixels / 255 if dtype == np.float32 else pixels)
    interpreter.invoke()
    return classify.get_scores(interpreter)
