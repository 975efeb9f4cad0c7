"""What a TensorFlow graph tells where there are no layers to ask: its leading scaling, its first
batch normalization. For SavedModels; Keras models are asked through `keras_layers`.
"""

from collections.abc import Sequence

import numpy as np

from edgekit.converters.sources import checks
from edgekit.converters.sources.protocols import ConcreteFunction, GraphOp, GraphTensor, Traced
from edgekit.converters.sources.source import FirstNorm

_NEUTRAL = frozenset(
    {"Identity", "Cast", "Pad", "PadV2", "MirrorPad", "ResizeBilinear", "StopGradient", "ReverseV2", "StridedSlice"}
)
_STORING = frozenset({"Cast", "Const", "Identity", "Placeholder"})
_GAINS = frozenset({"Mul", "RealDiv", "Div"})
_RESHAPING = frozenset({"Reshape", "ExpandDims"})
_SHIFTS = frozenset({"Add", "AddV2", "Sub", "BiasAdd"})


def freeze(function: Traced) -> ConcreteFunction:
    """A traced TensorFlow function with its variables turned into constants."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    frozen: ConcreteFunction = convert_variables_to_constants_v2(function.get_concrete_function())
    return frozen


def ops_of(frozen: ConcreteFunction, kind: str) -> int:
    """How many ops of the graph are of a kind that begins so."""
    return sum(op.type.startswith(kind) for op in frozen.graph.get_operations())


def half_precision(frozen: ConcreteFunction) -> tuple[str, int]:
    """("float16" or "bfloat16", how many ops compute in it); casts and constants do not count."""
    kinds = [
        op.outputs[0].dtype.name
        for op in frozen.graph.get_operations()
        if op.type not in _STORING and op.outputs and op.outputs[0].dtype.name in ("float16", "bfloat16")
    ]
    return (kinds[0] if kinds else "", len(kinds))


def scales_pixels(frozen: ConcreteFunction) -> bool:
    """Whether the graph begins by shrinking its input by constants, or by only shifting it."""
    gain, shifted, tensor = 1.0, False, frozen.inputs[0]
    while True:
        consumers = tensor.consumers()
        op = consumers[0] if len(consumers) == 1 else None
        if op is None or op.type not in _NEUTRAL | _GAINS | _SHIFTS or _is_norm_part(op):
            return gain < 0.999 or (shifted and gain < 1.001)
        others = [other for other in op.inputs if other is not tensor]
        value = _value(others[0]) if op.type in _GAINS and others else None
        if value is not None:
            size = max(float(np.mean(np.abs(value))), 1e-12)
            gain *= size if op.type == "Mul" else 1 / size
        shifted = shifted or op.type in _SHIFTS
        tensor = op.outputs[0]


def reshapes_first(frozen: ConcreteFunction) -> bool:
    """Whether the graph begins by giving its input another shape, scaling set aside."""
    tensor = frozen.inputs[0]
    while True:
        consumers = tensor.consumers()
        if any(op.type in _RESHAPING and checks.is_whole_image(op.outputs[0].shape) for op in consumers):
            return True
        if len(consumers) != 1 or consumers[0].type not in _NEUTRAL | _GAINS | _SHIFTS | {"Squeeze"}:
            return False
        tensor = consumers[0].outputs[0]


def first_norm(frozen: ConcreteFunction) -> FirstNorm | None:
    """The first batch normalization of a frozen graph, fused or spelled out, or None.

    Spelled out, as Keras 3 does it, it is x·r + (β − mean·r) with r = γ / sqrt(variance + ε).
    """
    for op in frozen.graph.get_operations():
        if op.type.startswith("FusedBatchNorm") and len(op.inputs) == 5:
            return _norm(frozen, op.name, op.inputs[0], op.inputs[3:5])
        if op.type == "Rsqrt" and op.inputs[0].op.type in ("Add", "AddV2") and _depends_on_nothing(op.inputs[0]):
            found = _spelled_out(frozen, op)
            if found is not None:
                return found
    return None


def _spelled_out(frozen: ConcreteFunction, rsqrt: GraphOp) -> FirstNorm | None:
    rate = rsqrt.outputs[0]
    after = [op for op in rate.consumers() if op.type == "Mul"]
    if len(after) == 1 and _depends_on_nothing(after[0].outputs[0]):  # times γ
        rate = after[0].outputs[0]
        after = [op for op in rate.consumers() if op.type == "Mul"]
    factors = [next((value for value in op.inputs if value is not rate), None) for op in after]
    means = [value for value in factors if value is not None and _depends_on_nothing(value)]
    inputs = [value for value in factors if value is not None and not _depends_on_nothing(value)]
    if len(means) != 1 or len(inputs) != 1:
        return None
    return _norm(frozen, rsqrt.name, inputs[0], [means[0], rsqrt.inputs[0].op.inputs[0]])


def _norm(
    frozen: ConcreteFunction, name: str, inputs: GraphTensor, statistics: Sequence[GraphTensor]
) -> FirstNorm | None:
    import tensorflow as tf

    values = [_value(tensor) for tensor in statistics]
    if any(value is None or value.size != inputs.shape[-1] for value in values):
        return None
    mean, variance = (np.asarray(value, np.float32).reshape(-1) for value in values)
    probe = frozen.prune(frozen.inputs[0], inputs)

    def moments(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seen = tf.concat([probe(tf.constant(image[np.newaxis], tf.float32)) for image in images], axis=0)
        seen_mean, seen_variance = tf.nn.moments(seen, axes=list(range(seen.shape.rank - 1)))
        return seen_mean.numpy(), seen_variance.numpy()

    return FirstNorm(_layer(name), mean, variance, moments)


def _layer(operation: str) -> str:
    """The layer's own name in an operation's long one, such as «stem_bn» in «…/b0/stem_bn/batchnorm/Rsqrt»."""
    parts = [part for part in operation.split("/")[:-1] if part != "batchnorm"]
    return parts[-1] if parts else operation


def _is_norm_part(op: GraphOp) -> bool:
    """Whether a multiplication belongs to a batch normalization of the input itself, not to a scaling."""
    return op.type == "Mul" and any(
        "Rsqrt" in {near.type for near in (value.op, *(given.op for given in value.op.inputs))} for value in op.inputs
    )


def _depends_on_nothing(tensor: GraphTensor) -> bool:
    """Whether a tensor is computed from constants alone."""
    pending, seen = [tensor.op], set()
    while pending:
        op = pending.pop()
        if op.type == "Placeholder":
            return False
        if op.name not in seen:
            seen.add(op.name)
            pending.extend(value.op for value in op.inputs)
    return True


def _value(tensor: GraphTensor) -> np.ndarray | None:
    """The constant behind a tensor, through copies of it, or None."""
    import tensorflow as tf

    op = tensor.op
    while op.type in ("Identity", "Cast", "Reshape", "Squeeze"):
        op = op.inputs[0].op
    return np.asarray(tf.make_ndarray(op.get_attr("value"))) if op.type == "Const" else None
