"""Changing a `.tflite` file: unpacked to the schema's object API, edited, packed again.

For the workstation only: the object API comes with `ai-edge-litert`.
"""

from typing import Any, Sequence

import numpy as np

from edgekit.errors import ModelFormatError
from edgekit.install import not_importable

#: The schema's mutable model object (`ModelT`); its generated classes carry no types.
Model = Any


def unpack(content: bytes) -> Model:
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
    return model


def pack(model: Model) -> bytes:
    """The object tree as a file again, its weights inside the tables; the same tree gives the same bytes."""
    from ai_edge_litert.tools import flatbuffer_utils

    for code in model.operatorCodes:
        # Readers older than schema v3a know the narrow field only, where 127 says «look in the other».
        code.deprecatedBuiltinCode = min(max(code.builtinCode, code.deprecatedBuiltinCode), 127)

    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def name_of(tensor: Any) -> str:
    """A tensor object's name as text."""
    name = tensor.name or b""
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else name


def array(model: Model, tensor: Any) -> "np.ndarray | None":
    """A constant float32 or int32 tensor's value, or None where it is computed or of another type."""
    from ai_edge_litert.schema_py_generated import TensorType

    dtypes = {TensorType.FLOAT32: np.float32, TensorType.INT32: np.int32}
    data = model.buffers[tensor.buffer].data
    if data is None or len(data) == 0 or tensor.type not in dtypes:
        return None
    shape = [] if tensor.shape is None else list(tensor.shape)
    return np.frombuffer(bytes(np.asarray(data, np.uint8)), dtypes[tensor.type]).reshape(shape)


def add_constant(model: Model, name: str, value: np.ndarray) -> int:
    """Adds a float32 constant tensor to the main graph and returns its index."""
    from ai_edge_litert.schema_py_generated import BufferT, TensorT, TensorType

    buffer = BufferT()
    buffer.data = np.frombuffer(np.ascontiguousarray(value, np.float32).tobytes(), np.uint8)
    model.buffers.append(buffer)
    tensor = TensorT()
    tensor.name, tensor.type = name.encode(), TensorType.FLOAT32
    tensor.shape, tensor.buffer = np.array(value.shape, np.int32), len(model.buffers) - 1
    model.subgraphs[0].tensors.append(tensor)
    return len(model.subgraphs[0].tensors) - 1


def set_constant_input(model: Model, op: Any, position: int, value: np.ndarray, name: str) -> None:
    """Lets an op read a new constant at this position; the old one stays, since another op may share it."""
    inputs = list(op.inputs)
    while len(inputs) <= position:
        inputs.append(-1)
    inputs[position] = add_constant(model, name, value)
    op.inputs = np.array(inputs, np.int32)


def opcode(model: Model, op: Any) -> int:
    """The builtin operator code of an op."""
    code = model.operatorCodes[op.opcodeIndex]
    return int(max(code.builtinCode, code.deprecatedBuiltinCode))


def new_op(model: Model, name: str, inputs: Sequence[int], output: int) -> Any:
    """A new op of one output with all options at their defaults, such as "ADD"; it is not put into the graph yet."""
    from ai_edge_litert import schema_py_generated as schema

    code, op = schema.OperatorCodeT(), schema.OperatorT()
    code.builtinCode, code.version = getattr(schema.BuiltinOperator, name), 1
    model.operatorCodes.append(code)
    op.opcodeIndex = len(model.operatorCodes) - 1
    op.inputs, op.outputs = np.array(inputs, np.int32), np.array([output], np.int32)
    kind = f"{name.title()}Options"
    op.builtinOptions, op.builtinOptionsType = getattr(schema, f"{kind}T")(), getattr(schema.BuiltinOptions, kind)
    return op


def drop_unused(model: Model) -> None:
    """Takes out of the main graph the tensors that no op reads or writes, and their constants with them."""
    graph = model.subgraphs[0]
    ends = [graph.inputs, graph.outputs, *(side for op in graph.operators for side in (op.inputs, op.outputs))]
    used = sorted({int(index) for side in ends for index in side if index >= 0})
    places = {-1: -1, **{old: new for new, old in enumerate(used)}}

    def moved(indices: Any) -> np.ndarray:
        return np.array([places[int(index)] for index in indices], np.int32)

    graph.inputs, graph.outputs = moved(graph.inputs), moved(graph.outputs)
    for op in graph.operators:
        op.inputs, op.outputs = moved(op.inputs), moved(op.outputs)
    before, graph.tensors = graph.tensors, [graph.tensors[index] for index in used]
    kept = {tensor.buffer for part in model.subgraphs for tensor in part.tensors}
    for tensor in before:
        if tensor.buffer not in kept:
            model.buffers[tensor.buffer].data = None
    model.signatureDefs = []
