"""Loading Keras models, of Keras 2 through tf_keras and of Keras 3 through keras, side by side.

The configuration is checked and mended as JSON (`keras_config`), written into a temporary copy
with the suffix its bytes deserve, and only then built by the Keras that wrote it; where that one
cannot, by the other. No environment variable and no global switch is touched.
"""

import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType

from edgekit.converters.sources import checks
from edgekit.converters.sources.calm import calm_tensorflow
from edgekit.converters.sources.ends import End, about_choice, choose_output, output_kind
from edgekit.converters.sources.inference import as_row, last_op, predictor, traced, without_channels
from edgekit.converters.sources.keras.architectures import Leaf, recognize
from edgekit.converters.sources.keras.archive import KerasArchive, read_archive, write_archive
from edgekit.converters.sources.keras.configuration import (
    Config,
    for_inference,
    in_tf_keras,
    refuse_code,
    refuse_custom,
)
from edgekit.converters.sources.keras.layers import (
    first_norm,
    layer_kinds,
    leaves,
    model_names,
    reshapes_first,
    scales_pixels,
)
from edgekit.converters.sources.keras.wrappers import refuse_wrappers
from edgekit.converters.sources.protocols import Call, KerasModel, Layer, ModelEnd, Tensor, kind
from edgekit.converters.sources.source import KerasSource, digest
from edgekit.errors import MissingDependencyError, ModelError, UnsupportedModelError
from edgekit.install import not_importable
from edgekit.labels import find_names


def load_keras(
    path: Path, kind: str, *, trust: bool, size: tuple[int, int] | None, output: str | None = None
) -> KerasSource:
    """Opens a `.keras` or `.h5` file; see `edgekit.converters.sources.open.load_source` for errors."""
    calm_tensorflow()
    archive = read_archive(path, kind)
    config, notes = for_inference(archive.config)
    refuse_wrappers(config, str(path))
    if not trust:
        refuse_code(config, str(path))
    model, library = _build(archive, config, trust)
    name = str(path)
    inputs, outputs = _ends(model, name)
    checks.single(name, "input", [tensor.name for tensor in inputs])
    ends = _described(model, outputs)
    place = choose_output(name, ends, output)
    model = _with_output(model, library, place=place)
    spec = checks.image_spec(name, tuple(inputs[0].shape), size, reshaped=reshapes_first(model))
    classes = checks.class_count(name, tuple(outputs[place].shape))
    call = without_channels(_inference(model, library), inputs[0].shape)
    call = traced(as_row(call, outputs[place].shape), spec, name)
    predict = predictor(call, name)
    meaning, output_notes = output_kind(last_op(call.get_concrete_function()), predict, spec)
    names = find_names(path, classes)
    return KerasSource(
        path=name,
        format="keras2" if library == "tf_keras" else "keras3",
        framework=f"keras {archive.version}" if archive.version else "keras",
        sha256=digest(path),
        spec=spec,
        classes=classes,
        output=meaning,
        architecture=recognize(model_names(model), [leaf(layer) for layer in leaves(model)]),
        labels=names.labels,
        names_from=names.origin,
        call=call,
        rescales=scales_pixels(model),
        first_norm=first_norm(model, spec),
        notes=notes + about_choice(ends, place) + output_notes + names.notes,
        predict=predict,
        build=lambda: _with_output(*_build(archive, config, trust), place=place),
        layers=layer_kinds(model),
    )


def _described(model: KerasModel, outputs: Sequence[ModelEnd]) -> list[End]:
    # A Sequential of Keras 3 has no names of outputs.
    titles = getattr(model, "output_names", [model.layers[-1].name])
    return [End(*end) for end in zip(titles, (one.shape for one in outputs), map(_dtype, outputs), strict=True)]


def with_model(source: KerasSource, model: KerasModel) -> KerasSource:
    """A Keras source with another model of the same ends in its place."""
    library = "tf_keras" if source.format == "keras2" else "keras"
    call = without_channels(_inference(model, library), model.inputs[0].shape)
    call = traced(as_row(call, model.outputs[0].shape), source.spec, source.path)
    return replace(
        source,
        call=call,
        predict=predictor(call, source.path),
        first_norm=first_norm(model, source.spec),
        build=lambda: model,
    )


def leaf(layer: Layer) -> Leaf:
    """What a layer is recognized by."""
    return Leaf(kind(layer), str(layer.name), int(getattr(layer, "filters", 0) or 0))


