"""A layer of a Keras configuration as its row of the table sees it: options, weights, and the graph to draw in.

What a row does not know makes the layer unknown: an option that it never asks for, or a value that it does not expect.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from edgekit.converters.export.direct.draft import Array, Draft, Numbers, Shape, Value
from edgekit.errors import ModelFormatError, UnsupportedModelError
from edgekit.tflite.graph import OptionValue


class UnknownLayerError(UnsupportedModelError):
    """A layer, or an option of one, that the direct export has no row for; the message names it."""


#: What never changes what a layer computes once it is trained.
_ONLY_IN_TRAINING = frozenset(("name", "trainable", "batch_input_shape", "batch_shape", "dtype", "build_config"))
_ONLY_IN_TRAINING_ENDS = ("_initializer", "_regularizer", "_constraint")
#: Larger than any kernel, stride, padding or number of units.
_MAX_SIZE = 1 << 20


class Options:
    """A layer's configuration: each option is asked for once, and `finish` refuses those that nobody asked for."""

    def __init__(self, config: Mapping[str, object], where: str) -> None:
        """Raises UnknownLayerError where the layer computes in another type than float32."""
        self._config = config
        self._where = where
        self._left = {name for name in config if not _only_in_training(name)}
        self._check_type()

    def unknown(self, what: str) -> UnknownLayerError:
        """What to raise for something that no row knows."""
        return UnknownLayerError(f"{self._where} is not known here: {what}.")

    def take(self, name: str, default: object = None) -> object:
        """An option's value as it is; `default` where the file is older than the option."""
        self._left.discard(name)
        return self._config.get(name, default)

    def ignore(self, *names: str) -> None:
        """Takes note of options that only matter in training, or of weights that are stored anyway."""
        self._left.difference_update(names)

    def one_of(self, name: str, *values: object) -> object:
        """An option that has one of these values; the first is that of files older than the option."""
        found = self.take(name, values[0])
        if not any(found == value and type(found) is type(value) for value in values):
            raise self._unexpected(name, found)
        return found

    def flag(self, name: str, default: bool) -> bool:
        """An option that is on or off."""
        return bool(self.one_of(name, default, not default))

    def number(self, name: str, default: float) -> float:
        """A finite number."""
        found = self.take(name, default)
        if isinstance(found, bool) or not isinstance(found, int | float) or not np.isfinite(found):
            raise self._unexpected(name, found)
        return float(found)

    def size(self, name: str, default: object = None) -> int:
        """A whole number from 1 on."""
        found = self.take(name, default)
        if not is_size(found):
            raise self._unexpected(name, found)
        assert isinstance(found, int)
        return found

    def pair(self, name: str, default: object = None) -> tuple[int, int]:
        """(height, width), from two whole numbers from 1 on, or one for both."""
        found = self.take(name, default)
        sides = [found, found] if isinstance(found, int) else found
        if not isinstance(sides, list | tuple) or len(sides) != 2 or not all(map(is_size, sides)):
            raise self._unexpected(name, found)
        return int(sides[0]), int(sides[1])

    def channels_last(self) -> None:
        """Checks that the channels are the last axis, which they are where nothing is said."""
        if self.take("data_format") not in (None, "channels_last"):
            raise self._unexpected("data_format", self._config["data_format"])

    def finish(self) -> None:
        """Raises UnknownLayerError where an option was never asked for."""
        # What is left open is what a release without the option did.
        left = sorted(name for name in self._left if self._config[name] is not None)
        if left:
            raise self.unknown(f"option {left[0]}={_shown(self._config[left[0]])}")

    def _unexpected(self, name: str, found: object) -> UnknownLayerError:
        return self.unknown(f"{name}={_shown(found)}")

    def _check_type(self) -> None:
        kind = self._config.get("dtype")
        if isinstance(kind, Mapping):
            inner = kind.get("config")
            kind = inner.get("name") if isinstance(inner, Mapping) else kind.get("class_name")
        if kind not in (None, "float32"):
            raise self._unexpected("dtype", kind)


class Layer:
    """A layer at one place of a model.

    Attributes:
      kind, name: its class and name.
      options: its configuration.
      keras: which Keras it is meant for, 2 or 3.
    """

    def __init__(
        self, kind: str, config: Mapping[str, object], weights: Sequence[Array], *, draft: Draft, keras: int
    ) -> None:
        self.kind, self.name = kind, str(config.get("name", kind))
        self.options = Options(config, f"{kind} layer {self.name[:60]!r}")
        self.draft, self.keras = draft, keras
        self._weights = list(weights)

    @property
    def unknown(self) -> Callable[[str], UnknownLayerError]:
        """What to raise for something that its row does not know."""
        return self.options.unknown

    def weight(self, *shape: int) -> Array:
        """The next of its weights, as it is stored.

        Raises ModelFormatError where there is none left, or one of another shape.
        """
        if not self._weights:
            raise ModelFormatError(f"{self.kind} layer {self.name!r} lacks weights.", _AGAIN)
        found = self._weights.pop(0)
        if found.shape != shape:
            raise ModelFormatError(
                f"{self.kind} layer {self.name!r} has weights of shape {list(found.shape)}, expected {list(shape)}.",
                _AGAIN,
            )
        return found

    def add(
        self, opcode: str, inputs: Sequence[Value], shape: Sequence[int], options: Mapping[str, OptionValue] = {}
    ) -> Value:
        """Draws an op and returns what it computes."""
        return self.draft.add(self.name, opcode, inputs, shape, options)

    def numbers(self, *shape: int) -> Numbers:
        """The next of its weights in float64, to compute with."""
        return self.weight(*shape).astype(np.float64)

    def constant(self, value: object, part: str = "constant") -> Value:
        """Real numbers that an op reads."""
        number = value if isinstance(value, np.ndarray) and value.dtype.kind == "f" else np.asarray(value, np.float64)
        return Value(f"{self.name}/{part}", number.shape, number)

    def integers(self, value: object, part: str) -> Value:
        """Whole numbers that an op reads."""
        number = np.asarray(value, np.int32)
        return Value(f"{self.name}/{part}", number.shape, number)

    def finish(self) -> None:
        """Raises UnknownLayerError for an option, ModelFormatError for a weight, that its row did not ask for."""
        self.options.finish()
        if self._weights:
            raise ModelFormatError(
                f"{self.kind} layer {self.name!r} has {len(self._weights)} weights too many.", _AGAIN
            )


_AGAIN = "Copy or download it again."


def is_size(value: object) -> bool:
    """Whether a value is a whole number that can be the size of something."""
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MAX_SIZE


def image(layer: Layer, value: Value) -> Shape:
    """(height, width, channels) of an input that must be an image."""
    if len(value.shape) != 4:
        raise layer.unknown(f"an input of shape {list(value.shape)}")
    return value.shape[1:]


def _only_in_training(name: str) -> bool:
    return name in _ONLY_IN_TRAINING or name.endswith(_ONLY_IN_TRAINING_ENDS)


def _shown(value: object) -> str:
    text = "".join(c if c.isprintable() else "?" for c in str(value))
    return text if len(text) <= 60 else text[:57] + "..."
