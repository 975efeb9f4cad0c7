"""Reading a `.tflite` file into a `Graph`. All checks of the file stand here, at the door."""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Dict, List, Optional, Tuple, Union

import numpy as np

from edgekit.errors import ModelFormatError, UnsupportedModelError
from edgekit.files import MAX_MODEL_BYTES, open_regular, read_bytes
from edgekit.terminal import command
from edgekit.tflite.flat import Table
from edgekit.tflite.graph import Graph, Op, QuantParams, Tensor
from edgekit.tflite.options import enum_names, numbers, op_options

if TYPE_CHECKING:
    import tflite

IDENTIFIER = b"TFL3"

# Bytes that the smallest file has, among them its mark.
_HEAD = 33

# First bytes of what is given in place of a .tflite: HDF5 (.h5) and zip archives (.keras).
_KERAS_MARKS = (b"\x89HDF\r\n\x1a\n", b"PK\x03\x04")

# TFLite's kernels stop at 8 dimensions; more than this is damage.
_MAX_RANK = 16


def read_graph(model: Union[str, Path, bytes]) -> Graph:
    """Reads a `.tflite` file, or its bytes, and checks that every index and buffer in it exists.

    Raises:
      ModelFormatError: no such file, not a `.tflite`, truncated or damaged.
    """
    content, name = _content(model)
    try:
        return _read(content)
    except ModelFormatError as error:
        raise ModelFormatError(f"{name}: {error.message}", error.hint) from None
    except Exception as error:  # a damaged flatbuffer fails in any way its bytes dictate
        raise ModelFormatError(
            f"{name} is damaged: its tables point outside the file ({type(error).__name__}).",
            "Copy or download it again.",
        ) from error


def constant(graph: Graph, tensor: Tensor) -> np.ndarray:
    """The stored value of a constant tensor, as a read-only array of its shape.

    Raises:
      ModelFormatError: the tensor is no constant, or has a dtype numpy cannot hold.
      UnsupportedModelError: it is sparse.
    """
    from tflite.Model import Model

    if tensor.is_sparse:
        raise UnsupportedModelError(
            f"Tensor {tensor.index} ({tensor.name}) is stored sparse, its zeros left out, which edgekit does not read.",
            "Convert the trained model again without sparsity (no `EXPERIMENTAL_SPARSITY` among the optimizations).",
        )

    if not tensor.is_constant or tensor.dtype not in numpy_dtypes():
        raise ModelFormatError(f"Tensor {tensor.index} ({tensor.dtype}) holds no constant numbers.")
    raw = _data(Model.GetRootAs(graph.content, 0).Buffers(tensor.buffer), graph.content)
    return raw.view(np.dtype(tensor.dtype).newbyteorder("<")).reshape(tensor.shape)


def file_name(model: Union[str, Path, bytes]) -> str:
    """What to call a model in messages: its file, or "The model" where it came as bytes."""
    return "The model" if isinstance(model, (bytes, bytearray, memoryview)) else str(model)


def _content(model: Union[str, Path, bytes]) -> Tuple[bytes, str]:
    if isinstance(model, (bytes, bytearray, memoryview)):
        return bytes(model), file_name(model)
    path = Path(model)
    try:
        with open_regular(path, MAX_MODEL_BYTES) as stream:
            _check_header(stream.read(_HEAD), path)  # before all of it is in memory
        return read_bytes(path, MAX_MODEL_BYTES), str(path)
    except ModelFormatError as error:
        raise ModelFormatError(f"{path}: {error.message}", error.hint) from None
    except FileNotFoundError:
        raise ModelFormatError(f"There is no file {path}.") from None
    except IsADirectoryError:
        hint = _convert_first(path) if (path / "saved_model.pb").is_file() else None
        raise ModelFormatError(f"{path} is a folder, not a .tflite file.", hint) from None
    except OSError as error:
        raise ModelFormatError(f"{path} could not be read: {error.strerror}.") from error


