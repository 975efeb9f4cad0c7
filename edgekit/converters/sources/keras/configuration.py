"""A Keras model's configuration as plain JSON: checked and mended before any of it is built.

Keras builds a model by instantiating what its configuration names. So everything that could run
code is found here, in the JSON, and everything that only matters for training (augmentation, fixed
batch sizes, mixed precision) is removed here, so that it cannot stop a load in another version.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping

from edgekit.errors import UnsafeModelError, UnsupportedModelError

#: A part of the configuration, as JSON has it.
Config = dict[str, object]

#: Layers that do nothing at inference. RandomCrop, AutoContrast and Equalization are not among
#: them: they change images at inference too.
AUGMENTATION = frozenset(
    """RandomFlip RandomRotation RandomZoom RandomTranslation RandomContrast RandomBrightness RandomHue
    RandomSaturation RandomColorJitter RandomColorDegeneration RandomGrayscale RandomInvert RandomPosterization
    RandomSharpness RandomShear RandomPerspective RandomErasing RandomElasticTransform RandomGaussianBlur
    RandomHeight RandomWidth RandAugment AugMix CutMix MixUp FixedDropout""".split()
)

#: Layers that carry code, load further files, or call methods by name.
CODE = frozenset(
    """Lambda TFSMLayer TorchModuleWrapper JaxLayer FlaxLayer InstanceMethod InstanceProperty ClassMethod
    StringLookup IntegerLookup TextVectorization __lambda__""".split()
)

#: Functions of the TensorFlow namespace a Keras 2 model may call: arithmetic, no files, no Python.
_TF_PREFIXES = (
    "math.",
    "nn.",
    "image.",
    "linalg.",
    "__operators__.",
    "compat.v1.nn.",
    "compat.v1.math.",
    "keras.backend.",
)
_TF_FUNCTIONS = frozenset(
    """cast reshape concat identity pad stack unstack split tile transpose expand_dims squeeze clip_by_value
    strided_slice convert_to_tensor shape reverse where gather slice zeros_like ones_like compat.v1.transpose
    compat.v1.shape compat.v1.squeeze compat.v1.pad broadcast_to repeat""".split()
)

#: What Keras writes for values that are no layers: (class names, never instantiated from a module).
_VALUES = frozenset(
    "__keras_tensor__ __tensor__ __numpy__ __tuple__ __bytes__ __slice__ __ellipsis__ __typespec__ TensorShape "
    "slice Variable NoneType".split()
)
_ACTIVATIONS = frozenset(
    """elu exponential gelu hard_sigmoid hard_silu hard_swish leaky_relu linear log_softmax mish relu relu6 selu
    sigmoid silu softmax softplus softsign swish tanh""".split()
)
#: Modules whose classes are Keras's own without being in its public lists.
_OWN_MODULES = tuple(
    f"{root}.{part}"
    for root in ("keras", "keras.src", "tf_keras.src")
    for part in ("ops.", "applications.", "engine.", "models.", "layers.core.tf_op_layer")
)
_KERAS_MODULES = ("keras", "tf_keras", "tensorflow", "builtins")
_EXPORT = "Load it where it was written, save what it computes with `model.export('folder')`, and convert that folder."
_REMEDY = f"If you trust its author, allow it with --trust. Otherwise: {_EXPORT[0].lower()}{_EXPORT[1:]}"


def objects(node: object) -> Iterator[Config]:
    """All serialized objects (dictionaries that name a class) anywhere inside, outermost first."""
    pending = [node]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            if isinstance(node.get("class_name"), str):
                yield node
            pending.extend(reversed(node.values()))
        elif isinstance(node, list):
            pending.extend(reversed(node))


def refuse_code(config: Config, name: str) -> None:
    """Raises UnsafeModelError where building the configuration could run code of the file's choice."""
    found: set[str] = set()
    for item in objects(config):
        reason = _code_in(item)
        if reason:
            found.add(reason)
    if found:
        raise UnsafeModelError(f"{name} would run code when opened: {_listed(found)}.", _REMEDY)


def _code_in(item: Config) -> str:
    kind, inner = str(item["class_name"]), item.get("config")
    if kind in CODE:
        return f"{kind} layer {_layer_name(item)}".strip() if kind[0] != "_" else "a Python function in bytecode"
    if kind == "function" and not _is_activation(item):
        return f"function {_short(inner)}"
    if kind in ("TFOpLambda", "SlicingOpLambda", "ClassMethodLambda") and not _is_harmless(inner):
        return f"TensorFlow function {_short(inner.get('function') if isinstance(inner, dict) else inner)}"
    module = item.get("module")
    if isinstance(module, str) and module.split(".")[0] not in _KERAS_MODULES and kind not in AUGMENTATION:
        return f"{_short(kind)} from the module {_short(module)}"
    return ""


def _is_harmless(inner: object) -> bool:
    function = inner.get("function") if isinstance(inner, dict) else None
    return isinstance(function, str) and (function in _TF_FUNCTIONS or function.startswith(_TF_PREFIXES))


def _is_activation(item: Config) -> bool:
    return item.get("config") in _ACTIVATIONS if isinstance(item.get("config"), str) else False


