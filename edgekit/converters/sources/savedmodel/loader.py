"""Opening a SavedModel folder, of Keras or anything else, through its serving signature."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.converters.sources import checks
from edgekit.converters.sources.calm import calm_tensorflow
from edgekit.converters.sources.ends import End, about_choice, choose_output, output_kind
from edgekit.converters.sources.inference import as_row, last_op, predictor, traced, without_channels
from edgekit.converters.sources.keras.wrappers import refuse_fake_quantization
from edgekit.converters.sources.protocols import Call, ConcreteFunction, Signature, SignatureEnd, Traced
from edgekit.converters.sources.savedmodel.frozen_graph import (
    first_norm,
    freeze,
    half_precision,
    ops_of,
    reshapes_first,
    scales_pixels,
)
from edgekit.converters.sources.savedmodel.safety import HOUSEKEEPING, refuse_reaching_out
from edgekit.converters.sources.source import SavedModelSource, digest
from edgekit.errors import ModelFormatError, UnsupportedModelError, UsageError
from edgekit.install import not_importable
from edgekit.labels import find_names

if TYPE_CHECKING:
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

_SIGNATURES = ("serving_default", "serve")
_REMEDY = "Save it again with a signature: Keras's `model.export('folder')`, or `tf.saved_model.save(…, signatures=…)`."


def load_savedmodel(
    path: Path,
    *,
    trust: bool,
    size: tuple[int, int] | None,
    output: str | None = None,
    signature: str | None = None,
) -> SavedModelSource:
    """Opens a SavedModel folder; see `edgekit.converters.sources.open.load_source` for errors."""
    calm_tensorflow()
    name, saved = str(path), _read(path)
    version = saved.meta_graphs[0].meta_info_def.tensorflow_version
    function = _called(path, saved, trust=trust, signature=signature)
    given, ends = _ends(function, name)
    place = choose_output(name, ends, output)
    shape = _dims(given, name)
    spec = checks.image_spec(name, shape, size, reshaped=True)
    classes = checks.class_count(name, ends[place].shape)
    _refuse_fixed_batch(given, name)
    call = without_channels(_inference(function, given, ends[place].name), shape)
    call = traced(as_row(call, ends[place].shape), spec, name)
    frozen = _frozen(call, name)
    if len(shape) == 3 and not reshapes_first(frozen):
        checks.image_spec(name, shape, size)
    predict = predictor(call, name)
    meaning, notes = output_kind(last_op(frozen), predict, spec)
    names = find_names(path, classes)
    return SavedModelSource(
        path=name,
        framework=f"tensorflow {version}" if version else "tensorflow",
        sha256=digest(path),
        spec=spec,
        classes=classes,
        output=meaning,
        labels=names.labels,
        names_from=names.origin,
        call=call,
        rescales=scales_pixels(frozen),
        first_norm=first_norm(frozen),
        notes=about_choice(ends, place) + notes + names.notes,
        predict=predict,
    )


def _called(path: Path, saved: "SavedModel", *, trust: bool, signature: str | None) -> Signature:
    """The signature to call, once the graph that it reaches is known to be harmless."""
    wanted = _choose(saved, str(path), signature)
    if not trust:
        refuse_reaching_out(saved, wanted, str(path))
    return _signature(_load(path), wanted, str(path))


def _frozen(call: Traced, name: str) -> ConcreteFunction:
    """The frozen graph, once it is known to compute in float32 alone."""
    frozen = freeze(call)
    refuse_fake_quantization(name, ops_of(frozen, "FakeQuant"))
    _refuse_half(frozen, name)
    return frozen


def _read(path: Path) -> "SavedModel":
    """The `SavedModel` message, read as TensorFlow's loader reads it."""
    try:
        from tensorflow.python.saved_model.loader_impl import parse_saved_model
    except ImportError as error:
        raise not_importable("Opening this model", "TensorFlow", "tensorflow", error) from error
    try:
        message = parse_saved_model(str(path))
    except Exception as error:  # the file system's, protobuf's own or TensorFlow's
        raise ModelFormatError(f"{path} is damaged: its graph cannot be read.", "Copy or download it again.") from error
    if not message.meta_graphs:
        raise ModelFormatError(f"{path} is damaged or cut short: it holds no graph.", "Copy or download it again.")
    return message


def _choose(saved: "SavedModel", name: str, given: str | None) -> str:
    """The name of the signature to call: the given one, a usual one, or the only one."""
    names = sorted(set(saved.meta_graphs[0].signature_def) - HOUSEKEEPING)
    if given is not None and given not in names:
        raise UsageError(f"{name} has no signature {given!r}.", f"Choose one of: {', '.join(names)}.")
    if given is not None:
        return given
    usual = [wanted for wanted in _SIGNATURES if wanted in names]
    if usual or len(names) == 1:
        return (usual or names)[0]
    found = f"several signatures ({', '.join(names)})" if names else "no signature to call it by"
    raise UnsupportedModelError(f"{name} has {found}.", "Choose one with --signature." if names else _REMEDY)


def _load(path: Path) -> object:
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


def _signature(loaded: object, wanted: str, name: str) -> Signature:
    signatures: dict[str, Signature] = dict(getattr(loaded, "signatures", {}))
    if wanted not in signatures:
        raise ModelFormatError(f"{name} is damaged: its signature {wanted} has no function.", _REMEDY)
    # A signature holds its variables weakly: without the loaded object they are deleted.
    signatures[wanted].edgekit_keeps = loaded
    return signatures[wanted]


def _ends(signature: Signature, name: str) -> tuple[SignatureEnd, list[End]]:
    """(TensorSpec of the one input, the outputs)."""
    inputs = signature.structured_input_signature[1]
    checks.single(name, "input", sorted(inputs))
    outputs = signature.structured_outputs
    if not isinstance(outputs, dict):
        checks.single(name, "output", ["?"] * 2)
    ends = [End(one, _dims(outputs[one], name), outputs[one].dtype.name) for one in sorted(outputs)]
    return next(iter(inputs.values())), ends


def _dims(spec: SignatureEnd, name: str) -> list[int | None]:
    if spec.shape.rank is None:
        raise UnsupportedModelError(f"{name} does not say what shape its tensors have.", _REMEDY)
    return list(spec.shape)


def _refuse_fixed_batch(given: SignatureEnd, name: str) -> None:
    if given.shape[0] not in (None, 1):
        raise UnsupportedModelError(
            f"{name} is fixed to batches of {given.shape[0]} images.", "Export it again with a batch of 1 or None."
        )


def _refuse_half(frozen: ConcreteFunction, name: str) -> None:
    """Raises where the graph computes in 16 bits, which TFLite's ops don't."""
    kind, count = half_precision(frozen)
    if count:
        raise UnsupportedModelError(
            f"{name} computes in {kind} ({count} ops): it was exported in mixed precision, and TFLite has no such ops.",
            "Give the .keras or .h5 file, which edgekit turns to float32; or export it again under the policy float32.",
        )


def _inference(signature: Signature, given: SignatureEnd, answer: str) -> Call:
    import tensorflow as tf

    return lambda images: signature(**{given.name: tf.cast(images, given.dtype)})[answer]
