"""A `.tflite` file as the schema's tree of mutable objects and back: what `editor.py` is made of, and nothing else.

For the workstation only: the object API comes with `ai-edge-litert`.
"""

import copy
import re
from typing import TYPE_CHECKING, Dict, List, Mapping, Optional, Sequence, Tuple, TypeVar

import flatbuffers
import numpy as np

from edgekit.errors import ModelFormatError
from edgekit.install import not_importable
from edgekit.tflite.graph import ENUM_OPTIONS, Op, OptionValue, QuantParams, Tensor
from edgekit.tflite.reader import text

if TYPE_CHECKING:
    from ai_edge_litert.schema_py_generated import ModelT, OperatorCodeT, OperatorT, TensorT

SchemaObject = TypeVar("SchemaObject")

#: More than the tables of most models take; where it is not enough the builder grows.
_TABLES_BYTES = 1 << 20

#: Option tables that are named otherwise than their ops.
_TABLES = {
    "AVERAGE_POOL_2D": "Pool2D",
    "L2_NORMALIZATION": "L2Norm",
    "MAXIMUM": "MaximumMinimum",
    "MAX_POOL_2D": "Pool2D",
    "MEAN": "Reducer",
    "MINIMUM": "MaximumMinimum",
    "REDUCE_MAX": "Reducer",
    "REDUCE_MIN": "Reducer",
    "SUM": "Reducer",
}


def new_model() -> "ModelT":
    """A model without tensors and ops."""
    from ai_edge_litert import schema_py_generated as schema

    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.subgraphs, model.operatorCodes = 3, [graph], []
    # The format's first buffer is the empty one.
    model.buffers, model.metadata, model.signatureDefs = [schema.BufferT()], [], []
    graph.tensors, graph.operators = [], []
    graph.inputs, graph.outputs = np.zeros(0, np.int32), np.zeros(0, np.int32)
    return model


def unpack(content: bytes) -> "ModelT":
    """The file as a tree of mutable schema objects. Raises ModelFormatError where a part of it is damaged."""
    try:
        from ai_edge_litert.tools import flatbuffer_utils
    except ImportError as error:
        raise not_importable("Changing a .tflite file", "ai-edge-litert", "convert", error) from error
    try:
        model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    except Exception as error:  # parts that `read_graph` never looks at, such as signatures, can be damaged too
        raise ModelFormatError(
            f"The model is damaged: its tables point outside the file ({type(error).__name__}).",
            "Copy or download it again.",
        ) from error
    for buffer in model.buffers:
        # Weights that stood behind the flatbuffer come as a bytearray, which would be packed byte by byte.
        if isinstance(buffer.data, (bytes, bytearray, memoryview)):
            buffer.data = np.frombuffer(buffer.data, np.uint8)
    _without_empty_data(model)
    return model


def _without_empty_data(model: "ModelT") -> None:
    """Takes away data of no bytes where tensors that need some share it, as in all that `edgetpu_compiler` writes.

    The interpreter overlooks it in the first buffer alone, and unpacking may give such a buffer another place.
    """
    tensors = [tensor for part in model.subgraphs for tensor in part.tensors or ()]
    for buffer in {int(tensor.buffer) for tensor in tensors if 0 not in ints(tensor.shape)}:
        data = model.buffers[buffer].data
        model.buffers[buffer].data = None if data is None or len(data) == 0 else data


def ints(values: Optional[Sequence[int]]) -> Tuple[int, ...]:
    """Numbers of the schema's objects as plain ones; () where the field is left out."""
    return () if values is None else tuple(int(value) for value in values)


def pack(model: "ModelT") -> bytes:
    """The object tree as a file again, its weights inside the tables; the same tree gives the same bytes."""
    for code in model.operatorCodes:
        # Readers older than schema v3a know the narrow field only, where 127 says «look in the other».
        code.deprecatedBuiltinCode = min(max(code.builtinCode, code.deprecatedBuiltinCode), 127)
    # Room for all constants from the start: a builder that grows copies what it has each time.
    builder = flatbuffers.Builder(
        _TABLES_BYTES + sum(len(buffer.data) for buffer in model.buffers if buffer.data is not None)
    )
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(memoryview(builder.Bytes)[builder.Head() :])


def new_tensor(tensor: Tensor) -> "TensorT":
    """A schema tensor with the name, sizes, type, quantization and buffer of a plain one."""
    from ai_edge_litert.schema_py_generated import TensorT, TensorType

    new = TensorT()
    new.name, new.type = tensor.name.encode(), getattr(TensorType, tensor.dtype.upper())
    new.shape, new.buffer = np.array(tensor.shape, np.int32), tensor.buffer
    if tensor.quant is not None:
        set_quant(new, tensor.quant)
    return new


def set_quant(tensor: "TensorT", quant: QuantParams) -> None:
    """Gives a tensor these steps in place of any it had."""
    from ai_edge_litert.schema_py_generated import QuantizationParametersT

    if tensor.quantization is None:
        tensor.quantization = QuantizationParametersT()
    tensor.quantization.scale = np.array(quant.scale, np.float32)
    tensor.quantization.zeroPoint = np.array(quant.zero_point, np.int64)
    tensor.quantization.quantizedDimension = quant.axis


def copied(value: SchemaObject) -> SchemaObject:
    """Another object with the same fields."""
    return copy.copy(value)


def set_data(model: "ModelT", buffer: int, data: Optional[bytes]) -> None:
    """Gives a buffer these bytes, or none."""
    model.buffers[buffer].data = None if data is None else np.frombuffer(data, np.uint8)


