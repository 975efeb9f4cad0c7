"""Opening a Keras file without Keras: a `DirectSource`, the float graph in it."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from edgekit.converters.export.direct.build import Drawn, draw, input_shape
from edgekit.converters.export.direct.draft import Norm, Step
from edgekit.converters.export.direct.emit import emit
from edgekit.converters.export.direct.topology import Config, is_model, layers_of, name_of
from edgekit.converters.export.direct.weights import read_weights
from edgekit.converters.sources import checks
from edgekit.converters.sources.ends import End, about_choice, choose_output
from edgekit.converters.sources.keras.architectures import Leaf, recognize
from edgekit.converters.sources.keras.archive import read_archive
from edgekit.converters.sources.keras.configuration import for_inference, refuse_code
from edgekit.converters.sources.keras.layers import with_activation
from edgekit.converters.sources.keras.loader import load_keras
from edgekit.converters.sources.keras.wrappers import refuse_wrappers
from edgekit.converters.sources.source import DirectSource, FirstNorm, digest
from edgekit.converters.sources.tflite import interpreted, kind_of_output
from edgekit.devices.interpreter import open_interpreter
from edgekit.labels import find_names
from edgekit.models.network import Network
from edgekit.tflite.graph import Graph


def open_directly(
    path: Path, kind: str, *, trust: bool, size: tuple[int, int] | None, output: str | None = None
) -> DirectSource:
    """Opens a `.keras` or `.h5` file; see `edgekit.converters.sources.open.load_source` for further errors.

    Raises:
      UnknownLayerError: it holds something that only Keras can open.
      ModelFormatError: its weights do not fit its layers.
    """
    name, archive = str(path), read_archive(path, kind)
    config, notes = for_inference(archive.config)
    refuse_wrappers(config, name)
    if not trust:
        refuse_code(config, name)
    shape = input_shape(config)
    spec = checks.image_spec(name, shape, size, reshaped=True)
    drawn = draw(Network(config, read_weights(archive, config)), spec.shape)
    if len(shape) == 3 and not _reshapes_first(drawn):
        checks.image_spec(name, shape, size)
    ends = [End(title, value.shape) for title, value in drawn.outputs]
    place = choose_output(name, ends, output)
    classes = checks.class_count(name, ends[place].shape)
    answer = drawn.as_row(drawn.outputs[place][1])
    graph = emit(drawn.fused(answer), drawn.given, answer)
    predict = interpreted(graph, name, spec, classes)
    meaning, output_notes = kind_of_output(graph, predict, spec)
    names = find_names(path, classes)
    return DirectSource(
        path=name,
        format=f"keras{drawn.keras}",
        framework=f"keras {archive.version}" if archive.version else "keras",
        sha256=digest(path),
        spec=spec,
        classes=classes,
        output=meaning,
        architecture=recognize(_model_names(config), list(_leaves(config))),
        layers=dict(_layer_kinds(config)),
        labels=names.labels,
        names_from=names.origin,
        graph=graph,
        rescales=_scales_pixels(drawn),
        first_norm=_first_norm(drawn),
        notes=notes + about_choice(ends, place) + output_notes + names.notes,
        predict=predict,
        through_keras=lambda: load_keras(path, kind, trust=trust, size=size, output=output),
    )


def _layers(model: Config) -> Iterator[tuple[str, str, Config]]:
    """(class, name, configuration) of the layers in order, nested models opened up."""
    for layer in layers_of(model):
        config = layer.get("config")
        if is_model(layer):
            yield from _layers(layer)
        elif isinstance(config, dict):
            yield str(layer.get("class_name")), name_of(layer), config


def _leaves(model: Config) -> Iterator[Leaf]:
    for kind, name, config in _layers(model):
        filters = config.get("filters")
        yield Leaf(kind, name, filters if isinstance(filters, int) else 0)


def _layer_kinds(model: Config) -> Iterator[tuple[str, str]]:
    for kind, name, config in _layers(model):
        activation = config.get("activation")
        yield name, with_activation(kind, activation if isinstance(activation, str) else "linear")


def _model_names(model: Config) -> Iterator[str]:
    """Names of the model and of the models nested in it."""
    yield name_of(model)
    yield from (name_of(layer) for layer in layers_of(model) if is_model(layer))


def _reshapes_first(drawn: Drawn) -> bool:
    """Whether a model without an axis of channels begins by giving its input another shape, scaling set aside."""
    value = drawn.draft.steps[0].output
    while True:
        readers = [step for step in drawn.draft.steps if value in step.inputs]
        if len(readers) != 1 or _scaling(readers[0])[0] is None:
            return False
        if readers[0].opcode == "RESHAPE":
            return checks.is_whole_image(readers[0].output.shape)
        value = readers[0].output


def _scales_pixels(drawn: Drawn) -> bool:
    """Whether the model begins by scaling raw 0–255 pixels.

    Layers and arithmetic that together shrink count, as do those that only shift; what stretches wants pixels that
    somebody scaled before. What a batch normalization does is learnt, and does not count.
    """
    gain, shifted, value = 1.0, False, drawn.given
    normalized = {norm.given for norm in drawn.draft.norms}
    while value not in normalized:
        readers = [step for step in drawn.draft.steps if value in step.inputs]
        if len(readers) != 1:
            break
        factor, shifts = _scaling(readers[0])
        if factor is None:
            break
        gain, shifted, value = gain * factor, shifted or shifts, readers[0].output
    return gain < 0.999 or (shifted and gain < 1.001)


def _scaling(step: Step) -> tuple[float | None, bool]:
    """(by what an op multiplies pixels, whether it shifts them); (None, False) where it does something else."""
    if step.opcode in _PASS_ON:
        return 1.0, False
    constants = [value.constant for value in step.inputs if value.constant is not None]
    if len(constants) != 1 or step.opcode not in ("ADD", "SUB", "MUL", "DIV"):
        return None, False
    numbers = np.asarray(constants[0], np.float64)
    mean = float(np.mean(numbers))
    if step.opcode in ("ADD", "SUB"):
        return 1.0, bool(np.any(np.abs(numbers) > _SHIFT))
    return (mean if step.opcode == "MUL" else 1 / mean if mean else None), False


_PASS_ON = ("PAD", "SLICE", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "RESHAPE", "CONCATENATION", "REVERSE_V2")
#: A Normalization that was adapted to scaled pixels shifts by less than this.
_SHIFT = 1e-6


def _first_norm(drawn: Drawn) -> FirstNorm | None:
    norm = next(iter(drawn.draft.norms), None)
    if norm is None:
        return None
    mean, variance = norm.mean.astype(np.float32), norm.variance.astype(np.float32)
    return FirstNorm(norm.name, mean, variance, _moments_before(norm, drawn))


def _moments_before(norm: Norm, drawn: Drawn) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """A function from images to mean and variance, per channel, of what reaches a layer."""
    stem: list[Graph] = []

    def moments(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        stem[:] = stem or [emit(drawn.draft.steps, drawn.given, norm.given)]
        return _moments(stem[0], images)

    return moments


def _moments(graph: Graph, images: Sequence[np.ndarray] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if graph.outputs == graph.inputs:
        values = np.asarray(images, np.float64).reshape(-1, images[0].shape[-1])
        return values.mean(axis=0), values.var(axis=0)
    interpreter = open_interpreter(graph.content, threads=1)
    given, answer = (ends()[0]["index"] for ends in (interpreter.get_input_details, interpreter.get_output_details))
    count, total, squares = 0, np.float64(0), np.float64(0)
    for image in images:
        interpreter.set_tensor(given, np.asarray(image[np.newaxis], np.float32))
        interpreter.invoke()
        passed = interpreter.get_tensor(answer)
        rows = passed.reshape(-1, passed.shape[-1]).astype(np.float64)
        count += len(rows)
        # einsum adds up narrow rows ten times as fast as `sum` does.
        total = total + np.einsum("ij->j", rows)
        squares = squares + np.einsum("ij,ij->j", rows, rows)
    mean = np.asarray(total / count)
    return mean, np.maximum(squares / count - mean**2, 0)
