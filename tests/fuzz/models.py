"""Damage to a `.tflite` by its structure: any field of any table of its flatbuffer, written soundly again."""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tests.fuzz.bytewise import REAL, TEXTS, WHOLE, damaged

_OPCODES = sorted(value for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int))


def damaged_model(random, content):
    """One to three fields of the model changed; one in eight has its bytes damaged instead."""
    if random.random() < 0.125:
        return damaged(random, content)
    for _ in range(20):
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
        for _ in range(random.choice((1, 1, 1, 2, 3))):
            random.choice((_any_field, _any_field, _options, _wiring, _opcode, _shape, _quantization, _ends))(
                random, model
            )
        try:
            return _packed(model)
        except Exception:  # a value that the field's type cannot hold: another try
            continue
    return damaged(random, content)


def _packed(model):
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _any_field(random, model):
    tables = list(_tables(model))
    table = random.choice(tables)
    field = random.choice(list(vars(table)) or ["nothing"])
    value = getattr(table, field, None)
    if isinstance(value, (list, np.ndarray)) and len(value):
        setattr(table, field, _changed_list(random, value))
    elif not hasattr(value, "__dict__"):
        setattr(table, field, _changed(random, value))
    elif random.random() < 0.5:
        setattr(table, field, None)
    else:
        alike = [other for other in tables if type(other) is type(value)]
        setattr(table, field, random.choice(alike))


def _tables(table):
    yield table
    for value in list(vars(table).values()):
        for item in value if isinstance(value, list) else [value]:
            if hasattr(item, "__dict__") and type(item).__module__ == schema.__name__:
                yield from _tables(item)


def _changed(random, value):
    if isinstance(value, bool):
        return not value
    if isinstance(value, float):
        return random.choice(REAL)
    if isinstance(value, (bytes, str)):
        return random.choice(TEXTS)
    if isinstance(value, int):
        return random.choice((*WHOLE, value + 1, value - 1))
    return random.choice((None, [], [0], random.choice(WHOLE)))


def _changed_list(random, values):
    values = list(values)
    place, kind = random.randrange(len(values)), random.randrange(6)
    if kind == 0:
        del values[place]
    elif kind == 1:
        values.insert(place, values[random.randrange(len(values))])
    elif kind == 2:
        values = values[: random.randrange(len(values))]
    elif kind == 3:
        values.reverse()
    elif not hasattr(values[place], "__dict__"):
        number = isinstance(values[place], (float, np.floating))
        values[place] = random.choice(REAL if number else WHOLE)
    return values


def _operators(model):
    return [op for graph in model.subgraphs or [] for op in (graph.operators or []) if op is not None]


def _options(random, model):
    """An option of an op, where damage is the likeliest to reach a kernel."""
    with_options = [op for op in _operators(model) if op.builtinOptions is not None]
    if not with_options:
        return
    op = random.choice(with_options)
    fields = list(getattr(op.builtinOptions, "__dict__", ()))
    if fields and random.random() < 0.9:
        field = random.choice(fields)
        setattr(op.builtinOptions, field, _changed(random, getattr(op.builtinOptions, field)))
    else:
        op.builtinOptions, op.builtinOptionsType = None, 0


def _wiring(random, model):
    """What an op reads or writes."""
    ops = _operators(model)
    if not ops:
        return
    op, side = random.choice(ops), random.choice(("inputs", "outputs"))
    tensors = len(model.subgraphs[0].tensors or [])
    ends = list(getattr(op, side) if getattr(op, side) is not None else [])
    kind = random.randrange(3)
    if ends and kind == 0:
        del ends[random.randrange(len(ends))]
    elif ends and kind == 1:
        ends[random.randrange(len(ends))] = random.randrange(-1, tensors)
    else:
        ends.append(random.randrange(-1, tensors))
    setattr(op, side, np.array(ends, np.int32))


def _opcode(random, model):
    """Another op where one was."""
    code = random.choice(model.operatorCodes or [schema.OperatorCodeT()])
    if random.random() < 0.1:
        code.builtinCode, code.customCode = schema.BuiltinOperator.CUSTOM, "TFLite_Detection_PostProcess"
    else:
        code.builtinCode = random.choice(_OPCODES)
    code.deprecatedBuiltinCode = min(code.builtinCode, 127)
    code.version = random.choice((1, 1, 2, 3, 5, 0, -1))


def _some_tensor(random, model):
    tensors = [tensor for graph in model.subgraphs or [] for tensor in (graph.tensors or []) if tensor is not None]
    return random.choice(tensors) if tensors else schema.TensorT()


def _shape(random, model):
    tensor = _some_tensor(random, model)
    shape = list(tensor.shape) if tensor.shape is not None else []
    kind = random.randrange(5)
    if shape and kind < 2:
        shape[random.randrange(len(shape))] = random.choice((0, 1, 2, 3, 5, -1, *WHOLE))
    elif kind == 2:
        shape.append(random.choice((1, 0, 2)))
    elif shape and kind == 3:
        del shape[random.randrange(len(shape))]
    else:
        tensor.shapeSignature = np.array([random.choice((-1, 1, 0, size)) for size in shape], np.int32)
    tensor.shape = np.array(shape, np.int32)
    if random.random() < 0.3:
        tensor.type = random.randrange(18)


def _quantization(random, model):
    tensor = _some_tensor(random, model)
    quantization = tensor.quantization = schema.QuantizationParametersT()
    sizes = [random.choice((0, 1, 1, 2, 4)) for _ in range(2)]
    quantization.scale = np.array([random.choice((0.1, 1.0, *REAL)) for _ in range(sizes[0])], np.float32)
    quantization.zeroPoint = np.array([random.choice((0, *WHOLE)) for _ in range(sizes[1])], np.int64)
    quantization.quantizedDimension = random.choice((0, 1, 3, 9, -1))


def _ends(random, model):
    graph = random.choice(model.subgraphs or [schema.SubGraphT()])
    side = random.choice(("inputs", "outputs"))
    setattr(graph, side, np.array([random.randrange(-1, 9) for _ in range(random.choice((0, 1, 1, 2)))], np.int32))


_DAMAGES = (_any_field, _any_field, _options, _wiring, _opcode, _shape, _quantization, _ends)
