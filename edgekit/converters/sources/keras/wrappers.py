"""Layers that TensorFlow Model Optimization wraps around others while it trains: a model is saved without them."""

from collections import Counter
from collections.abc import Mapping

from edgekit.converters.sources.keras.configuration import Config, objects
from edgekit.errors import UnsupportedModelError

_QUANTIZED = (
    "was trained quantization-aware",
    "Copy its weights into the model from before `quantize_model`, and convert that: edgekit finds ranges of its own. "
    "Or let `tf.lite.TFLiteConverter` take the ranges of the training, with optimizations=[tf.lite.Optimize.DEFAULT].",
)
_PRUNED = (
    "was saved with the wrappers of pruning",
    "Save it without: `tfmot.sparsity.keras.strip_pruning(model).save('model.h5')`; then convert that.",
)
_CLUSTERED = (
    "was saved with the wrappers of weight clustering",
    "Save it without: `tfmot.clustering.keras.strip_clustering(model).save('model.h5')`; then convert that.",
)
#: Class name → (what such a model is, the way out).
_WRAPPERS: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(("QuantizeWrapper", "QuantizeWrapperV2", "QuantizeLayer", "QuantizeAnnotate"), _QUANTIZED),
    "PruneLowMagnitude": _PRUNED,
    "ClusterWeights": _CLUSTERED,
    "ClusterWeightsMHA": _CLUSTERED,
}


def refuse_wrappers(config: Config, name: str) -> None:
    """Raises UnsupportedModelError, with the way out, where a model was saved with such layers around its own."""
    found = Counter(str(item["class_name"]).split(">")[-1] for item in objects(config))
    kinds = [kind for kind in _WRAPPERS if kind in found]
    if kinds:
        what, remedy = _WRAPPERS[kinds[0]]
        raise UnsupportedModelError(f"{name} {what} ({', '.join(f'{found[kind]} {kind}' for kind in kinds)}).", remedy)


def refuse_fake_quantization(name: str, count: int) -> None:
    """Raises UnsupportedModelError where a graph holds ops of quantization-aware training."""
    if count:
        what, remedy = _QUANTIZED
        raise UnsupportedModelError(f"{name} {what} ({count} fake-quantization ops).", remedy)
