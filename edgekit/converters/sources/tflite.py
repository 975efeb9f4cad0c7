"""Opening a float `.tflite` as a source."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from edgekit.converters.sources import checks
from edgekit.converters.sources.ends import Predict, output_kind
from edgekit.converters.sources.float_weights import with_float_weights
from edgekit.converters.sources.plain_ends import as_classifier
from edgekit.converters.sources.source import TfliteSource, digest
from edgekit.devices.admission import admit
from edgekit.devices.interpreter import open_interpreter
from edgekit.errors import EdgekitError, UnsupportedModelError
from edgekit.labels import find_names
from edgekit.preprocess import InputSpec
from edgekit.tflite.checks import check_graph
from edgekit.tflite.graph import Graph, Op, Tensor
from edgekit.tflite.metadata import Metadata, read_metadata
from edgekit.tflite.ops import facts, is_compiled, is_quantized
from edgekit.tflite.patterns import affine_step, computed_by
from edgekit.tflite.reader import constant, read_graph

#: Initializations keep a convolution's gain near 1, and so do training and batch normalization; on raw
#: pixels, whose spread is about 60, it is 1/60 or less. Measured: 0.008 (1/255 folded in) against 0.9 to 5.
FOLDED_GAIN = 0.1
_RESIZES = ("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR")


def load_tflite(
    path: Path, *, size: tuple[int, int] | None, output: str | None = None, signature: str | None = None
) -> TfliteSource:
    """Opens a float `.tflite`; see `edgekit.converters.sources.open.load_source` for errors."""
    name = str(path)
    graph = read_graph(path)
    check_graph(graph, name)  # before weights are turned into float and an output is cut out
    graph, about_weights = with_float_weights(graph)
    _refuse_quantized(name, graph)
    graph, choice = as_classifier(name, graph, output, signature)
    checks.single(name, "input", [graph.tensors[i].name for i in graph.inputs])
    given, answer = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    _refuse_other_types(name, given, answer)
    spec = checks.image_spec(name, given.signature, size)
    classes = checks.class_count(name, answer.signature)
    admit(graph, name, shape=(_batch(given), *spec.shape) if given.is_dynamic else ())
    predict = interpreted(graph, name, spec, classes)
    meaning, notes = kind_of_output(graph, predict, spec)
    metadata = read_metadata(graph) or Metadata()
    found = find_names(path, classes, metadata.labels)
    return TfliteSource(
        path=name,
        framework="TFLite",
        sha256=digest(path),
        spec=spec,
        classes=classes,
        output=meaning,
        labels=found.labels,
        names_from=found.origin,
        content=graph.content,
        stated=_stated(metadata, spec),
        rescales=scales_pixels(graph),
        notes=about_weights + choice + notes + found.notes,
        predict=predict,
    )


def _refuse_quantized(name: str, graph: Graph) -> None:
    if is_compiled(graph):
        raise UnsupportedModelError(
            f"{name} is compiled for the Edge TPU already.", "It is ready to run; to convert, give the float model."
        )
    read = {index for op in graph.ops for index in (*op.inputs, *op.outputs)}
    quantized = [tensor for tensor in graph.tensors if tensor.index in read and is_quantized(tensor)]
    if not quantized:
        return
    computed = {tensor.dtype for tensor in quantized if not tensor.is_constant}
    what = f"{'/'.join(sorted(computed))} inside" if computed else f"{quantized[0].dtype} weights"
    raise UnsupportedModelError(
        f"{name} is quantized already ({what}).",
        "Use it as it is (`edgekit classify`, `edgekit inspect`), or give the float model that it was made from.",
    )


def _refuse_other_types(name: str, given: Tensor, answer: Tensor) -> None:
    for what, tensor in (("takes", given), ("answers with", answer)):
        if tensor.dtype != "float32":
            raise UnsupportedModelError(
                f"{name} {what} {tensor.dtype} numbers, not float32.", "Give the float model with a float32 interface."
            )


def _batch(given: Tensor) -> int:
    """How many images the input takes, where that is fixed; else 1."""
    return max(1, given.signature[0])


def interpreted(graph: Graph, name: str, spec: InputSpec, classes: int) -> Predict:
    """A function from arrays (n, height, width, channels) to float32 arrays (n, classes), by the interpreter.

    It runs image by image; a model with a fixed batch gets the image repeated.
    """
    interpreter, given = open_interpreter(graph.content, name=name), graph.inputs[0]
    batch = _batch(graph.tensors[given])
    try:
        interpreter.resize_tensor_input(given, (batch, *spec.shape), strict=True)
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise UnsupportedModelError(
            f"{name} cannot run on images of {spec.height}x{spec.width} ({str(error).splitlines()[0][:100]})."
        ) from error
    answer = interpreter.get_output_details()[0]["index"]

    def predict(images: np.ndarray) -> np.ndarray:
        scores = np.empty((len(images), classes), np.float32)
        for i, image in enumerate(images):
            interpreter.set_tensor(given, np.repeat(image[np.newaxis].astype(np.float32), batch, axis=0))
            try:
                interpreter.invoke()
                scores[i] = interpreter.get_tensor(answer)[0]
            except (RuntimeError, ValueError) as error:
                raise UnsupportedModelError(
                    f"{name} fails on an image: {' '.join(str(error).split())[:200]}"
                ) from error
        return scores

    return predict


def kind_of_output(graph: Graph, predict: Predict, spec: InputSpec) -> tuple[str, tuple[str, ...]]:
    """("probabilities" or "logits", notes), by the op that a graph ends in."""
    last = computed_by(graph, graph.outputs[0])
    return output_kind(last.opcode if last else "", predict, spec)


def _stated(metadata: Metadata, spec: InputSpec) -> InputSpec | None:
    """The preprocessing in the metadata, for the size and channels that the model really has."""
    if metadata.input is None:
        return None
    try:
        return replace(metadata.input, height=spec.height, width=spec.width, channels=spec.channels)
    except EdgekitError:
        return None


def scales_pixels(graph: Graph) -> bool:
    """Whether the graph takes raw pixels: it begins by shrinking them, or by only shifting them.

    Converters fold a leading Rescaling, and the batch normalization behind a convolution, into the
    convolution's weights: so weights far smaller than training leaves them count as shrinking, too.
    """
    gain, shifted, tensor = 1.0, False, graph.inputs[0]
    while True:
        step, readers = affine_step(graph, tensor), graph.consumers(tensor)
        op = readers[0] if len(readers) == 1 else None
        if op is None or not (step or facts(op).hands_on or op.opcode in _RESIZES):
            break
        if step is not None:
            gain *= max(float(np.mean(np.abs(step.gain))), 1e-12)
            shifted = shifted or bool(np.any(step.offset != 0))
        tensor = op.outputs[0]
    weights = _weight_gain(graph, op) if op is not None else 1.0
    return gain < 0.999 or (shifted and gain < 1.001) or gain * weights < FOLDED_GAIN


def _weight_gain(graph: Graph, op: Op) -> float:
    """By how much a convolution multiplies unrelated inputs: root of its summed squared weights, per filter."""
    if op.opcode != "CONV_2D" or graph.tensors[op.inputs[1]].dtype != "float32":
        return 1.0
    weights = graph.tensors[op.inputs[1]]
    if not weights.is_constant:
        return 1.0
    values = constant(graph, weights).astype(np.float64)
    return float(np.sqrt(np.median(np.sum(values**2, axis=(1, 2, 3)))))
