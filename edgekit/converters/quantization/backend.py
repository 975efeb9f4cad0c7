"""Full int8 from ranges of one's own. The only module that knows litert-quantizer."""

import contextlib
import io as streams
import warnings
from collections.abc import Mapping
from types import ModuleType

import numpy as np

from edgekit.calibration.ranges import Bounds, Ranges
from edgekit.converters.quantization.minimum_range import widened
from edgekit.converters.quantization.overflow import fit_biases
from edgekit.converters.quantization.stand_ins import STAND_INS, disguised, undisguised
from edgekit.errors import ConversionError, DataError, UsageError
from edgekit.install import not_importable
from edgekit.memory import check_room_for_scipy
from edgekit.preprocess import InputSpec
from edgekit.tflite import Graph, QuantParams, read_graph
from edgekit.tflite.editor import Editor
from edgekit.tflite.graph import Op
from edgekit.tflite.ops import computes_in_float, facts
from edgekit.tflite.quant import LIMITS
from edgekit.tflite.versions import is_known, lower_versions

#: The release of the Edge TPU compiler that must be able to read what is written: the last one.
COMPILER = "16.0"
#: --io → dtype of the model's input and output tensors.
IO_TYPES: Mapping[str, str] = {"uint8": "uint8", "int8": "int8", "float": "float32"}


def quantize_int8(
    graph: Graph, ranges: Ranges, spec: InputSpec, *, io: str = "uint8", allow_float: bool = False
) -> Graph:
    """Quantizes every op of a float model to int8.

    Convolutions get one weight scale per channel; FULLY_CONNECTED one per tensor, since per-channel
    dense layers need an op version that the Edge TPU compiler does not know. The input's range is the
    one that pixels 0–255 span under `spec`, so that a quantized step is a pixel step.

    Args:
      graph: the float model.
      ranges: a range for every float activation in `graph`.
      spec: preprocessing that belongs to `graph`; one mean and std for all channels.
      io: a key of IO_TYPES.
      allow_float: leave ops that have no int8 form in float, with casts around them, and others in forms that the
        Edge TPU compiler cannot read.

    Raises:
      UsageError: `io` is none of these.
      DataError: a tensor has no range.
      ConversionError: an op has no int8 version.
    """
    if io not in IO_TYPES:
        raise UsageError(f"There is no input and output type {io!r}.", f"Choose one of: {', '.join(IO_TYPES)}.")
    bounds = activation_bounds(graph, ranges, spec)
    return fit_biases(as_quantized(graph, bounds, io=io, allow_float=allow_float), graph)


def as_quantized(
    graph: Graph,
    bounds: Mapping[str, Bounds],
    *,
    io: str = "uint8",
    final: bool = True,
    allow_float: bool = False,
) -> Graph:
    """What the quantizer makes of these ranges (tensor name → low, high).

    Args:
      final: give the file the form that edgekit keeps: weights within the flatbuffer, the op versions that types need,
        no float op.
      allow_float: see `quantize_int8`.

    Raises:
      ConversionError: it cannot.
    """
    shapes = {tensor.name: (1,) * len(tensor.shape) for tensor in graph.tensors}
    # Arrays of the tensor's rank. Constants get none: with ranges of their own their quantization loses accuracy.
    calibration = {
        name: {end: np.full(shapes[name], value, np.float32) for end, value in zip(("min", "max"), pair, strict=True)}
        for name, pair in bounds.items()
    }
    quantized = read_graph(undisguised(_run(disguised(graph.content), _recipe(io), calibration)))
    if not final:
        return quantized
    # The quantizer leaves the weights behind the flatbuffer and new ops without the old form of their code, neither
    # of which the Edge TPU compiler's reader of 2021 knows; packing anew puts both right.
    editor = Editor(quantized)
    lower_versions(editor, compiler_version=None if allow_float else COMPILER)
    result = editor.finish()
    _check_ends(result, io)
    if not allow_float:
        _check_full_int8(result)
    return result