def _read(content: bytes) -> Graph:
    from tflite.Model import Model

    _check_header(content)
    model = Model.GetRootAs(content, 0)
    count = _count(model.SubgraphsLength(), content, "subgraphs")
    if count == 0:
        raise ModelFormatError("it holds no graph.")
    subgraph = model.Subgraphs(0)
    sizes = [len(_data(model.Buffers(i), content)) for i in range(_count(model.BuffersLength(), content, "buffers"))]
    tensors = tuple(
        _tensor(i, subgraph.Tensors(i), sizes) for i in range(_count(subgraph.TensorsLength(), content, "tensors"))
    )
    for tensor in tensors:
        _check_constant(tensor)
    codes = [_opcode(model.OperatorCodes(i)) for i in range(_count(model.OperatorCodesLength(), content, "codes"))]
    ops = tuple(
        _op(i, subgraph.Operators(i), codes) for i in range(_count(subgraph.OperatorsLength(), content, "operators"))
    )
    inputs, outputs = numbers(subgraph.InputsAsNumpy()), numbers(subgraph.OutputsAsNumpy())
    _check_indices(ops, inputs + outputs, len(tensors))
    metadata = tuple(
        (text(model.Metadata(i).Name()), int(model.Metadata(i).Buffer()))
        for i in range(_count(model.MetadataLength(), content, "metadata"))
    )
    return Graph(tensors, ops, inputs, outputs, count, text(model.Description()), metadata, len(content), content)


def _check_header(content: bytes, path: Optional[Path] = None) -> None:
    if content[4:8] == IDENTIFIER and len(content) >= _HEAD:
        return
    if content.startswith(_KERAS_MARKS):
        raise ModelFormatError("it is not a .tflite file, but a Keras model or another archive.", _convert_first(path))
    if content.startswith(b"version https://git-lfs"):
        raise ModelFormatError("it is a Git-LFS pointer, not the model itself.", "Run `git lfs pull` to fetch it.")
    if len(content) < _HEAD:
        raise ModelFormatError(f"it is empty or truncated ({len(content)} bytes).", "Copy or download it again.")
    raise ModelFormatError("it is not a .tflite file (the mark TFL3 is missing).")


def _convert_first(path: Optional[Path]) -> str:
    return f"Convert it first: {command('edgekit', 'convert', path or 'MODEL', '--int8')}"


def _data(buffer: "tflite.Buffer", content: bytes) -> np.ndarray:
    """A buffer's bytes, which large models (and litert-quantizer) keep behind the flatbuffer itself."""
    start, size = int(buffer.Offset()), int(buffer.Size())
    if buffer.DataLength():
        if start > 1:  # of which one reader takes these, another those
            raise ModelFormatError("it is damaged: a buffer claims bytes within and behind the tables at once.")
        return np.asarray(buffer.DataAsNumpy())
    if start <= 1:
        return np.zeros(0, np.uint8)
    if start + size > len(content):
        raise ModelFormatError(f"it is truncated: weights end at byte {start + size} of {len(content)}.")
    return np.frombuffer(content, np.uint8, size, start)


def _count(length: int, content: bytes, what: str) -> int:
    # A vector's elements take at least four bytes each: more of them cannot be in the file.
    if length > len(content) // 4:
        raise ModelFormatError(f"it is damaged: it claims {length} {what}.", "Copy or download it again.")
    return length


def _check_constant(tensor: Tensor) -> None:
    dtype = numpy_dtypes().get(tensor.dtype)
    if dtype is None or not tensor.is_constant:
        return
    # In Python's own integers: absurd sizes must not wrap around to a plausible one.
    expected = int(np.prod(tensor.shape, dtype=object)) * dtype.itemsize
    whole = tensor.constant_bytes == expected or (tensor.is_sparse and tensor.constant_bytes < expected)
    if min(tensor.shape, default=0) < 0 or not whole:
        raise ModelFormatError(
            f"it is damaged: tensor {tensor.index} of shape {list(tensor.shape)} needs {expected} bytes, "
            f"the file holds {tensor.constant_bytes}."
        )


