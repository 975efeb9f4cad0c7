"""Builds tiny `.tflite` files for tests, without TensorFlow, through LiteRT's own schema classes.

    graph = GraphBuilder()
    x = graph.input((1, 4, 4, 3), "uint8", quant=(1 / 255, 0))
    y = graph.op("SOFTMAX", [x], (1, 4, 4, 3), "uint8", quant=(1 / 256, 0), options={"beta": 1.0})
    content = graph.finish([y])

`colour_classifier` builds a whole model whose answer is known beforehand.
"""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgekit.preprocess import InputSpec
from edgekit.tflite import read_graph
from edgekit.tflite.metadata import Metadata, write_metadata
from edgekit.tflite.model import Model

#: Classes of `colour_classifier` and pixels of each.
COLOURS = {"red": (220, 10, 10), "green": (10, 220, 10), "blue": (10, 10, 220)}

# builtin operator → its options table, where the two names differ in more than spelling
_OPTIONS = {
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    **dict.fromkeys(("AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D"), "Pool2DOptions"),
    **dict.fromkeys(("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"), "ReducerOptions"),
    **dict.fromkeys(("MAXIMUM", "MINIMUM"), "MaximumMinimumOptions"),
    "L2_NORMALIZATION": "L2NormOptions",
    "LOCAL_RESPONSE_NORMALIZATION": "LocalResponseNormalizationOptions",
}
_SPELLINGS = {name.lower(): name for name in vars(schema) if name.endswith("Options")}


class GraphBuilder:
    """Collects tensors and ops; `finish` returns the file's bytes.

    `quant` is always (scale, zero_point) or (scales, zero_points, axis); tensors are named by their index as integers.
    """

    def __init__(self, description="edgekit test"):
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.description = description
        self.model.buffers = [schema.BufferT()]
        self.model.operatorCodes = []
        self.model.metadata = []
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators, self.graph.inputs = [], [], []
        self.model.subgraphs = [self.graph]

    def input(self, shape, dtype="float32", *, quant=None, name="input", signature=None):
        """An input of the graph; `signature` holds -1 for sizes unknown until run time."""
        index = self.tensor(shape, dtype, quant=quant, name=name)
        if signature is not None:
            self.graph.tensors[index].shapeSignature = list(signature)
        self.graph.inputs.append(index)
        return index

    def constant(self, values, *, quant=None, name=None):
        """A constant tensor holding a numpy array."""
        values = np.asarray(values)
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        self.model.buffers.append(buffer)
        index = self.tensor(values.shape, values.dtype.name, quant=quant, name=name)
        self.graph.tensors[index].buffer = len(self.model.buffers) - 1
        return index

    def tensor(self, shape, dtype="float32", *, quant=None, name=None):
        """An activation tensor, for ops with several outputs; `op` makes its own."""
        tensor = schema.TensorT()
        tensor.name = name or f"tensor_{len(self.graph.tensors)}"
        tensor.shape = np.array(shape, np.int32)
        tensor.type = getattr(schema.TensorType, dtype.upper())
        if quant is not None:
            tensor.quantization = _quantization(*quant)
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def op(self, opcode, inputs, shape, dtype="float32", *, quant=None, options=None, version=1, name=None):
        """Adds an op with one output and returns that output's tensor index.

        `options` are the fields of the op's options table, by their names in the schema
        (`{"padding": 0, "strideH": 1}`); a custom op is written "CUSTOM:name".
        """
        output = self.tensor(shape, dtype, quant=quant, name=name)
        self.raw_op(opcode, inputs, [output], options=options, version=version)
        return output

    def raw_op(self, opcode, inputs, outputs, *, options=None, version=1):
        """Adds an op over tensors that exist; `options` of a custom op are its bytes."""
        opcode, _, custom = opcode.partition(":")
        op = schema.OperatorT()
        op.opcodeIndex = self._code(opcode, custom, version)
        op.inputs, op.outputs = np.array(inputs, np.int32), np.array(outputs, np.int32)
        if custom:
            op.customOptions = np.frombuffer(options or b"", np.uint8)
        elif options is not None:
            kind = _OPTIONS.get(opcode) or _SPELLINGS[opcode.replace("_", "").lower() + "options"]
            op.builtinOptions = getattr(schema, kind + "T")()
            op.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            for field, value in options.items():
                assert hasattr(op.builtinOptions, field), f"{kind} has no field {field}"
                setattr(op.builtinOptions, field, value)
        self.graph.operators.append(op)

    def finish(self, outputs):
        """The bytes of the finished file."""
        self.graph.outputs = list(outputs)
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _code(self, opcode, custom, version):
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, opcode)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.customCode, code.version = custom or None, version
        self.model.operatorCodes.append(code)
        return len(self.model.operatorCodes) - 1


def _quantization(scale, zero_point, axis=0):
    quantization = schema.QuantizationParametersT()
    quantization.scale = np.atleast_1d(np.asarray(scale, np.float32))
    quantization.zeroPoint = np.atleast_1d(np.asarray(zero_point, np.int64))
    quantization.quantizedDimension = axis
    return quantization


def colour_classifier(dtype="uint8", *, size=8, softmax=True, mean=0.0, std=1.0):
    """A classifier of red (0), green (1) and blue (2): the answer is the channel with the largest mean.

    `dtype` is that of input and output. A quantized input takes pixels as they are (shifted by 128 for
    int8), its scale and zero point standing for the real values `(pixel - mean) / std`.
    """
    graph = GraphBuilder()
    offset = -128 if dtype == "int8" else 0
    quantized = dtype != "float32"
    taken = (1 / std, round(mean) + offset) if quantized else None
    answer = (1 / 256, offset) if quantized else None
    x = graph.input((1, size, size, 3), dtype, quant=taken)
    axes = graph.constant(np.array([1, 2], np.int32))
    y = graph.op("MEAN", [x, axes], (1, 3), dtype, quant=taken, options={"keepDims": False}, version=2)
    if softmax:
        y = graph.op("SOFTMAX", [y], (1, 3), dtype, quant=answer, options={"beta": 1.0}, version=2, name="scores")
    return graph.finish([y])


def colour_model(labels=tuple(COLOURS)):
    """`colour_classifier` with metadata: the classes' names, and pixels as they are."""
    return write_metadata(colour_classifier("uint8"), Metadata(labels=labels, input=InputSpec(8, 8)))


def model_of(content, spec, output="probabilities"):
    """A model from its file's bytes."""
    return Model(read_graph(content), spec, output)
