"""From a trained model to a float `.tflite` with a static batch of 1.

The only module that knows TensorFlow's converter.
"""

from collections.abc import Iterable

import numpy as np

from edgekit.calibration.samples import Sample
from edgekit.converters.sources.source import Source, TfliteSource, Traced
from edgekit.devices.interpreter import open_interpreter
from edgekit.errors import ConversionError
from edgekit.evaluation.verdict import run
from edgekit.install import not_importable
from edgekit.preprocess import InputSpec
from edgekit.tflite import Graph, edit, read_graph
from edgekit.tflite.model import Model

#: Kernels that add in another order differ by about 1e-5 of the output; a wrong graph by far more than this.
EXPORT_TOLERANCE = 5e-3


def export_float(source: Source, spec: InputSpec) -> Model:
    """Writes the source as a float `.tflite`.

    Args:
      source: the trained model.
      spec: its preprocessing, as found or given.

    Raises:
      ConversionError: TensorFlow's converter refused the model, or wrote one without a static batch of 1.
    """
    content = _static_batch(source.content) if isinstance(source, TfliteSource) else _convert(source.path, source.call)
    content = _unique_names(content)
    graph = read_graph(content)
    _check_interface(graph, source)
    return Model(graph, spec, source.output, source.labels)


def check_export(source: Source, spec: InputSpec, model: Model, samples: Iterable[Sample]) -> float:
    """Compares the export with the source, image by image.

    Args:
      spec: the source's own preprocessing; `model.spec` is the export's, which may differ after folding.
      samples: a few images.

    Returns:
      The largest difference between their outputs, relative to the largest magnitude in the source's.

    Raises:
      ConversionError: they differ by more than float rounding explains.
    """
    interpreter, differences = open_interpreter(model.graph.content), [0.0]
    for sample in samples:
        expected = np.asarray(source.predict(sample.input(spec)), np.float64)
        found = run(interpreter, sample.input(model.spec))
        differences.append(np.abs(expected - found).max() / max(float(np.abs(expected).max()), 1e-6))
        _check_finite(source, expected)
    worst = float(np.max(differences))  # unlike max(), NaN where there is one
    if not worst <= EXPORT_TOLERANCE:
        raise ConversionError(
            f"The exported float model does not compute what {source.path} does (off by {worst:.2%} of its output).",
            "Run again with -v to see what TensorFlow's converter said.",
        )
    return worst


def _check_finite(source: Source, scores: np.ndarray) -> None:
    if not np.isfinite(scores).all():
        raise ConversionError(
            f"{source.path} answers NaN or infinity to an ordinary image.",
            "Check the preprocessing (--preprocess) and that the weights are finite.",
        )


def _convert(path: str, call: Traced) -> bytes:
    """Traces with a batch of 1, freezes, converts.

    A graph with unset variables would be converted without a word, into a model of garbage. The interface of
    TensorFlow 1 takes the frozen graph as it is; that of TensorFlow 2 would freeze it once more, which takes longer
    than converting it.
    """
    try:
        import tensorflow as tf
        from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2_as_graph
    except ImportError as error:
        raise not_importable("Converting a Keras model", "TensorFlow", "convert", error) from error
    try:
        function = call.get_concrete_function()
        graph = function.graph.as_graph_def()
        if function.captured_inputs:
            function, graph = convert_variables_to_constants_v2_as_graph(function)
        return bytes(tf.compat.v1.lite.TFLiteConverter(graph, function.inputs, function.outputs).convert())
    except Exception as error:  # the converter raises a different class for every stage of its own
        reason = (str(error) or type(error).__name__).strip().splitlines()[0][:200]
        raise ConversionError(f"TensorFlow could not convert {path}: {reason}") from error


def _static_batch(content: bytes) -> bytes:
    """A float `.tflite` with every unknown or larger batch set to 1."""
    model = edit.unpack(content)
    graph = model.subgraphs[0]
    batch = int(graph.tensors[int(graph.inputs[0])].shape[0])
    constants = {t for t, tensor in enumerate(graph.tensors) if model.buffers[tensor.buffer].data is not None}
    for index, tensor in enumerate(graph.tensors):
        if index not in constants and tensor.shape is not None and len(tensor.shape) and tensor.shape[0] == batch:
            tensor.shape = np.array([1, *tensor.shape[1:]], np.int32)
        tensor.shapeSignature = None
    model.signatureDefs = []
    return edit.pack(model)


def _unique_names(content: bytes) -> bytes:
    """The model with every tensor name made unique, since ranges and the quantizer go by names."""
    model = edit.unpack(content)
    seen: dict[str, int] = {}
    for tensor in model.subgraphs[0].tensors:
        name = edit.name_of(tensor)
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 1 or not name:
            tensor.name = f"{name}#{seen[name]}".encode()
    return edit.pack(model)


def _check_interface(graph: Graph, source: Source) -> None:
    inputs, outputs = ([graph.tensors[i] for i in ends] for ends in (graph.inputs, graph.outputs))
    shapes = [t.shape for t in (*inputs, *outputs)]
    expected = [(1, *source.spec.shape), (1, source.classes)]
    if shapes != expected or any(t.is_dynamic for t in graph.tensors):
        raise ConversionError(f"The exported model has inputs and outputs {shapes} instead of {expected}.")