def _check_indices(ops: Tuple[Op, ...], ends: Tuple[int, ...], tensors: int) -> None:
    used = [(f"op {op.index} ({op.opcode})", i, -1) for op in ops for i in op.inputs + op.outputs]
    for where, index, lowest in used + [("the graph's inputs and outputs", i, 0) for i in ends]:
        if not lowest <= index < tensors:
            raise ModelFormatError(f"it is damaged: {where} names tensor {index} of {tensors}.")


def _tensor(index: int, raw: "tflite.Tensor", sizes: List[int]) -> Tensor:
    shape = numbers(raw.ShapeAsNumpy())
    if len(shape) > _MAX_RANK:
        raise ModelFormatError(f"it is damaged: tensor {index} claims {len(shape)} dimensions.")
    signature = numbers(raw.ShapeSignatureAsNumpy()) or shape
    buffer = int(raw.Buffer())
    if buffer >= len(sizes):
        raise ModelFormatError(f"it is damaged: tensor {index} names buffer {buffer} of {len(sizes)}.")
    return Tensor(
        index=index,
        name=_name(index, raw.Name()),
        shape=shape,
        signature=signature,
        dtype=_dtype_name(raw.Type()),
        quant=_quant(raw.Quantization()),
        buffer=buffer,
        constant_bytes=sizes[buffer],
        is_variable=bool(raw.IsVariable()),
        is_sparse=raw.Sparsity() is not None,
    )


def _name(index: int, raw: Optional[bytes]) -> str:
    """Of an input or output no interpreter's Python side gives a name that is no text, so that none could run it."""
    try:
        return raw.decode() if raw else ""
    except UnicodeDecodeError:
        raise ModelFormatError(f"it is damaged: the name of tensor {index} is no UTF-8 text.") from None


def _quant(raw: "Optional[tflite.QuantizationParameters]") -> Optional[QuantParams]:
    if raw is None or not raw.ScaleLength():
        return None
    scale = tuple(float(v) for v in raw.ScaleAsNumpy())
    zero = numbers(raw.ZeroPointAsNumpy()) or (0,) * len(scale)
    return QuantParams(scale, zero, int(raw.QuantizedDimension()))


def _opcode(raw: "tflite.OperatorCode") -> Tuple[str, str, int]:
    # Codes above 126 moved to a wider field. The interpreter takes the larger of the two, whatever
    # stands in the other; the schema package's own accessor does not.
    table = Table(raw._tab.Bytes, raw._tab.Pos)
    code = int(max(table.number(0, "int8"), table.number(3, "int32")))
    names = enum_names("BuiltinOperator")
    if code not in names:
        raise ModelFormatError(f"it uses operator {code}, which this schema does not know.", "Is it a newer file?")
    return names[code], text(raw.CustomCode()), int(raw.Version())


def _op(index: int, raw: "tflite.Operator", codes: List[Tuple[str, str, int]]) -> Op:
    code = int(raw.OpcodeIndex())
    if code >= len(codes):
        raise ModelFormatError(f"it is damaged: op {index} names operator code {code} of {len(codes)}.")
    opcode, custom, version = codes[code]
    custom_options = raw.CustomOptionsAsNumpy()
    return Op(
        index=index,
        opcode=opcode,
        custom=custom,
        version=version,
        inputs=numbers(raw.InputsAsNumpy()),
        outputs=numbers(raw.OutputsAsNumpy()),
        options=op_options(raw),
        custom_options=custom_options.tobytes() if isinstance(custom_options, np.ndarray) else b"",
    )


def _dtype_name(code: int) -> str:
    names = enum_names("TensorType")
    if code not in names:
        raise ModelFormatError(f"it uses tensor type {code}, which this schema does not know.")
    return names[code].lower()


@lru_cache(maxsize=None)
def numpy_dtypes() -> Dict[str, "np.dtype[np.generic]"]:
    """The types that numpy can hold, by their names."""
    names = "float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool complex64".split()
    return {name: np.dtype(name) for name in names}


def text(value: Optional[bytes]) -> str:
    """A string of the file; what is no UTF-8 in it is replaced."""
    return value.decode("utf-8", "replace") if value else ""
