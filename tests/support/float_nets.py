"""Small float classifiers as `.tflite` bytes, made without TensorFlow, for the tests of conversion."""

import numpy as np

from tests.support.build import GraphBuilder

SIZE = 16
COLOURS = {"blue": (20, 30, 220), "green": (10, 210, 40), "red": (230, 20, 10)}
STEP = {"padding": 0, "strideW": 1, "strideH": 1, "dilationWFactor": 1, "dilationHFactor": 1}


def colour_net(
    *, size=SIZE, dense=None, bias=None, conv=None, between=None, activation="SOFTMAX", seed=0, signature=None
):
    """A convolutional net on raw pixels that tells blue (0), green (1) and red (2) apart.

    Args:
      dense: weights (classes, 3) of the last layer in place of those that tell colours.
      bias: of the last layer, (classes,); zeros without.
      conv: weights (3, 3, 3, 3) of the first convolution in place of a blur with a little noise.
      between: an op of one input that is put before the mean.
      activation: the last op, or None for logits.
    """
    graph, random = GraphBuilder(), np.random.default_rng(seed)
    shape = (1, size, size, 3)
    x = graph.input(shape, name=f"image_{seed}", signature=signature)
    x = graph.op("MUL", [x, graph.constant(np.float32(1 / 255))], shape, options={})
    blur = np.eye(3)[:, None, None, :] / 9 + random.normal(0, 0.005, (3, 3, 3, 3))
    weights = graph.constant((blur if conv is None else np.asarray(conv)).astype(np.float32))
    zeros = graph.constant(np.zeros(3, np.float32))
    x = graph.op(
        "CONV_2D", [x, weights, zeros], shape, options={**STEP, "fusedActivationFunction": 1}, name=f"conv_{seed}"
    )
    if between is not None:
        x = graph.op(between, [x], shape)
    axes = graph.constant(np.array([1, 2], np.int32))
    x = graph.op("MEAN", [x, axes], (1, 3), options={"keepDims": False})
    matrix = 6 * np.eye(3)[::-1] if dense is None else np.asarray(dense)
    weights, classes = graph.constant(matrix.astype(np.float32)), len(matrix)
    last = graph.constant(np.zeros(classes, np.float32) if bias is None else np.asarray(bias, np.float32))
    options = {"fusedActivationFunction": 0, "weightsFormat": 0, "keepNumDims": False}
    x = graph.op("FULLY_CONNECTED", [x, weights, last], (1, classes), options=options, name="logits")
    if activation is not None:
        options = {"beta": 1.0} if activation == "SOFTMAX" else None
        x = graph.op(activation, [x], (1, classes), options=options, name="scores")
    graph.model.signatureDefs = []  # as converters write it
    return graph.finish([x])


def nearest_colour(colours):
    """A net on raw pixels that names the nearest of some colours, by its index."""
    blur = np.broadcast_to(np.eye(3)[:, None, None, :] / 9, (3, 3, 3, 3))
    # The blur sees black beyond the image's edges.
    seen = np.array(colours) / 255 * ((SIZE * 3 - 2) / (SIZE * 3)) ** 2
    return colour_net(dense=60 * seen, bias=-30 * np.square(seen).sum(axis=1), conv=blur)


def save_images(folder, *, each=20, size=SIZE, seed=3):
    """Noisy images of the three colours, in a folder per colour; 3 × `each` of them."""
    from PIL import Image

    random = np.random.default_rng(seed)
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for index in range(each):
            pixels = np.clip(np.array(colour) + random.integers(-20, 20, (size, size, 3)), 0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{index:02}.png")
    return folder


def bottleneck_net(*, size=SIZE, classes=5, seed=0):
    """A float net on raw pixels with random weights: 6 maps, 4 of half the size, then 12 that are pooled."""
    graph, random = GraphBuilder(), np.random.default_rng(seed)
    x = graph.input((1, size, size, 3), name="image")
    x = graph.op("MUL", [x, graph.constant(np.float32(1 / 255))], (1, size, size, 3), options={}, name="scaled")
    for channels, side, stride in ((6, size, 1), (4, size // 2, 2), (12, size // 2, 1)):
        before = graph.graph.tensors[x].shape[-1]
        weights = random.normal(0, 1 / np.sqrt(9 * before), (channels, 3, 3, before)).astype(np.float32)
        inputs = [x, graph.constant(weights), graph.constant(np.full(channels, 0.1, np.float32))]
        options = {**STEP, "strideW": stride, "strideH": stride, "fusedActivationFunction": 1}
        x = graph.op("CONV_2D", inputs, (1, side, side, channels), options=options, name=f"conv{channels}")
    axes = graph.constant(np.array([1, 2], np.int32))
    x = graph.op("MEAN", [x, axes], (1, 12), options={"keepDims": False}, name="features")
    last = graph.constant(random.normal(0, 1, (classes, 12)).astype(np.float32))
    zeros, dense = graph.constant(np.zeros(classes, np.float32)), {"fusedActivationFunction": 0}
    x = graph.op("FULLY_CONNECTED", [x, last, zeros], (1, classes), options=dense, name="logits")
    return graph.finish([graph.op("SOFTMAX", [x], (1, classes), options={"beta": 1.0}, name="scores")])