def refuse_custom(config: Config, name: str, known: Collection[str]) -> None:
    """Raises UnsupportedModelError where the configuration names classes outside `known`."""
    found = {
        f"{_short(item['class_name'])} {_layer_name(item)}".strip()
        for item in objects(config)
        if item["class_name"] not in known
        and item["class_name"] not in _VALUES
        and item["class_name"] != "function"
        and not str(item.get("module")).startswith(_OWN_MODULES)
    }
    if found:
        raise UnsupportedModelError(
            f"{name} uses layers whose code is not in Keras, nor in the file: {_listed(found)}.",
            f"{_EXPORT} Plain arithmetic between layers is kept by .keras files, not by .h5.",
        )


def for_inference(config: Config) -> tuple[Config, tuple[str, ...]]:
    """The configuration without what only matters for training.

    Settings of training go: optimizers, losses, metrics, regularizers, constraints. Augmentation layers become
    identities under their own names, fixed batches become free, mixed precision becomes float32, activations stored
    as functions become their names.

    Returns:
      (configuration, notes for the user).
    """
    changes: list[tuple[str, str]] = []
    mended = _mended_object(config, changes)
    details = {change: sorted({detail for kind, detail in changes if kind == change}) for change in _TOLD}
    return mended, tuple(_TOLD[change].format(", ".join(found)) for change, found in details.items() if found)


def in_tf_keras(config: Config) -> Config:
    """The configuration with Keras 2's own modules under the name they now have, `tf_keras`.

    Keras 2.12 to 2.15 wrote `keras.engine.…` and `keras.src.engine.…`, which Keras 3 does not have.
    """
    moved = {key: _in_tf_keras(value) for key, value in config.items()}
    module = moved.get("module")
    if isinstance(module, str) and isinstance(moved.get("class_name"), str):
        moved["module"] = re.sub(r"^keras\.(src\.)?(?=engine\.|layers\.core\.)", "tf_keras.src.", module)
    return moved


def _in_tf_keras(node: object) -> object:
    if isinstance(node, list):
        return [_in_tf_keras(value) for value in node]
    return in_tf_keras(node) if isinstance(node, dict) else node


def _mended(node: object, changes: list[tuple[str, str]]) -> object:
    """A copy of a part of the configuration, mended from the inside out; (kind, detail) of each change is noted."""
    if isinstance(node, list):
        return [_mended(value, changes) for value in node]
    if not isinstance(node, dict):
        return node
    if node.get("class_name") == "function" and _is_activation(node):
        changes.append(("activation", node["config"]))
        return node["config"]
    return _mended_object(node, changes)


def _mended_object(node: Config, changes: list[tuple[str, str]]) -> Config:
    mended = {key: _mended(value, changes) for key, value in node.items() if not _is_for_training(key)}
    for change, mend in _MENDERS.items():
        detail = mend(mended)
        if detail:
            changes.append((change, detail))
    return mended


def _is_for_training(key: str) -> bool:
    """Whether a setting says only how to train: of a model, or of models and layers within it.

    Optimizers, losses and metrics are often users' own; Keras would build them together with the layers.
    """
    return key == "compile_config" or key.endswith(("_regularizer", "_constraint"))


def _drop_augmentation(node: Config) -> str:
    kind, inner = str(node.get("class_name")).split(">")[-1], node.get("config")
    if kind not in AUGMENTATION or not isinstance(inner, dict):
        return ""
    kept = {key: value for key, value in inner.items() if key in _KEPT}
    node.update(class_name="Activation", config={**kept, "activation": "linear"})
    if "module" in node:
        node.update(module="keras.layers", registered_name=None)
    return kind


def _free_batch(node: Config) -> str:
    if node.get("class_name") == "__keras_tensor__":
        return _free_first(node.get("config"), "shape") and ""
    return _free_first(node, "batch_input_shape") or _free_first(node, "batch_shape")


def _free_first(node: object, key: str) -> str:
    """Opens the first size of a shape; returns what it was, or "" where nothing was fixed."""
    if not isinstance(node, dict):
        return ""
    shape = node.get(key)
    if not isinstance(shape, list) or not shape or not isinstance(shape[0], int):
        return ""
    node[key] = [None, *shape[1:]]
    return str(shape[0])


def _drop_mixed_precision(node: Config) -> str:
    inner, dtype = node.get("config"), node.get("dtype")
    if isinstance(dtype, str) and dtype in _REDUCED:
        node["dtype"] = "float32"
        return dtype
    if isinstance(inner, dict) and isinstance(inner.get("name"), str) and inner["name"] in _REDUCED:
        node["config"] = {"name": "float32"}
        return str(inner["name"])
    return ""


_KEPT = ("name", "trainable", "dtype", "batch_input_shape", "batch_shape")
_REDUCED = frozenset(("mixed_float16", "mixed_bfloat16", "float16", "bfloat16"))
_MENDERS: Mapping[str, Callable[[Config], str]] = {
    "augmentation": _drop_augmentation,
    "batch": _free_batch,
    "precision": _drop_mixed_precision,
}
_TOLD = {
    "augmentation": "Layers that only act in training were dropped: {}.",
    "batch": "The model was built for batches of {}; it is converted for one image at a time.",
    "precision": "Mixed precision ({}) was turned off: the model is converted from its float32 weights.",
    "activation": "Activations stored as functions were taken for Keras's own of that name: {}.",
}


def _layer_name(item: Config) -> str:
    inner = item.get("config")
    name = inner.get("name") if isinstance(inner, dict) else None
    return f"{_short(name)!r}" if isinstance(name, str) else ""


def _short(value: object) -> str:
    text = "".join(c if c.isprintable() else "?" for c in str(value))
    return text if len(text) <= 60 else text[:57] + "..."


def _listed(found: set[str]) -> str:
    names = sorted(found)
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