def _build(archive: KerasArchive, config: Config, trust: bool) -> tuple[KerasModel, str]:
    """(model, name of the library that could build it), the likelier library first."""
    failures: list[ModelError] = []
    for library in _libraries(archive, config):
        keras = _import(library)
        config = in_tf_keras(config) if library == "tf_keras" else config
        try:
            if not trust:
                refuse_custom(config, str(archive.path), _builtin_names(keras))
            with tempfile.TemporaryDirectory() as folder:
                return _load(keras, write_archive(archive, config, Path(folder)), trust), library
        except ModelError as error:
            failures.append(error)
        except Exception as error:  # Keras raises whatever the layers it builds raise
            failures.append(UnsupportedModelError(f"{library} {keras.__version__}: {_reason(error)}"))
    if all(str(error) == str(failures[0]) for error in failures):
        raise failures[0]
    written = f", written by Keras {archive.version}," if archive.version else ""
    raise UnsupportedModelError(
        f"{archive.path}{written} can be built by neither Keras. " + " ".join(error.message for error in failures),
        "Open it where it was written, and save what it computes: `model.export('folder')`; then convert that folder.",
    )


def _libraries(archive: KerasArchive, config: Config) -> tuple[str, str]:
    """The two Kerases in the order to try: by the version in the file, else by how Keras 3 spells shapes."""
    version = archive.version or ("3" if "batch_shape" in str(config) else "2")
    return ("keras", "tf_keras") if version.startswith("3") else ("tf_keras", "keras")


def _import(library: str) -> ModuleType:
    try:
        keras = import_module(library)
    except ImportError as error:
        raise not_importable("Opening this model", library, "tensorflow", error) from error
    if library == "keras" and keras.config.backend() != "tensorflow":
        raise MissingDependencyError(
            f"Keras is set to its {keras.config.backend()} backend; converting needs TensorFlow's.",
            "Unset KERAS_BACKEND, or set it to tensorflow, for this command.",
        )
    return keras


def _builtin_names(keras: ModuleType) -> frozenset[str]:
    spaces = [keras.layers, keras.initializers, keras.regularizers, keras.constraints]
    names = {name for space in spaces for name in dir(space) if name[0].isupper()}
    extra = {"Functional", "Sequential", "Model", "Policy", "DTypePolicy", "TFOpLambda", "SlicingOpLambda"}
    return frozenset(names | extra)


def _load(keras: ModuleType, file: Path, trust: bool) -> KerasModel:
    with warnings.catch_warnings():
        # Both Kerases warn of their own deprecations here; none is of use to who opens a model.
        warnings.simplefilter("ignore")
        model: KerasModel = keras.models.load_model(str(file), compile=False, safe_mode=not trust)
    return model


def _reason(error: BaseException) -> str:
    """The innermost sentence of a Keras message, without the configuration it quotes."""
    text = str(error).strip().rsplit("Exception encountered:", 1)[-1].strip() or type(error).__name__
    line = text.splitlines()[0]
    return line if len(line) <= 160 else line[:157] + "..."


def _ends(model: KerasModel, name: str) -> tuple[list[ModelEnd], list[ModelEnd]]:
    try:
        return list(model.inputs), list(model.outputs)
    except (AttributeError, TypeError, ValueError):
        raise UnsupportedModelError(
            f"{name} does not say what input it takes: it was saved before it was ever built.",
            "Call it once on an image and save it again.",
        ) from None


def _dtype(tensor: ModelEnd) -> str:
    return str(getattr(tensor.dtype, "name", tensor.dtype))


def _with_output(model: KerasModel, library: str, *, place: int) -> KerasModel:
    """The model with one of its outputs; itself where it has no other."""
    if len(model.outputs) == 1:
        return model
    one: KerasModel = import_module(library).Model(model.inputs, model.outputs[place], name=model.name)
    return one


def _inference(model: KerasModel, library: str) -> Call:
    """The model's call, its weights as constants where that is possible: such a function needs no freezing."""
    if library == "tf_keras":
        return lambda images: model(images, training=False)
    import keras
    import tensorflow as tf

    weights = [(variable, variable.numpy()) for variable in model.variables]

    def call(images: Tensor) -> Tensor:
        constants = [(variable, tf.constant(value)) for variable, value in weights]
        with keras.StatelessScope(state_mapping=constants):
            return model(images, training=False)

    return call
