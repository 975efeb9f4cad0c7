"""Surgery: parts of a Keras model that int8 does harm to, replaced by parts that it does not.

What comes out is another model, which has to learn its original's answers anew (`distill.py`). Nothing here
touches a file: a model just loaded is changed in place, in Keras 3 and tf_keras alike, by giving layers another
activation or another `call`, so that models nested in models and layers used twice need no care.
"""

from collections.abc import Callable, Mapping

from edgekit.converters.sources.keras.layers import activation_name, leaves
from edgekit.converters.sources.protocols import KerasModel, Layer, Tensor, is_activated, kind
from edgekit.errors import UnsupportedModelError, UsageError

#: What both Kerases call x * sigmoid(x).
_SWISHES = frozenset(("swish", "silu"))


def operate(model: KerasModel, name: str, path: str) -> dict[str, int]:
    """Performs a surgery on a built Keras model, in place.

    Args:
      name: a key of SURGERIES.
      path: of the model's file, for messages.

    Returns:
      What was replaced → how often.

    Raises:
      UsageError: there is no such surgery.
      UnsupportedModelError: the model has nothing of what it replaces.
    """
    if name not in SURGERIES:
        raise UsageError(f"There is no surgery {name!r}.", f"Choose one of: {', '.join(SURGERIES)}.")
    done = {what: replace(model) for what, replace in SURGERIES[name].items()}
    missing = [what for what, count in done.items() if not count]
    if missing:
        raise UnsupportedModelError(
            f"{path} gives --surgery {name} nothing to do: no «{missing[0]}» is possible in it.",
            "Leave --surgery away: what has neither swish nor squeeze-and-excitation quantizes well as it is."
            if "swish to ReLU6" in missing
            else "Take --surgery relu6.",
        )
    return done


def _swish_to_relu6(model: KerasModel) -> int:
    import tensorflow as tf

    changed = 0
    for layer in leaves(model):
        if is_activated(layer) and activation_name(layer) in _SWISHES:
            layer.activation = tf.nn.relu6
        elif _is_swish(layer):
            layer.call = _relu6
        else:
            continue
        changed += 1
    return changed


def _is_swish(layer: Layer) -> bool:
    """Whether it is `silu` called as a function, which Keras keeps as an operation or a layer of its own."""
    function = layer.get_config().get("function", "") if kind(layer) == "TFOpLambda" else ""
    return kind(layer) == "Silu" or function in ("nn.silu", "nn.swish")


def _relu6(values: Tensor, *_: object, **__: object) -> Tensor:
    import tensorflow as tf

    clipped: Tensor = tf.nn.relu6(values)
    return clipped


def _without_excitation(model: KerasModel) -> int:
    """Lets products of a map with one number per channel pass the map; what made the numbers is not exported then."""
    products = [layer for layer in leaves(model) if kind(layer) == "Multiply" and _excites(layer)]
    for layer in products:
        layer.call = _largest
    return len(products)


def _excites(layer: Layer) -> bool:
    inputs = layer.input if isinstance(layer.input, (list, tuple)) else ()
    shapes = [tuple(tensor.shape) for tensor in inputs if len(tensor.shape) == 4]
    return len(inputs) == len(shapes) == 2 and sorted(shape[1:3] == (1, 1) for shape in shapes) == [False, True]


def _largest(*inputs: Tensor | list[Tensor] | tuple[Tensor, ...], **_: object) -> Tensor:
    """Of a layer's inputs, which Keras gives as one list or one by one."""
    tensors = [tensor for given in inputs for tensor in (given if isinstance(given, (list, tuple)) else [given])]
    return max(tensors, key=lambda tensor: int(tensor.shape[1]) * int(tensor.shape[2]))


#: A surgery → its steps in order: what is replaced → a function that does it in a model and counts.
SURGERIES: Mapping[str, Mapping[str, Callable[[KerasModel], int]]] = {
    "relu6": {"swish to ReLU6": _swish_to_relu6},
    "relu6-no-se": {"swish to ReLU6": _swish_to_relu6, "squeeze-and-excitation removed": _without_excitation},
}
