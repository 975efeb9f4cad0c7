"""Opening a SavedModel folder, of Keras or anything else, through its serving signature."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgekit.converters.sources import checks
from edgekit.converters.sources.inference import predictor, traced
from edgekit.converters.sources.savedmodel.frozen_graph import first_norm, freeze, scales_pixels
from edgekit.converters.sources.sniff import SAVEDMODEL_FILE
from edgekit.converters.sources.source import SavedModelSource, digest
from edgekit.errors import ModelFormatError, UnsafeModelError, UnsupportedModelError
from edgekit.install import not_importable
from edgekit.labels import labels_beside

#: Operations by which a graph reads or writes files, or calls Python.
_CODE = frozenset(
    {
        "PyFunc",
        "PyFuncStateless",
        "EagerPyFunc",
        "ReadFile",
        "WriteFile",
        "MatchingFiles",
        "DebugIdentityV3",
        "Save",
        "SaveSlices",
    }
)
_SIGNATURES = ("serving_default", "serve")
_REMEDY = "Save it again with a signature: Keras's `model.export('folder')`, or `tf.saved_model.save(…, signatures=…)`."


def load_savedmodel(path: Path, *, trust: bool, size: tuple[int, int] | None) -> SavedModelSource:
    """Opens a SavedModel folder; see `edgekit.converters.sources.open.load_source` for errors."""
    name = str(path)
    version, operations = _read_header(path)
    if not trust and operations & _CODE:
        raise UnsafeModelError(
            f"{name} would reach outside TensorFlow when run: {', '.join(sorted(operations & _CODE))}.",
            "If you trust its author, allow it with --trust.",
        )
    signature = _signature(_load(path), name)
    given, answer = _ends(signature, name)
    spec = checks.image_spec(name, _dims(given, name), size)
    classes = checks.class_count(name, _dims(signature.structured_outputs[answer], name))
    _refuse_fixed_batch(given, name)
    call = traced(_inference(signature, given, answer), spec)
    predict = predictor(call)
    output, notes = checks.output_kind(predict, spec)
    labels, label_notes = labels_beside(path, classes)
    frozen = freeze(call)
    return SavedModelSource(
        path=name,
        framework=f"tensorflow {version}" if version else "tensorflow",
        sha256=digest(path),
        spec=spec,
        classes=classes,
        output=output,
        labels=labels,
        call=call,
        rescales=scales_pixels(frozen),
        first_norm=first_norm(frozen),
        notes=notes + label_notes,
        predict=predict,
    )


def _read_header(path: Path) -> tuple[str, frozenset[str]]:
    """(TensorFlow version that wrote it, names of all operations in it)."""
    message = _tensorflow_protos().SavedModel()
    try:
        message.ParseFromString((path / SAVEDMODEL_FILE).read_bytes())
    except Exception as error:  # protobuf's own DecodeError, or the file system's
        raise ModelFormatError(f"{path} is damaged: its graph cannot be read.", "Copy or download it again.") from error
    if not message.meta_graphs:
        raise ModelFormatError(f"{path} is damaged or cut short: it holds no graph.", "Copy or download it again.")
    graphs = [graph.graph_def for graph in message.meta_graphs]
    nodes = [node for graph in graphs for node in graph.node]
    nodes += [node for graph in graphs for function in graph.library.function for node in function.node_def]
    return message.meta_graphs[0].meta_info_def.tensorflow_version, frozenset(node.op for node in nodes)


def _tensorflow_protos() -> Any:
    try:
        from tensorflow.core.protobuf import saved_model_pb2
    except ImportError as error:
        raise not_importable("Opening this model", "TensorFlow", "convert", error) from error
    return saved_model_pb2


def _load(path: Path) -> Any:
    import tensorflow as tf

    try:
        with warnings.catch_warnings():
            # TensorFlow warns of its own deprecations here; none is of use to who opens a model.
            warnings.simplefilter("ignore")
            return tf.saved_model.load(str(path))
    except Exception as error:  # TensorFlow raises whatever its restoring of objects meets
        raise ModelFormatError(
            f"{path} cannot be restored: {str(error).splitlines()[0][:160] if str(error) else type(error).__name__}.",
            "Check that the whole folder was copied, the variables folder included.",
        ) from error


def _signature(loaded: Any, name: str) -> Any:
    signatures = dict(getattr(loaded, "signatures", {}))
    for wanted in _SIGNATURES:
        if wanted in signatures:
            return _keeping(signatures[wanted], loaded)
    if len(signatures) == 1:
        return _keeping(next(iter(signatures.values())), loaded)
    found = f"several signatures ({', '.join(sorted(signatures))})" if signatures else "no signature to call it by"
    raise UnsupportedModelError(f"{name} has {found}.", _REMEDY)


def _keeping(signature: Any, loaded: Any) -> Any:
    # A signature holds its variables weakly: without the loaded object they are deleted.
    signature.edgekit_keeps = loaded
    return signature


def _ends(signature: Any, name: str) -> tuple[Any, str]:
    """(TensorSpec of the one input, name of the one output)."""
    inputs = signature.structured_input_signature[1]
    checks.single(name, "input", sorted(inputs))
    outputs = signature.structured_outputs
    checks.single(name, "output", sorted(outputs) if isinstance(outputs, dict) else ["?"] * 2)
    return next(iter(inputs.values())), next(iter(outputs))


def _dims(spec: Any, name: str) -> list[int | None]:
    if spec.shape.rank is None:
        raise UnsupportedModelError(f"{name} does not say what shape its tensors have.", _REMEDY)
    return list(spec.shape)


def _refuse_fixed_batch(given: Any, name: str) -> None:
    if given.shape[0] not in (None, 1):
        raise UnsupportedModelError(
            f"{name} is fixed to batches of {given.shape[0]} images.", "Export it again with a batch of 1 or None."
        )


def _inference(signature: Any, given: Any, answer: str) -> Callable[[Any], Any]:
    import tensorflow as tf

    return lambda images: signature(**{given.name: tf.cast(images, given.dtype)})[answer]