def with_smaller_weights(graph: Graph, precision: str) -> Graph:
    """A float model whose weights are stored in "float16", or in int8 ("dynamic"); inputs and outputs stay float.

    Raises ConversionError where the quantizer cannot.
    """
    quantizer, qtyping = _library()
    recipe = quantizer.recipe_manager.RecipeManager()
    if precision == "dynamic":
        recipe.add_dynamic_config(".*", qtyping.TFLOperationName.ALL_SUPPORTED, num_bits=8)
    else:
        config = qtyping.OpQuantizationConfig(
            weight_tensor_config=qtyping.TensorQuantizationConfig(16, dtype=qtyping.TensorDataType.FLOAT),
            compute_precision=qtyping.ComputePrecision.FLOAT,
            explicit_dequantize=True,
        )
        casting = quantizer.AlgorithmName.FLOAT_CASTING
        recipe.add_quantization_config(".*", qtyping.TFLOperationName.ALL_SUPPORTED, config, algorithm_key=casting)
    result = read_graph(_run(graph.content, list(recipe.get_quantization_recipe()), None))
    return Editor(result).finish()  # weights within the flatbuffer


def pixel_range(spec: InputSpec) -> tuple[float, float]:
    """What pixels 0 and 255 become, over all channels."""
    lows = [(0.0 - mean) / std for mean, std in zip(spec.mean, spec.std, strict=True)]
    highs = [(255.0 - mean) / std for mean, std in zip(spec.mean, spec.std, strict=True)]
    return min(lows), max(highs)


def float_ops(graph: Graph) -> tuple[str, ...]:
    """The ops that compute in float, by name; QUANTIZE and DEQUANTIZE at the model's ends are none."""
    return tuple(op.opcode for op in graph.ops if computes_in_float(graph, op))


def without_int8(graph: Graph) -> tuple[Op, ...]:
    """The ops of a float model that have no int8 form which the Edge TPU compiler can read."""
    known = _known_ops()
    return tuple(
        op
        for op in graph.ops
        if computes_in_float(graph, op) and not (op.opcode in known and is_known(op.opcode, COMPILER))
    )


def _known_ops() -> frozenset[str]:
    """The ops that are quantized, by the quantizer or with a stand-in."""
    _, qtyping = _library()
    from litert_quantizer.utils.tfl_flatbuffer_utils import TFL_OP_NAME_TO_CODE

    numbers = set(TFL_OP_NAME_TO_CODE.values())
    return frozenset(STAND_INS).union(n for n, number in vars(qtyping.BuiltinOperator).items() if number in numbers)


def _recipe(io: str) -> list[dict[str, object]]:
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


def _library() -> tuple[ModuleType, ModuleType]:
    check_room_for_scipy()
    try:
        from litert_quantizer import qtyping, quantizer
    except ImportError as error:
        raise not_importable("Quantizing", "litert-quantizer", "convert", error) from error
    return quantizer, qtyping


def activation_bounds(graph: Graph, ranges: Ranges, spec: InputSpec) -> dict[str, Bounds]:
    """Tensor name → (low, high) of every float activation, as kernels take them; the input's is that of its pixels.

    Raises DataError where a tensor has no range.
    """
    activations = [graph.tensors[i] for i in graph.inputs]
    activations += [tensor for op in graph.ops for tensor in graph.op_outputs(op)]
    bounds = {}
    for tensor in (tensor for tensor in activations if tensor.dtype == "float32"):
        known = pixel_range(spec) if tensor.index in graph.inputs else ranges.bounds.get(tensor.name)
        if known is None:
            raise DataError(
                f"The ranges hold none for tensor {tensor.name!r}.", "They belong to another model: calibrate anew."
            )
        bounds[tensor.name] = known
    return widened(graph, bounds | _fixed_bounds(graph))


