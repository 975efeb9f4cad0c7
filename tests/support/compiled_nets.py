"""An int8 network of two convolutions, and the same as the Edge TPU's compiler would lay its parameters out."""

import numpy as np

from tests.support import recordings
from tests.support.build import GraphBuilder

#: Scales: of the input, of what is between the layers, of the output.
SCALES = (0.5, 0.25, 0.125)
DEPTHWISE_SCALES = [0.01, 0.02, 0.03, 0.04]
DENSE_SCALES = [0.001 * (channel + 1) for channel in range(8)]


def numbers(seed=0):
    """Weights and biases of both layers."""
    rng = np.random.default_rng(seed)
    return {
        "depthwise": rng.integers(-127, 128, (1, 3, 3, 4), np.int8),
        "depthwise_bias": rng.integers(-999, 999, 4).astype(np.int32),
        "dense": rng.integers(-127, 128, (8, 1, 1, 4), np.int8),
        "dense_bias": rng.integers(-999, 999, 8).astype(np.int32),
    }


def network(values):
    """A 3×3 depthwise convolution over 6×6 pixels of 4 channels, then a 1×1 convolution to 8."""
    graph = GraphBuilder()
    strides = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
    x = graph.input((1, 6, 6, 4), "int8", quant=(SCALES[0], 0), name="image")
    weights = graph.constant(values["depthwise"], quant=(DEPTHWISE_SCALES, [0] * 4, 3))
    middle = graph.op(
        "DEPTHWISE_CONV_2D",
        [x, weights, graph.constant(values["depthwise_bias"])],
        (1, 6, 6, 4),
        "int8",
        quant=(SCALES[1], 0),
        options={**strides, "depthMultiplier": 1},
        name="middle",
    )
    weights = graph.constant(values["dense"], quant=(DENSE_SCALES, [0] * 8, 0))
    end = graph.op(
        "CONV_2D",
        [middle, weights, graph.constant(values["dense_bias"])],
        (1, 6, 6, 8),
        "int8",
        quant=(SCALES[2], 0),
        options=strides,
        name="end",
    )
    return graph.finish([end])


def parameters(values):
    """The parameters of `network` byte by byte, as they lie in real compiled files."""
    depthwise = _multipliers(DEPTHWISE_SCALES, SCALES[:2]).tobytes() + values["depthwise_bias"].tobytes()
    depthwise += np.full(4, 128, np.int32).tobytes()
    for tap in values["depthwise"].reshape(9, 4):
        matrix = np.full((4, 4), 0x80, np.uint8)
        matrix[range(4), range(4)] = tap.view(np.uint8) ^ 0x80
        depthwise += matrix.tobytes()
    rows = [_multipliers(DENSE_SCALES, SCALES[1:]), values["dense_bias"], np.full(8, 128, np.int32)]
    rows.append(values["dense"].view(np.uint8) ^ 0x80)
    return _filled(depthwise) + b"".join(_filled(row.tobytes()) for row in rows)


def compiled(content, *, streamed=b""):
    """A compiled file of `network` around these parameter bytes."""
    graph = GraphBuilder()
    x = graph.input((1, 6, 6, 4), "int8", quant=(SCALES[0], 0), name="image")
    end = graph.tensor((1, 6, 6, 8), "int8", quant=(SCALES[2], 0), name="end")
    package = recordings.package(
        recordings.executable(recordings.EXECUTION_ONLY, parameters=streamed),
        recordings.executable(recordings.PARAMETER_CACHING, parameters=content),
    )
    graph.raw_op("CUSTOM:edgetpu-custom-op", [x], [end], options=recordings.custom_options(package))
    return graph.finish([end])


def _multipliers(scales, ends):
    return np.float32(ends[0]) * np.array(scales, np.float32) * (np.float32(1) / np.float32(ends[1]))


def _filled(content):
    return content + bytes(-len(content) % 64)
