"""Models and their compiled files, made by hand: what `edgetpu_compiler` would return for them."""

import numpy as np
from flatbuffers import flexbuffers

from edgekit.tflite.metadata import Metadata, write_metadata
from edgekit.tflite.reader import read_graph
from tests.support.build import GraphBuilder
from tests.support.recordings import custom_options, typical_package

PIXEL, PROBABILITY = (1 / 255, 0), (1 / 256, 0)
_FOUND = ((1, 5, 4), (1, 5), (1, 5), (1,))
POOL = {"padding": 1, "strideW": 2, "strideH": 2, "filterWidth": 2, "filterHeight": 2}


def _custom(graph, inputs, outputs):
    graph.raw_op("CUSTOM:edgetpu-custom-op", inputs, outputs, options=custom_options(typical_package()))


def _tail(graph, x):
    axes = graph.constant(np.array([1, 2], np.int32), name="axes")
    mean = graph.op(
        "MEAN", [x, axes], (1, 3), "uint8", quant=PIXEL, options={"keepDims": False}, version=2, name="mean"
    )
    return graph.op(
        "SOFTMAX", [mean], (1, 3), "uint8", quant=PROBABILITY, options={"beta": 9.0}, version=2, name="soft"
    )


def twin():
    """MAX_POOL_2D, LOGISTIC, MEAN, SOFTMAX: an image's colours to three probabilities."""
    graph = GraphBuilder()
    x = graph.input((1, 8, 8, 3), "uint8", quant=PIXEL, name="image")
    pooled = graph.op("MAX_POOL_2D", [x], (1, 4, 4, 3), "uint8", quant=PIXEL, options=POOL, name="pooled")
    squashed = graph.op("LOGISTIC", [pooled], (1, 4, 4, 3), "uint8", quant=PROBABILITY, name="squashed")
    return graph.finish([_tail(graph, squashed)])


def compiled(kind="whole"):
    """`twin` compiled: "whole" (one custom op), "apart" (two, LOGISTIC between them on the CPU), "neighbours" (two)."""
    graph = GraphBuilder()
    x = graph.input((1, 8, 8, 3), "uint8", quant=PIXEL, name="image")
    soft = graph.tensor((1, 3), "uint8", quant=PROBABILITY, name="soft")
    if kind == "whole":
        _custom(graph, [x], [soft])
        return graph.finish([soft])
    pooled = graph.tensor((1, 4, 4, 3), "uint8", quant=PIXEL, name="pooled")
    _custom(graph, [x], [pooled])
    if kind == "apart":
        pooled = graph.op("LOGISTIC", [pooled], (1, 4, 4, 3), "uint8", quant=PROBABILITY, name="squashed")
    _custom(graph, [pooled], [soft])
    return graph.finish([soft])


def detector(kind="compiled"):
    """An image's 16 places as boxes, the CPU's detection post-process behind them: "compiled" or its "twin"."""
    graph = GraphBuilder()
    x = graph.input((1, 8, 8, 4), "uint8", quant=PIXEL, name="image")
    if kind == "compiled":
        boxes = graph.tensor((1, 16, 4), "uint8", quant=PIXEL, name="boxes")
        scores = graph.tensor((1, 16, 4), "uint8", quant=PROBABILITY, name="scores")
        _custom(graph, [x], [boxes, scores])
    else:
        shape = graph.constant(np.array([1, 16, 4], np.int32), name="places")
        pooled = graph.op("MAX_POOL_2D", [x], (1, 4, 4, 4), "uint8", quant=PIXEL, options=POOL, name="pooled")
        boxes = graph.op("RESHAPE", [pooled, shape], (1, 16, 4), "uint8", quant=PIXEL, name="boxes")
        scores = graph.op("LOGISTIC", [boxes], (1, 16, 4), "uint8", quant=PROBABILITY, name="scores")
    told = {"max_detections": 5, "max_classes_per_detection": 1, "detections_per_class": 5, "use_regular_nms": False}
    told.update(nms_score_threshold=0.1, nms_iou_threshold=0.5, num_classes=3)
    told.update(y_scale=10.0, x_scale=10.0, h_scale=5.0, w_scale=5.0)
    anchors = graph.constant(np.full((16, 4), 0.5, np.float32), name="anchors")
    found = [graph.tensor(shape, name=name) for name, shape in zip(("where", "what", "sure", "count"), _FOUND)]
    options = bytes(flexbuffers.Dumps(told))
    graph.raw_op("CUSTOM:TFLite_Detection_PostProcess", [boxes, scores, anchors], found, options=options)
    return graph.finish(found)


def write_pair(folder, kind="whole", *, digest=None, labels=("red", "green", "blue")):
    """Both files in a folder, the compiled one with metadata; returns the compiled one's path."""
    (folder / "net.tflite").write_bytes(write_metadata(twin(), Metadata(labels=labels)))
    record = {"edgetpu": {"cpu_twin": "net.tflite", "cpu_twin_sha256": digest}} if digest else {}
    path = folder / "net_edgetpu.tflite"
    path.write_bytes(write_metadata(compiled(kind), Metadata(labels=labels, provenance=record)))
    return path


def write_segments(folder, *, record=None):
    """`twin` compiled as two segments of a pipeline, LOGISTIC the end of the first; their paths."""
    graph, paths = read_graph(twin()), []
    for number, (source, target) in enumerate([("image", "squashed"), ("squashed", "soft")]):
        segment, ends = GraphBuilder(), []
        for name in (source, target):
            like = next(tensor for tensor in graph.tensors if tensor.name == name)
            quant = (like.quant.scale[0], like.quant.zero_point[0])
            ends.append(segment.tensor(like.shape, like.dtype, quant=quant, name=name))
        segment.graph.inputs.append(ends[0])
        _custom(segment, ends[:1], ends[1:])
        content = segment.finish(ends[1:])
        paths.append(folder / f"net_segment_{number}_of_2_edgetpu.tflite")
        paths[-1].write_bytes(write_metadata(content, Metadata(provenance={"edgetpu": record})) if record else content)
    return [str(path) for path in paths]


def images(count, seed=0):
    """Random inputs."""
    return list(np.random.default_rng(seed).integers(0, 256, (count, 1, 8, 8, 3), dtype=np.uint8))
