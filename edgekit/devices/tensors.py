"""From pixels to a model's input tensor, and from its output tensor to probabilities."""

from typing import Callable, List, Optional, Sequence, Tuple, Union

import numpy as np

from edgekit.errors import ModelError, PreprocessingError, UnsupportedModelError
from edgekit.preprocess import CONVENTIONS, InputSpec, normalize, parse_preprocess
from edgekit.tflite.graph import Graph, Tensor
from edgekit.tflite.metadata import Metadata, is_image, pixel_input
from edgekit.tflite.ops import facts_of
from edgekit.tflite.patterns import computed_by, score_head
from edgekit.tflite.quant import LIMITS, dequantize, quantize

# A compiled model shows nothing else of its softmax.
_SOFTMAX_SCALE, _ = facts_of("SOFTMAX").fixed_output or (0, 0)
# Ops that an embedding extractor ends with, where a classifier's layer of weights would follow.
_POOLING = ("AVERAGE_POOL_2D", "MAX_POOL_2D", "MEAN", "L2_NORMALIZATION")
# Ops that make features of an image, activations among them.
_FEATURES = ("CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "MUL", "CONCATENATION", "HARD_SWISH", "RELU", "RELU6", "GELU")

#: uint8 pixels (height, width, channels) → the input tensor (1, height, width, channels).
Encoder = Callable[[np.ndarray], np.ndarray]
#: The output tensor's value → float32 (classes,).
Decoder = Callable[[np.ndarray], np.ndarray]
#: The output tensor's value, k → the k most probable classes as (index, probability), best first.
Ranker = Callable[[np.ndarray, int], List[Tuple[int, float]]]


def input_tensor(graph: Graph) -> Tensor:
    """The graph's only input. Raises UnsupportedModelError where it is not one image."""
    if len(graph.inputs) != 1:
        raise UnsupportedModelError(f"The model takes {len(graph.inputs)} inputs; a classifier takes one image.")
    tensor = graph.tensors[graph.inputs[0]]
    if not is_image(tensor) or -1 in tensor.signature[1:] or tensor.dtype not in ("float32", *LIMITS):
        raise UnsupportedModelError(
            f"The model's input is {tensor.dtype} of shape {list(tensor.signature)}, not one image of a known size.",
            "edgekit runs models whose input is (1, height, width, 3 or 1), in float32 or 8 bits.",
        )
    return tensor


def output_tensor(graph: Graph) -> Tensor:
    """The graph's only output. Raises UnsupportedModelError where it is not one score for each class."""
    tensors = [graph.tensors[i] for i in graph.outputs]
    if len(tensors) == 1 and _is_list_of_scores(tensors[0]):
        return tensors[0]
    shapes = ", ".join(f"{tensor.dtype} {list(tensor.shape)}" for tensor in tensors) or "none"
    raise UnsupportedModelError(
        f"The model is not an image classifier: {_looks_like(graph)} (outputs: {shapes}).",
        "A classifier has one output, (1, classes).",
    )


def check_classes(graph: Graph, labels: Sequence[str]) -> None:
    """Raises UnsupportedModelError where the output is an embedding: pooled features, which nobody has named."""
    op = computed_by(graph, graph.outputs[0])
    if labels or op is None or op.opcode not in _POOLING:
        return
    while op is not None and op.opcode in _POOLING:
        op = computed_by(graph, op.inputs[0])
    if op is not None and op.opcode in _FEATURES:
        raise UnsupportedModelError(
            "The model is an embedding extractor: it ends with pooled features, not with a layer that makes classes.",
            "If these are classes after all, name them with labels= (--labels).",
        )


def _is_list_of_scores(tensor: Tensor) -> bool:
    if len(tensor.shape) < 2 or tensor.elements != tensor.shape[-1]:
        return False
    return tensor.dtype == "float32" or (tensor.dtype in LIMITS and tensor.quant is not None)


def _looks_like(graph: Graph) -> str:
    shapes = [graph.tensors[i].shape for i in graph.outputs]
    if "TFLite_Detection_PostProcess" in graph.op_counts() or len(shapes) == 4:
        return "it looks like an object detector"
    if len(shapes) != 1:
        return f"it has {len(shapes)} outputs"
    if graph.tensors[graph.outputs[0]].dtype in ("int32", "int64"):
        return "it answers with class numbers instead of scores"
    if len([n for n in shapes[0][1:] if n > 1]) > 1:
        return "its output is a map, as of segmentation, pose or features"
    return "its output is no list of scores"


def input_spec(tensor: Tensor, metadata: Metadata, preprocess: Optional[Union[str, InputSpec]]) -> InputSpec:
    """How images become the input: as the caller says, else as the model says, else raw for 8 bits.

    Raises:
      PreprocessingError: neither says it, and the input does not imply it; or it is for another size.
    """
    known = metadata.input or pixel_input(tensor)
    if isinstance(preprocess, str):
        preprocess = parse_preprocess(preprocess, known or plain_input(tensor))
    spec = preprocess or known
    if spec is None:
        raise PreprocessingError(
            "The model does not say how its images must be scaled.",
            f"Say it with preprocess= (--preprocess): one of {', '.join(CONVENTIONS)}, or mean,std.",
        )
    if spec.shape != tensor.shape[1:]:
        raise PreprocessingError(f"The preprocessing is for {spec.shape}, the model's input is {tensor.shape[1:]}.")
    return spec


def plain_input(tensor: Tensor) -> InputSpec:
    """The input's size, its scaling left open: pixels as they are."""
    _, height, width, channels = tensor.shape
    return InputSpec(height, width, channels, (0.0,) * channels, (1.0,) * channels)


def encoder(tensor: Tensor, spec: InputSpec) -> Encoder:
    """The function that turns fitted pixels into the input tensor.

    A quantized input has 256 possible values for each channel, so that scaling and quantizing become
    one table; where that table is the identity, pixels go in untouched.
    """
    if tensor.dtype == "float32":
        return lambda pixels: normalize(pixels, spec)[np.newaxis]
    table, channels = quantized_levels(tensor, spec), np.arange(spec.channels)
    flip = slice(None, None, -1 if spec.order == "bgr" else 1)
    if tensor.dtype == "uint8" and np.all(table == np.arange(256)[:, np.newaxis]):
        return lambda pixels: pixels[np.newaxis, ..., flip]
    if tensor.dtype == "int8" and np.all(table == np.arange(-128, 128)[:, np.newaxis]):
        # p - 128 in two's complement: one bit, where the table's lookup costs a millisecond for each image.
        return lambda pixels: (pixels[np.newaxis, ..., flip] ^ 128).view(np.int8)
    return lambda pixels: table[pixels[..., flip], channels][np.newaxis]


def quantized_levels(tensor: Tensor, spec: InputSpec) -> np.ndarray:
    """Quantized value of each pixel level, (256, channels), in the model's channel order."""
    levels = np.repeat(np.arange(256.0)[:, np.newaxis], spec.channels, axis=1)
    scale, zero = (tensor.quant.scale[0], tensor.quant.zero_point[0]) if tensor.quant else (1.0, 0)
    values = (levels - np.array(spec.mean)) / np.array(spec.std)
    plain = levels + LIMITS[tensor.dtype][0]
    # With mean 127.5 every level lies half-way between two steps: the pixel itself is as near as its
    # neighbour, and evenly spaced.
    if np.abs(values / scale + zero - plain).max() <= 0.501:
        return plain.astype(tensor.dtype)
    return quantize(values, scale, zero, tensor.dtype)


def output_meaning(graph: Graph, metadata: Metadata) -> str:
    """ "probabilities" or "logits": as the metadata says, else by how the graph ends."""
    if metadata.output:
        return metadata.output
    tensor = graph.tensors[graph.outputs[0]]
    if tensor.quant and tensor.quant.scale[0] == _SOFTMAX_SCALE and tensor.quant.zero_point[0] in (0, -128):
        return "probabilities"
    return "probabilities" if score_head(graph).normalizer else "logits"


def probabilities(raw: np.ndarray, tensor: Tensor, meaning: str) -> np.ndarray:
    """The output tensor's value as float32 probabilities (classes,), see `decoder`."""
    return decoder(tensor, meaning)(raw)


def decoder(tensor: Tensor, meaning: str) -> Decoder:
    """The function that turns the output tensor's value into float32 probabilities (classes,).

    An output of 8 bits has 256 possible values, so that what they stand for is one table. A single sigmoid value p is
    the second of two classes: (1 - p, p). The function raises ModelError where the output is not finite.
    """
    real = _dequantizer(tensor)
    if meaning == "logits":
        return lambda raw: _softmax(_pair(real(raw)) if raw.size == 1 else real(raw))
    return lambda raw: _complement(real(raw)) if raw.size == 1 else real(raw)


def ranker(tensor: Tensor, meaning: str) -> Ranker:
    """The function that finds the most probable classes, the lower index first among equals. It raises as `decoder`'s.

    Probabilities of 8 bits are in the order of their bytes, so that only those asked for need to be looked up: an
    inference leaves the caches to the model, and each of numpy's functions costs ten times what it does in a loop.
    """
    if meaning == "probabilities" and tensor.elements > 1 and tensor.dtype in ("uint8", "int8"):
        levels = _levels(tensor).tolist()
        return lambda raw, k: [(i, levels[raw.item(i)]) for i in _first(~raw.ravel(), k)]
    decode = decoder(tensor, meaning)

    def best(raw: np.ndarray, k: int) -> List[Tuple[int, float]]:
        scores = decode(raw)
        return [(i, scores.item(i)) for i in _first(-scores, k)]

    return best


def _first(values: np.ndarray, k: int) -> List[int]:
    """Where the `k` lowest are, in order."""
    # Sorting all of 1000 costs less than the calls that pick the few to sort: 18 against 74 µs, measured.
    return list(values.argsort(kind="stable")[:k].tolist())


def _dequantizer(tensor: Tensor) -> Decoder:
    if tensor.quant is None or tensor.dtype == "float32":
        return _finite
    if tensor.dtype in ("uint8", "int8"):
        levels = _levels(tensor)
        return lambda raw: levels[raw.ravel()]
    scale, zero = tensor.quant.scale[0], tensor.quant.zero_point[0]
    return lambda raw: dequantize(raw.ravel(), scale, zero)


def _levels(tensor: Tensor) -> np.ndarray:
    """What the 256 values of a tensor of 8 bits stand for; the negative ones count from the end."""
    assert tensor.quant is not None  # `output_tensor` takes no other
    values = np.arange(256, dtype=np.uint8).view(tensor.dtype)
    return dequantize(values, tensor.quant.scale[0], tensor.quant.zero_point[0])


def _finite(raw: np.ndarray) -> np.ndarray:
    values = raw.ravel()
    if not np.all(np.isfinite(values)):
        raise ModelError("The model answered with values that are no numbers.", "Is its preprocessing the right one?")
    return values


def _pair(logit: np.ndarray) -> np.ndarray:
    # softmax([0, x]) is the sigmoid of x, so that one logit needs no formula of its own.
    return np.array([0, *logit], np.float32)


def _complement(values: np.ndarray) -> np.ndarray:
    (value,) = values
    return np.array([1 - value, value], np.float32)


def _softmax(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits - logits.max())
    result: np.ndarray = exponentials / exponentials.sum()
    return result
