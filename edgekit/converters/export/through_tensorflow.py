"""From a trained model to a float `.tflite` with a static batch of 1.

The only module that knows TensorFlow's converter.
"""

import re
from collections.abc import Callable, Iterable

import numpy as np

from edgekit.calibration.samples import Sample
from edgekit.converters.sources.protocols import Traced
from edgekit.converters.sources.source import DirectSource, Source, TfliteSource
from edgekit.devices.interpreter import open_interpreter
from edgekit.errors import ConversionError
from edgekit.evaluation.verdict import run
from edgekit.install import not_importable
from edgekit.preprocess import InputSpec
from edgekit.tflite import Graph, names, read_graph
from edgekit.tflite.editor import Editor
from edgekit.tflite.model import Model

#: Kernels that add in another order differ by about 1e-5 of the output; a wrong graph by far more than this.
EXPORT_TOLERANCE = 5e-3

#: Changes the model in an editor and answers the preprocessing that belongs to it then; None where it is the same.
Change = Callable[[Editor, InputSpec], InputSpec | None]


def export_float(source: Source, spec: InputSpec, *, change: Change | None = None) -> Model:
    """Writes the source as a float `.tflite`.

    Args:
      source: the trained model.
      spec: its preprocessing, as found or given.
      change: what else to do to the model before it is written, such as `fold.fold_in`.

    Raises:
      ConversionError: TensorFlow's converter refused the model, or wrote one without a static batch of 1.
    """
    if change is None and isinstance(source, DirectSource):  # written already, each tensor with a name of its own
        return Model(source.graph, spec, source.output, source.labels)
    editor = _exported(source)
    changed = change(editor, spec) if change is not None else None
    graph = editor.finish()
    _check_interface(graph, source)
    return Model(graph, changed or spec, source.output, source.labels)


def _exported(source: Source) -> Editor:
    """The exported model with a static batch and unique names, open for more changes."""
    if isinstance(source, TfliteSource):
        editor = Editor(read_graph(source.content))
        _set_static_batch(editor)
    elif isinstance(source, DirectSource):
        editor = Editor(source.graph)
    else:
        editor = Editor(read_graph(_convert(source.path, source.call)))
    # Ranges and the quantizer go by names.
    for tensor, name in zip(editor.tensors, names.unique(tensor.name for tensor in editor.tensors), strict=True):
        if name != tensor.name:
            editor.rename(tensor.index, name)
    return editor


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
        raise not_importable("Converting a Keras model", "TensorFlow", "tensorflow", error) from error
    try:
        function = call.get_concrete_function()
        graph = function.graph.as_graph_def()
        if function.captured_inputs:
            function, graph = convert_variables_to_constants_v2_as_graph(function)
        return bytes(tf.compat.v1.lite.TFLiteConverter(graph, function.inputs, function.outputs).convert())
    except Exception as error:  # the converter raises a different class for every stage of its own
        raise ConversionError(
            f"TensorFlow could not convert {path}: {_reason(error)}", "Run again with -v to see all that it said."
        ) from error


def _reason(error: Exception) -> str:
    """The first line of the converter's message; of a dump of its compiler, the ops that it could not translate."""
    text = (str(error) or type(error).__name__).strip()
    ops = sorted(set(re.findall(r"'tf\.(\w+)' op is neither a custom op nor a flex op", text)))
    return f"TFLite has no {', '.join(ops[:6])} of this kind." if ops else text.splitlines()[0][:200]


def _set_static_batch(editor: Editor) -> None:
    """Sets every unknown or larger batch to 1."""
    graph = editor.graph
    batch = graph.tensors[graph.inputs[0]].shape[0]
    for tensor in graph.tensors:
        varies = not tensor.is_constant and tensor.shape[:1] == (batch,)
        editor.set_shape(tensor.index, (1, *tensor.shape[1:]) if varies else tensor.shape)
    _set_static_shapes(editor)
    editor.drop_signatures()


def _set_static_shapes(editor: Editor) -> None:
    """Makes constants of the shapes that were computed from an open batch, and takes out what computed them."""
    for op in editor.ops:
        if op.opcode == "RESHAPE" and len(op.inputs) > 1 and not editor.tensors[op.inputs[1]].is_constant:
            shape = editor.tensors[op.outputs[0]].shape
            editor.set_constant_input(op, 1, names.static_shape(op.index), np.array(shape, np.int32))
    editor.remove_dead()


def _check_interface(graph: Graph, source: Source) -> None:
    inputs, outputs = ([graph.tensors[i] for i in ends] for ends in (graph.inputs, graph.outputs))
    shapes = [t.shape for t in (*inputs, *outputs)]
    expected = [(1, *source.spec.shape), (1, source.classes)]
    if shapes != expected or any(t.is_dynamic for t in graph.tensors):
        raise ConversionError(f"The exported model has inputs and outputs {shapes} instead of {expected}.")
