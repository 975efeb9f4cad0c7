"""One small convolution under heads of all kinds, and what each head makes of the convolution's output, in numpy."""

import numpy as np

from tests.support.build import GraphBuilder

SIZE, CHANNELS, CLASSES, HIDDEN = 8, 6, 3, 5
_CONV = {"padding": 0, "strideW": 1, "strideH": 1, "dilationWFactor": 1, "dilationHFactor": 1}
_DENSE = {"fusedActivationFunction": 0, "weightsFormat": 0, "keepNumDims": False}
_POOL = {"padding": 1, "strideW": 1, "strideH": 1, "filterWidth": SIZE, "filterHeight": SIZE}
_RANDOM = np.random.default_rng(7)
KERNEL = _RANDOM.normal(0, 0.4, (CHANNELS, 3, 3, 3)).astype(np.float32)
DENSE = _RANDOM.normal(0, 1, (CLASSES, CHANNELS)).astype(np.float32)
BIAS = _RANDOM.normal(0, 1, CLASSES).astype(np.float32)
PLACES = _RANDOM.normal(0, 0.3, (CLASSES, SIZE * SIZE * CHANNELS)).astype(np.float32)
INNER = _RANDOM.normal(0, 1, (HIDDEN, CHANNELS)).astype(np.float32)
OUTER = _RANDOM.normal(0, 1, (CLASSES, HIDDEN)).astype(np.float32)

#: Heads whose scores are sums over positions, and heads that are not.
SUMS = ("mean", "average pool", "mean, convolution", "flat", "convolution, mean")
OTHERS = ("two layers", "relu between")


def headed(kind):
    """A float model on 8×8 pixels divided by 255 beforehand, as `.tflite` bytes."""
    graph = GraphBuilder()
    x = graph.input((1, SIZE, SIZE, 3), name="image")
    x = _conv(graph, x, KERNEL, np.zeros(CHANNELS), 1, "features")
    scores = _HEADS[kind](graph, x)
    graph.model.signatureDefs = []
    return graph.finish([graph.op("SOFTMAX", [scores], (1, CLASSES), options={"beta": 1.0}, name="probabilities")])


def features(batch):
    """What the convolution computes, from its definition: (height, width, channels)."""
    padded = np.pad(batch[0].astype(np.float64), ((1, 1), (1, 1), (0, 0)))
    sums = np.zeros((SIZE, SIZE, CHANNELS))
    for y, x in np.ndindex(3, 3):
        sums += padded[y : y + SIZE, x : x + SIZE] @ KERNEL[:, y, x].T.astype(np.float64)
    return np.maximum(sums, 0)


def _mean(graph, x, keep=False):
    axes = graph.constant(np.array([1, 2], np.int32))
    channels = graph.graph.tensors[x].shape[-1]
    shape = (1, 1, 1, channels) if keep else (1, channels)
    return graph.op("MEAN", [x, axes], shape, options={"keepDims": keep}, name="pooled")


def _conv(graph, x, weights, bias, activation, name):
    inputs = [x, graph.constant(weights), graph.constant(np.asarray(bias, np.float32))]
    shape = (*graph.graph.tensors[x].shape[:3], len(weights))
    return graph.op("CONV_2D", inputs, shape, options={**_CONV, "fusedActivationFunction": activation}, name=name)


def _dense(graph, x, weights, bias, activation=0, name="scores"):
    inputs = [x, graph.constant(weights), graph.constant(np.asarray(bias, np.float32))]
    options = {**_DENSE, "fusedActivationFunction": activation}
    return graph.op("FULLY_CONNECTED", inputs, (1, len(weights)), options=options, name=name)


def _row(graph, x, count):
    return graph.op("RESHAPE", [x, graph.constant(np.array([1, count], np.int32))], (1, count), name="row")


def _average(graph, x):
    pooled = graph.op("AVERAGE_POOL_2D", [x], (1, 1, 1, CHANNELS), options=_POOL, name="pooled")
    return _dense(graph, _row(graph, pooled, CHANNELS), DENSE, BIAS)


def _mean_conv(graph, x):
    weights = DENSE.reshape(CLASSES, 1, 1, CHANNELS)
    return _row(graph, _conv(graph, _mean(graph, x, keep=True), weights, BIAS, 0, "scores"), CLASSES)


def _two_layers(activation):
    def head(graph, x):
        inner = _dense(graph, _mean(graph, x), INNER, np.zeros(HIDDEN), activation, "hidden")
        return _dense(graph, inner, OUTER, BIAS)

    return head


_HEADS = {
    "mean": lambda graph, x: _dense(graph, _mean(graph, x), DENSE, BIAS),
    "average pool": _average,
    "mean, convolution": _mean_conv,
    "flat": lambda graph, x: _dense(graph, _row(graph, x, SIZE * SIZE * CHANNELS), PLACES, BIAS),
    "convolution, mean": lambda graph, x: _mean(
        graph, _conv(graph, x, DENSE.reshape(CLASSES, 1, 1, CHANNELS), np.zeros(CLASSES), 0, "classes")
    ),
    "two layers": _two_layers(0),
    "relu between": _two_layers(1),
}


def expected_map(kind, batch, index):
    """The activation map by its formula: Σ over channels of feature × weight, of the mean's share at each position."""
    found, positions = features(batch), SIZE * SIZE
    if kind == "flat":
        return (found * PLACES[index].reshape(SIZE, SIZE, CHANNELS)).sum(axis=-1)
    if kind == "two layers":
        return found @ (OUTER[index] @ INNER) / positions
    if kind == "relu between":
        open_ = found.mean(axis=(0, 1)) @ INNER.T > 0
        return found @ ((OUTER[index] * open_) @ INNER) / positions
    return found @ DENSE[index] / positions
