"""Full int8 from ranges of one's own. The only module that knows litert-quantizer."""

import contextlib
import io as streams
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from edgekit.calibration.ranges import Ranges
from edgekit.converters.quantization.minimum_range import widened
from edgekit.converters.quantization.overflow import fit
from edgekit.errors import ConversionError, DataError, UsageError
from edgekit.install import not_importable
from edgekit.preprocess import InputSpec
from edgekit.tflite import Graph, read_graph
from edgekit.tflite.editor import Editor
from edgekit.tflite.ops import computes_in_float
from edgekit.tflite.versions import lower_versions

#: --io → dtype of the model's input and output tensors.
IO_TYPES: Mapping[str, str] = {"uint8": "uint8", "int8": "int8", "float": "float32"}


def quantize_int8(content: bytes, ranges: Ranges, spec: InputSpec, *, io: str = "uint8") -> bytes:
    """Quantizes every op of a float model to int8.

    Convolutions get one weight scale per channel; FULLY_CONNECTED one per tensor, since per-channel
    dense layers need an op version that the Edge TPU compiler does not know. The input's range is the
    one that pixels 0–255 span under `spec`, so that a quantized step is a pixel step.

    Args:
      content: float `.tflite`.
      ranges: a range for every float activation in `content`.
      spec: preprocessing that belongs to `content`; one mean and std for all channels.
      io: a key of IO_TYPES.

    Raises:
      UsageError: `io` is none of these.
      DataError: a tensor has no range.
      ConversionError: an op has no int8 version.
    """
    if io not in IO_TYPES:
        raise UsageError(f"There is no input and output type {io!r}.", f"Choose one of: {', '.join(IO_TYPES)}.")
    graph = read_graph(content)
    quantized = _run(content, _recipe(io), _calibration(graph, ranges, spec))
    result = _normalized(read_graph(quantized), graph)
    _check_full_int8(result, io)
    return result.content


def pixel_range(spec: InputSpec) -> tuple[float, float]:
    """What pixels 0 and 255 become, over all channels."""
    lows = [(0.0 - mean) / std for mean, std in zip(spec.mean, spec.std, strict=True)]
    highs = [(255.0 - mean) / std for mean, std in zip(spec.mean, spec.std, strict=True)]
    return min(lows), max(highs)


def float_ops(graph: Graph) -> tuple[str, ...]:
    """The ops that compute in float, by name; QUANTIZE and DEQUANTIZE at the model's ends are none."""
    return tuple(op.opcode for op in graph.ops if computes_in_float(graph, op))


def _recipe(io: str) -> list[dict[str, Any]]:
    quantizer, qtyping = _library()
    names, granularity = qtyping.TFLOperationName, qtyping.QuantGranularity
    recipe = quantizer.recipe_manager.RecipeManager()
    for op, weights, activations in (
        (names.ALL_SUPPORTED, granularity.CHANNELWISE, qtyping.TensorDataType.INT),
        (names.FULLY_CONNECTED, granularity.TENSORWISE, qtyping.TensorDataType.INT),
        *(
            (end, granularity.CHANNELWISE, qtyping.TensorDataType.UINT)
            for end in (names.INPUT, names.OUTPUT)
            if io == "uint8"
        ),
    ):
        config = qtyping.OpQuantizationConfig(
            activation_tensor_config=qtyping.TensorQuantizationConfig(8, symmetric=False, dtype=activations),
            weight_tensor_config=qtyping.TensorQuantizationConfig(8, symmetric=True, granularity=weights),
            compute_precision=qtyping.ComputePrecision.INTEGER,
        )
        recipe.add_quantization_config(".*", op, config)
    if io == "float":
        for end in (names.INPUT, names.OUTPUT):
            recipe.add_quantization_config(".*", end, algorithm_key=quantizer.AlgorithmName.NO_QUANTIZE)
    return list(recipe.get_quantization_recipe())


def _library() -> tuple[Any, Any]:
    try:
        from litert_quantizer import qtyping, quantizer
    except ImportError as error:
        raise not_importable("Quantizing", "litert-quantizer", "convert", error) from error
    return quantizer, qtyping


def _calibration(graph: Graph, ranges: Ranges, spec: InputSpec) -> dict[str, dict[str, np.ndarray]]:
    """litert-quantizer's calibration result: tensor name → min and max, arrays of the tensor's rank.

    Constants get no entry: with ranges of their own their quantization silently loses accuracy.
    """
    activations = [graph.tensors[i] for i in graph.inputs]
    activations += [tensor for op in graph.ops for tensor in graph.op_outputs(op)]
    activations = [tensor for tensor in activations if tensor.dtype == "float32"]
    bounds = {}
    for tensor in activations:
        known = pixel_range(spec) if tensor.index in graph.inputs else ranges.bounds.get(tensor.name)
        if known is None:
            raise DataError(
                f"The ranges hold none for tensor {tensor.name!r}.", "They belong to another model: calibrate anew."
            )
        bounds[tensor.name] = known
    bounds = widened(graph, bounds)
    shapes = {tensor.name: (1,) * len(tensor.shape) for tensor in activations}
    return {
        name: {
            "min": np.full(shapes[name], low, np.float32),
            "max": np.full(shapes[name], high, np.float32),
        }
        for name, (low, high) in bounds.items()
    }


def _run(content: bytes, recipe: list[dict[str, Any]], calibration: dict[str, dict[str, np.ndarray]]) -> bytes:
    quantizer, _ = _library()
    try:
        # Its progress bar and its warning about memory cannot be switched off.
        with warnings.catch_warnings(), contextlib.redirect_stderr(streams.StringIO()):
            warnings.simplefilter("ignore")
            job = quantizer.Quantizer(bytearray(content), recipe)
            result = job.quantize(calibration, enable_progress_bar=False, enable_progress_report=False)
    except Exception as error:  # the library raises bare ValueErrors and RuntimeErrors for everything
        reason = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise ConversionError(f"litert-quantizer could not quantize the model: {reason}") from error
    return bytes(result.quantized_model)


def _normalized(quantized: Graph, floats: Graph) -> Graph:
    """The quantizer's model with biases that fit and right op versions.

    It leaves the weights behind the flatbuffer and new ops without the old form of their code, neither of which the
    Edge TPU compiler's reader of 2021 knows; packing anew puts both right.
    """
    editor = Editor(quantized)
    fit(editor, floats)
    lower_versions(editor)
    return editor.finish()


def _check_full_int8(graph: Graph, io: str) -> None:
    remaining = float_ops(graph)
    if remaining:
        kinds = ", ".join(sorted(set(remaining)))
        raise ConversionError(
            f"{len(remaining)} ops have no int8 version and would stay in float: {kinds}.",
            "One float op ends the Edge TPU's part of a model: replace these layers.",
        )
    for index in graph.inputs + graph.outputs:
        if graph.tensors[index].dtype != IO_TYPES[io]:
            raise ConversionError(f"The input or output came out as {graph.tensors[index].dtype}, not {IO_TYPES[io]}.")