def add_buffer(model: "ModelT", data: bytes) -> int:
    """Adds a buffer with these bytes and returns its index."""
    from ai_edge_litert.schema_py_generated import BufferT

    model.buffers.append(BufferT())
    set_data(model, len(model.buffers) - 1, data)
    return len(model.buffers) - 1


def new_op(model: "ModelT", op: Op) -> "OperatorT":
    """A schema op of this kind with these options, the rest at their defaults; it is in no graph yet.

    An operator code of its kind is used where there is one: `versions.set_versions` tells apart what must be.
    """
    from ai_edge_litert import schema_py_generated as schema

    new = schema.OperatorT()
    new.opcodeIndex = _code(model, getattr(schema.BuiltinOperator, op.opcode))
    new.inputs, new.outputs = np.array(op.inputs, np.int32), np.array(op.outputs, np.int32)
    table = _options_table(op.opcode)
    if table:
        new.builtinOptions = getattr(schema, table + "T")()
        new.builtinOptionsType = getattr(schema.BuiltinOptions, table)
    for name, value in op.options:
        field = re.sub(r"_(.)", lambda match: match[1].upper(), name)
        assert hasattr(new.builtinOptions, field), f"{table} has no field {field}"
        known = vars(getattr(schema, ENUM_OPTIONS[name])) if name in ENUM_OPTIONS else {}
        setattr(new.builtinOptions, field, int(known.get(str(value), str(value))) if known else _plain(value))
    return new


def set_versions(model: "ModelT", versions: Sequence[int]) -> None:
    """Gives each op of the main subgraph an operator code of its version; unused codes go."""
    codes: List[OperatorCodeT] = []
    places: Dict[Tuple[int, int], int] = {}
    for number, subgraph in enumerate(model.subgraphs):
        for index, operator in enumerate(subgraph.operators or ()):
            old = model.operatorCodes[operator.opcodeIndex]
            key = (operator.opcodeIndex, versions[index] if number == 0 else old.version)
            if key not in places:
                places[key] = len(codes)
                codes.append(_with_version(old, key[1]))
            operator.opcodeIndex = places[key]
    model.operatorCodes = codes


def signatures(model: "ModelT") -> Dict[str, Dict[str, int]]:
    """Signature of the main subgraph → name of an output → its tensor."""
    return {
        text(signature.signatureKey): {text(one.name): int(one.tensorIndex) for one in signature.outputs or ()}
        for signature in model.signatureDefs or ()
        if signature.subgraphIndex == 0 and signature.signatureKey
    }


def set_signature(model: "ModelT", key: str, inputs: Mapping[str, int], outputs: Mapping[str, int]) -> None:
    """Gives the main subgraph one signature in place of any: name of an input or output → its tensor."""
    from ai_edge_litert.schema_py_generated import SignatureDefT, TensorMapT

    signature = SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = key.encode(), 0
    for field, ends in (("inputs", inputs), ("outputs", outputs)):
        made = [TensorMapT() for _ in ends]
        for one, (name, tensor) in zip(made, ends.items()):
            one.name, one.tensorIndex = name.encode(), tensor
        setattr(signature, field, made)
    model.signatureDefs = [signature]


def set_metadata(model: "ModelT", name: str, record: bytes) -> None:
    """Stores a metadata entry in place of any of that name."""
    from ai_edge_litert.schema_py_generated import BufferT, MetadataT

    model.metadata = model.metadata or []
    entry = next((known for known in model.metadata if known.name in (name, name.encode())), None)
    if entry is None:
        entry = MetadataT()
        entry.name, entry.buffer = name, len(model.buffers)
        model.metadata.append(entry)
        model.buffers.append(BufferT())
    set_data(model, entry.buffer, record)


def drop_unused(model: "ModelT") -> Dict[int, int]:
    """Takes out of the main graph the tensors that no op reads or writes, and their constants with them.

    Returns the old index → new index of those that stay, and of -1.
    """
    graph = model.subgraphs[0]
    ends = [graph.inputs, graph.outputs, *(side for op in graph.operators for side in (op.inputs, op.outputs))]
    used = sorted({int(index) for side in ends for index in side if index >= 0})
    places = {-1: -1, **{old: new for new, old in enumerate(used)}}

    def moved(indices: Sequence[int]) -> np.ndarray:
        return np.array([places[int(index)] for index in indices], np.int32)

    graph.inputs, graph.outputs = moved(graph.inputs), moved(graph.outputs)
    for op in graph.operators:
        op.inputs, op.outputs = moved(op.inputs), moved(op.outputs)
    before, graph.tensors = graph.tensors, [graph.tensors[index] for index in used]
    kept = {tensor.buffer for part in model.subgraphs for tensor in part.tensors}
    for tensor in before:
        if tensor.buffer not in kept:
            set_data(model, tensor.buffer, None)
    model.signatureDefs = []
    return places


def _with_version(old: "OperatorCodeT", version: int) -> "OperatorCodeT":
    code = type(old)()
    vars(code).update(vars(old), version=version)
    return code


def _code(model: "ModelT", builtin: int) -> int:
    from ai_edge_litert.schema_py_generated import OperatorCodeT

    for index, known in enumerate(model.operatorCodes):
        if max(known.builtinCode, known.deprecatedBuiltinCode) == builtin:
            return index
    code = OperatorCodeT()
    code.builtinCode, code.version = builtin, 1
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def _options_table(opcode: str) -> str:
    """Name of the table that an op's options are kept in; "" where it has none."""
    from ai_edge_litert.schema_py_generated import BuiltinOptions

    tables = {name.lower(): name for name in vars(BuiltinOptions) if name.endswith("Options")}
    return str(tables.get(_TABLES.get(opcode, opcode.replace("_", "")).lower() + "options", ""))


def _plain(value: OptionValue) -> OptionValue:
    return list(value) if isinstance(value, tuple) else value