def _fixed_bounds(graph: Graph) -> dict[str, Bounds]:
    """The ranges that kernels want of some outputs, where the quantizer does not know it."""
    fixed = [(op, facts(op).fixed_output) for op in graph.ops if op.opcode in STAND_INS]
    lowest, highest = LIMITS["int8"]
    return {
        graph.tensors[op.outputs[0]].name: ((lowest - wanted[1]) * wanted[0], (highest - wanted[1]) * wanted[0])
        for op, wanted in fixed
        if wanted
    }


def activation_params(low: float, high: float, dtype: str) -> QuantParams:
    """Scale and zero point that the quantizer gives an activation with this range.

    Args:
      dtype: "int8" or "uint8".
    """
    arithmetic, qtyping = _arithmetic()
    zero_point, scale = arithmetic.tensor_zp_scale_from_min_max(
        np.full(1, low, np.float32),
        np.full(1, high, np.float32),
        num_bits=8,
        symmetric=False,
        granularity=qtyping.QuantGranularity.TENSORWISE,
        signed=dtype == "int8",
    )
    return QuantParams((float(scale[0]),), (int(zero_point[0]),), 0)


def bias_params(bias: np.ndarray, source: QuantParams, weights: QuantParams) -> tuple[QuantParams, np.ndarray]:
    """Scales that the quantizer gives a bias, and the bias in their steps, int32 (out,).

    Args:
      bias: float32 (out,).
      source, weights: those of the layer's input and of its weights.
    """
    arithmetic, qtyping = _arithmetic()
    steps = [
        qtyping.UniformQuantParams(
            num_bits=8,
            quantized_dimension=None,
            scale=np.array(params.scale, np.float32),
            zero_point=np.array(params.zero_point, np.int32),
        )
        for params in (source, weights)
    ]
    with np.errstate(invalid="ignore"):  # a bias that does not fit; `fit_biases` sees to it
        found = arithmetic.symmetric_quantize_bias_tensor(bias.ravel(), *steps)
    scale, zero_point = tuple(found.scale.astype(np.float32).tolist()), tuple(found.zero_point.tolist())
    return QuantParams(scale, zero_point, 0), found.quantized_data


def _arithmetic() -> tuple[ModuleType, ModuleType]:
    """The quantizer's own arithmetic, so that what is filled in is what it would have written."""
    from litert_quantizer import qtyping
    from litert_quantizer.algorithms.uniform_quantize import uniform_quantize_tensor

    return uniform_quantize_tensor, qtyping


def _run(
    content: bytes, recipe: list[dict[str, object]], calibration: dict[str, dict[str, np.ndarray]] | None
) -> bytes:
    quantizer, _ = _library()
    try:
        # Its progress bar and its warning about memory cannot be switched off.
        with warnings.catch_warnings(), contextlib.redirect_stderr(streams.StringIO()):
            warnings.simplefilter("ignore")
            job = quantizer.Quantizer(bytearray(content), recipe)
            # It would run the float model to see whether a range is missing; with stand-ins in it, nothing runs it.
            job._ensure_model_qsv_sufficient = lambda _: None
            result = job.quantize(calibration, enable_progress_bar=False, enable_progress_report=False)
    except Exception as error:  # the library raises bare ValueErrors and RuntimeErrors for everything
        reason = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise ConversionError(f"litert-quantizer could not quantize the model: {reason}") from error
    return bytes(result.quantized_model)


def _check_full_int8(graph: Graph) -> None:
    remaining = float_ops(graph)
    if remaining:
        kinds = ", ".join(sorted(set(remaining)))
        raise ConversionError(
            f"{len(remaining)} ops have no int8 version and would stay in float: {kinds}.",
            "One float op ends the Edge TPU's part of a model: replace these layers. For phones and CPUs, "
            "--allow-float leaves them in float.",
        )


def _check_ends(graph: Graph, io: str) -> None:
    for index in graph.inputs + graph.outputs:
        if graph.tensors[index].dtype != IO_TYPES[io]:
            raise ConversionError(f"The input or output came out as {graph.tensors[index].dtype}, not {IO_TYPES[io]}.")
