"""A net with swish and squeeze-and-excitation whose channels differ in size."""

import numpy as np

from edgekit.calibration import open_samples
from edgekit.devices.interpreter import open_interpreter
from edgekit.preprocess import InputSpec
from tests.support.build import GraphBuilder

SPEC = InputSpec(8, 8, std=(255.0,) * 3)


def images(count):
    """Images of noise, always the same."""
    return open_samples(np.random.default_rng(0).integers(0, 256, (count, 8, 8, 3), np.uint8), SPEC, count=count)


SAMPLES = images(6)
CONV = {"padding": 0, "strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
POOL = {"padding": 1, "strideH": 2, "strideW": 2, "filterHeight": 2, "filterWidth": 2, "fusedActivationFunction": 0}
NONE = {"fusedActivationFunction": 0}


class Net:
    """A stem of 4 channels of very different size with swish, squeeze-and-excitation, and a dense head."""

    def __init__(
        self, *, wide=False, gate="LOGISTIC", extra_reader=None, activation=0, parts=False, seed=1, behind=False
    ):
        random = np.random.default_rng(seed)
        self.graph = g = GraphBuilder()
        image = g.input((1, 8, 8, 3), name="image")
        size = 9 if wide else 3
        sizes = np.array([0.1, 1.0, 10.0, 30.0])[:, None, None, None]
        weights = g.constant((random.normal(size=(4, size, size, 3)) * sizes).astype(np.float32))
        bias = g.constant(np.array([0.1, -0.2, 3.0, -9.0], np.float32))
        options = {**CONV, "fusedActivationFunction": activation}
        x = g.op("CONV_2D", [image, weights, bias], (1, 8, 8, 4), options=options, name="x")
        sigmoid = g.op("LOGISTIC", [x], (1, 8, 8, 4), name="sigmoid")
        y = g.op("MUL", [sigmoid, x], (1, 8, 8, 4), options=NONE, name="y")
        axes = g.constant(np.array([1, 2], np.int32))
        read = g.op("AVERAGE_POOL_2D", [y], (1, 4, 4, 4), options=POOL, name="parts") if parts else y
        mean = g.op("MEAN", [read, axes], (1, 1, 1, 4), options={"keepDims": True}, name="mean")
        squeeze = g.constant(random.normal(size=(4, 1, 1, 4)).astype(np.float32) / 9)
        squeezed = g.op("CONV_2D", [mean, squeeze, bias], (1, 1, 1, 4), options=CONV, name="squeezed")
        gated = g.op(gate, [squeezed], (1, 1, 1, 4), name="gate")
        product = g.op("MUL", [y, gated], (1, 8, 8, 4), options=NONE, name="product")
        if behind:  # a convolution that reads the gated product
            kernel = g.constant(random.normal(size=(4, 1, 1, 4)).astype(np.float32))
            product = g.op("CONV_2D", [product, kernel, bias], (1, 8, 8, 4), options={**CONV, **NONE}, name="behind")
        pooled = g.op("MEAN", [product, axes], (1, 4), options={"keepDims": False}, name="pooled")
        dense = g.constant(random.normal(size=(5, 4)).astype(np.float32))
        outputs = [g.op("FULLY_CONNECTED", [pooled, dense, -1], (1, 5), options={"keepNumDims": False}, name="end")]
        if extra_reader:
            outputs.append(g.op(extra_reader, [y], (1, 8, 8, 4), name="extra"))
        g.model.signatureDefs = []
        self.content = g.finish(outputs)


def answers(content):
    interpreter = open_interpreter(content)
    results = []
    for sample in SAMPLES:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], sample.input(SPEC))
        interpreter.invoke()
        results.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    return np.concatenate(results)
