"""One small network in float and in int8, with few layers of known errors."""

import numpy as np

from edgekit.calibration import open_samples
from edgekit.devices.interpreter import open_interpreter
from edgekit.evaluation.verdict import feed
from edgekit.preprocess import InputSpec
from tests.support.build import GraphBuilder

SPEC = InputSpec(6, 6, mean=(0.0,) * 3, std=(255.0,) * 3)
IMAGES = np.random.default_rng(3).integers(0, 256, (5, 6, 6, 3)).astype(np.uint8)
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


def tensors_of(make, real=lambda values: values):
    """Each layer's output over all images, from models that end there: no inner tensor is exposed."""
    found = []
    for stop in (1, 2, 3, 4):
        interpreter = open_interpreter(make(stop=stop))
        rows = []
        for sample in open_samples(IMAGES, SPEC):
            feed(interpreter, sample.input(SPEC))
            detail = interpreter.get_output_details()[0]
            values = interpreter.get_tensor(detail["index"]).astype(np.float64)
            scale, zero = detail["quantization"]
            rows.append((values - zero) * scale if scale else values)
        found.append(np.stack(rows))
    return found


def ratio(signal, noise):
    return 10 * np.log10(np.square(signal).sum() / np.square(noise).sum())
