"""A Keras model's configuration as plain JSON: checked and mended before any of it is built.

Keras builds a model by instantiating what its configuration names. So everything that could run
code is found here, in the JSON, and everything that only matters for training (augmentation, fixed
batch sizes, mixed precision) is removed here, so that it cannot stop a load in another version.
"""

from typing import Any, Callable, Collection, Dict, Iterator, List, Set, Tuple

from edgekit.errors import UnsafeModelError, UnsupportedModelError

Config = Dict[str, Any]

#: Layers that do nothing at inference. RandomCrop, AutoContrast and Equalization are not among
#: them: they change pictures at inference too.
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
_KERAS_MODULES = ("keras", "tf_keras", "tensorflow", "builtins")
_REMEDY = (
    "If you trust its author, allow it with --trust; otherwise load it where it was written and save what it computes: "
    "`model.export('folder')`, then convert that folder."
)


def objects(node: Any) -> Iterator[Config]:
    """All serialized objects (dictionaries that name a class) anywhere inside, outermost first."""
    if isinstance(node, dict):
        if isinstance(node.get("class_name"), str):
            yield node
        for value in node.values():
            yield from objects(value)
    elif isinstance(node, list):
        for value in node:
            yield from objects(value)


def refuse_code(config: Config, name: str) -> None:
    """Raises UnsafeModelError where building the configuration could run code of the file's choice."""
    found: Set[str] = set()
    for item in objects(config):
        reason = _code_in(item)
        if reason:
            found.add(reason)
    if found:
        raise UnsafeModelError(f"{name} would run code when opened: {_listed(found)}.", _REMEDY)


def _code_in(item: Config) -> str:
    kind = item["class_name"]
    inner = item.get("config")
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


def _is_harmless(inner: Any) -> bool:
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
        and not str(item.get("module")).startswith(("keras.src.ops", "keras.ops"))
    }
    if found:
        raise UnsupportedModelError(
            f"{name} uses layers that are not Keras's own, so what they compute is not in the file: {_listed(found)}.",
            "Load it where it was written and save what it computes, `model.export('folder')`, then convert that folder.",
        )


def for_inference(config: Config) -> Tuple[Config, Tuple[str, ...]]:
    """The configuration without what only matters for training.

    Augmentation layers become identities under their own names, fixed batches become free, mixed
    precision becomes float32, activations stored as functions become their names.

    Returns:
      (configuration, notes for the user).
    """
    notes: List[str] = []
    mended = _mend(config, notes)
    return mended, tuple(dict.fromkeys(notes))


def _mend(node: Any, notes: List[str]) -> Any:
    if isinstance(node, list):
        return [_mend(value, notes) for value in node]
    if not isinstance(node, dict):
        return node
    if node.get("class_name") == "function" and _is_activation(node):
        return node["config"]
    mended = {key: _mend(value, notes) for key, value in node.items()}
    for mend in _MENDERS:
        mend(mended, notes)
    return mended


def _drop_augmentation(node: Config, notes: List[str]) -> None:
    kind = node.get("class_name")
    if not isinstance(kind, str) or kind.split(">")[-1] not in AUGMENTATION or not isinstance(node.get("config"), dict):
        return
    kept = ("name", "trainable", "dtype", "batch_input_shape", "batch_shape")
    node["config"] = {key: value for key, value in node["config"].items() if key in kept}
    node["config"]["activation"] = "linear"
    node["class_name"] = "Activation"
    if "module" in node:
        node.update(module="keras.layers", registered_name=None)
    notes.append(f"Layers that only act in training were dropped ({kind.split('>')[-1]}).")


def _free_batch(node: Config, notes: List[str]) -> None:
    for key in ("batch_input_shape", "batch_shape"):
        shape = node.get(key)
        if isinstance(shape, list) and shape and isinstance(shape[0], int):
            notes.append(f"The model was built for batches of {shape[0]}; edgekit runs it on one picture at a time.")
            node[key] = [None, *shape[1:]]
    if node.get("class_name") == "__keras_tensor__" and isinstance(node.get("config"), dict):
        shape = node["config"].get("shape")
        if isinstance(shape, list) and shape:
            node["config"]["shape"] = [None, *shape[1:]]


def _drop_mixed_precision(node: Config, notes: List[str]) -> None:
    inner = node.get("config")
    if isinstance(node.get("dtype"), str) and node["dtype"] in _REDUCED:
        node["dtype"] = "float32"
    elif isinstance(inner, dict) and isinstance(inner.get("name"), str) and inner["name"] in _REDUCED:
        node["config"] = {"name": "float32"}
    else:
        return
    notes.append("Mixed precision was turned off: the model is converted from its float32 weights.")


_REDUCED = frozenset(("mixed_float16", "mixed_bfloat16", "float16", "bfloat16"))
_MENDERS: Tuple[Callable[[Config, List[str]], None], ...] = (_drop_augmentation, _free_batch, _drop_mixed_precision)


def _layer_name(item: Config) -> str:
    inner = item.get("config")
    name = inner.get("name") if isinstance(inner, dict) else None
    return f"{_short(name)!r}" if isinstance(name, str) else ""


def _short(value: Any) -> str:
    text = "".join(c if c.isprintable() else "?" for c in str(value))
    return text if len(text) <= 60 else text[:57] + "..."


def _listed(found: Set[str]) -> str:
    names = sorted(found)
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
