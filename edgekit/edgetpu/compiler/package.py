"""Reading a compiled model back: what `edgetpu_compiler` put into each `edgetpu-custom-op`.

A compiled `.tflite` holds one custom op for each part that runs on the Edge TPU. The op's options are
a FlexBuffer map whose key «4» holds a *package* (flatbuffer, mark DWN1); the package holds a vector of
*executables*: one that loads parameters into the on-chip memory once (PARAMETER_CACHING), and one that
runs at each inference (EXECUTION_ONLY; or STAND_ALONE, which does both). Field numbers: the schema
published with libedgetpu (Apache-2.0), `executable/executable.fbs`.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Dict, Optional, Tuple, Union

from edgekit.errors import ModelFormatError
from edgekit.tflite.flat import Table
from edgekit.tflite.graph import Graph, Op
from edgekit.tflite.ops import EDGETPU_OP, is_compiled
from edgekit.tflite.reader import file_name, read_graph

if TYPE_CHECKING:
    from flatbuffers import flexbuffers

# Keys of the custom op's options: the package (an older key for it, too), the chips it may run on, and packages for
# other chips.
_PACKAGE, _OLD_PACKAGE, _CHIPS, _ALTERNATIVES = "4", "3", "6", "7"

_IDENTIFIER = b"DWN1"
_TYPES = ("STAND_ALONE", "PARAMETER_CACHING", "EXECUTION_ONLY")


@dataclass(frozen=True)
class Layer:
    """An input or output of an executable.

    Attributes:
      name: name of the tensor.
      bytes: its size as the chip moves it, padding included.
      shape: (y, x, z); z are the channels.
      zero_point, scale: its quantization.
    """

    name: str
    bytes: int
    shape: Tuple[int, int, int]
    zero_point: int
    scale: float


@dataclass(frozen=True)
class Executable:
    """One program of a package.

    Attributes:
      type: "STAND_ALONE", "PARAMETER_CACHING" or "EXECUTION_ONLY".
      name: as the compiler chose it.
      chip: chip it was compiled for, such as "beagle".
      batch_size: inferences per run.
      scratch_bytes: host memory it needs for intermediate results.
      parameters: parameters that it sends to the chip each time it runs.
      instruction_bytes: size of its instructions.
      inputs, outputs: tensors that cross the bus.
      caching_token: names the set of parameters that it caches or expects to find cached.
      estimated_cycles: the compiler's estimate; 0 where it gives none, as at runtime 14.
    """

    type: str
    name: str
    chip: str
    batch_size: int
    scratch_bytes: int
    parameters: bytes = field(repr=False)
    instruction_bytes: int
    inputs: Tuple[Layer, ...]
    outputs: Tuple[Layer, ...]
    caching_token: int
    estimated_cycles: int

    @property
    def parameter_bytes(self) -> int:
        """Size of its parameters."""
        return len(self.parameters)


@dataclass(frozen=True)
class Package:
    """What the runtime loads for one custom op.

    Attributes:
      min_runtime: lowest Edge TPU runtime version that accepts it.
      compiler_version: version of the compiler, or "" where it left none.
      model_identifier: as the compiler chose it, or "".
      executables: one, or a caching and an executing one.
    """

    min_runtime: int
    compiler_version: str
    model_identifier: str
    executables: Tuple[Executable, ...]

    @property
    def cached_bytes(self) -> int:
        """Parameters that stay on the chip between inferences."""
        return sum(e.parameter_bytes for e in self.executables if e.type == "PARAMETER_CACHING")

    @property
    def streamed_bytes(self) -> int:
        """Parameters that are sent again at each inference."""
        return sum(e.parameter_bytes for e in self.executables if e.type != "PARAMETER_CACHING")

    @property
    def scratch_bytes(self) -> int:
        """Host memory for intermediate results."""
        return max((e.scratch_bytes for e in self.executables), default=0)

    @property
    def instruction_bytes(self) -> int:
        """Instructions sent at each inference."""
        return sum(e.instruction_bytes for e in self.executables if e.type != "PARAMETER_CACHING")

    @property
    def inputs(self) -> Tuple[Layer, ...]:
        """Tensors sent to the chip at each inference."""
        return tuple(layer for e in self.executables for layer in e.inputs)

    @property
    def outputs(self) -> Tuple[Layer, ...]:
        """Tensors fetched from the chip at each inference."""
        return tuple(layer for e in self.executables for layer in e.outputs)


@dataclass(frozen=True)
class EdgeTpuOp:
    """One custom op of a compiled model.

    Attributes:
      index: its place among the compiled model's ops.
      keys: keys of its options, which tell the compiler's generation.
      chips: numbers of the chips it may run on; () where the compiler left none.
      packages: the main one first, alternatives for other chips after it.
    """

    index: int
    keys: Tuple[str, ...]
    chips: Tuple[int, ...]
    packages: Tuple[Package, ...]


@dataclass(frozen=True)
class CompiledModel:
    """A compiled model.

    Attributes:
      graph: the file as a TFLite graph, custom ops included.
      edgetpu_ops: its custom ops, read.
      cpu_ops: the ops that stay on the CPU.
    """

    graph: Graph
    edgetpu_ops: Tuple[EdgeTpuOp, ...]
    cpu_ops: Tuple[Op, ...]

    @property
    def min_runtime(self) -> int:
        """Lowest Edge TPU runtime version that runs the whole model."""
        return max(op.packages[0].min_runtime for op in self.edgetpu_ops)

    @property
    def cached_bytes(self) -> int:
        """Parameters that stay on the chip between inferences."""
        return sum(op.packages[0].cached_bytes for op in self.edgetpu_ops)

    @property
    def streamed_bytes(self) -> int:
        """Parameters that are sent to the chip at each inference."""
        return sum(op.packages[0].streamed_bytes for op in self.edgetpu_ops)


def read_compiled(model: Union[str, Path, bytes]) -> CompiledModel:
    """Reads a compiled `.tflite` file or its bytes.

    Raises:
      ModelFormatError: no such file, no compiled model, or damaged.
    """
    return read_packages(read_graph(model), file_name(model))


def read_packages(graph: Graph, name: str) -> CompiledModel:
    """Reads what is in the custom ops of a compiled model's graph; `name` is its file's. Raises as `read_compiled`."""
    if not is_compiled(graph):
        raise ModelFormatError(
            f"{name} is not compiled for the Edge TPU: it holds no {EDGETPU_OP}.",
            "Compile it with `edgekit compile`.",
        )
    ops = tuple(_read_op(op, name) for op in graph.ops if op.custom == EDGETPU_OP)
    return CompiledModel(graph, ops, tuple(op for op in graph.ops if op.custom != EDGETPU_OP))


def mapped_ops(compiled: CompiledModel, twin: Graph) -> Tuple[Op, ...]:
    """The twin's ops that went into the compiled model's custom ops, in the twin's order.

    An op stayed on the CPU where the compiled model still computes a tensor of the same name with the
    same kind of op; names survive compilation, indices do not.
    """
    kept = {(op.custom or op.opcode, _output_names(compiled.graph, op)) for op in compiled.cpu_ops}
    return tuple(op for op in twin.ops if (op.custom or op.opcode, _output_names(twin, op)) not in kept)


def _output_names(graph: Graph, op: Op) -> Tuple[str, ...]:
    return tuple(tensor.name for tensor in graph.op_outputs(op))


def _read_op(op: Op, name: str) -> EdgeTpuOp:
    try:
        options = _options(op.custom_options)
        main = next((options[key] for key in (_PACKAGE, _OLD_PACKAGE) if isinstance(options.get(key), bytes)), None)
        blobs = (main, *_listed(options.get(_ALTERNATIVES)))
        packages = tuple(_package(blob) for blob in blobs if isinstance(blob, bytes))
        chips = tuple(chip for chip in _listed(options.get(_CHIPS)) if isinstance(chip, int))
    except Exception as error:  # a damaged FlexBuffer fails in any way its bytes dictate
        reason = error.message if isinstance(error, ModelFormatError) else "its options point outside the file."
        raise ModelFormatError(
            f"{name} is damaged in op {op.index} ({EDGETPU_OP}): {reason}", "Copy or compile it again."
        ) from error
    if not packages:
        raise ModelFormatError(f"{name} is damaged: op {op.index} ({EDGETPU_OP}) holds no package.")
    return EdgeTpuOp(op.index, tuple(options), chips, packages)


def _listed(value: object) -> Tuple[object, ...]:
    return value if isinstance(value, tuple) else ()


def _options(content: bytes) -> Dict[str, object]:
    """The op's options: strings as bytes, vectors as tuples, anything else as it is."""
    from flatbuffers import flexbuffers

    root = flexbuffers.GetRoot(content).AsMap
    if len(root) > len(content):
        raise ModelFormatError(f"its options claim {len(root)} keys.")
    return {key.AsKey: _value(root[key.AsKey], len(content)) for key in root.Keys}


def _value(reference: "flexbuffers.Ref", limit: int) -> object:
    # The strings are binary: the text that flexbuffers would decode them to does not exist.
    if reference.IsString:
        return bytes(reference.AsStringBytes)
    if reference.IsVector:
        if len(reference.AsVector) > limit:
            raise ModelFormatError(f"its options claim a list of {len(reference.AsVector)} values.")
        return tuple(_value(item, limit) for item in reference.AsVector if not item.IsVector)
    return reference.AsInt if reference.IsInt else None


def _package(content: bytes) -> Package:
    package = Table.root(content, _IDENTIFIER)
    executables = Table.root(package.blob(1)).blobs(0)
    if not executables:
        raise ModelFormatError("its package holds no executable.")
    return Package(
        min_runtime=int(package.number(0, "int32")),
        compiler_version=package.text(4),
        model_identifier=package.text(7),
        executables=tuple(_executable(Table.root(blob)) for blob in executables),
    )


def _executable(table: Table) -> Executable:
    kind = int(table.number(13, "int16"))
    if not 0 <= kind < len(_TYPES):
        raise ModelFormatError(f"it holds an executable of the unknown type {kind}.")
    return Executable(
        type=_TYPES[kind],
        name=table.text(1),
        chip=table.text(10),
        batch_size=int(table.number(3, "int32")),
        scratch_bytes=int(table.number(4, "int32")),
        parameters=table.blob(6),
        instruction_bytes=sum(len(stream.numbers(0, "uint8")) for stream in table.tables(5)),
        inputs=tuple(_layer(layer) for layer in table.tables(8)),
        outputs=tuple(_layer(layer) for layer in table.tables(9)),
        caching_token=int(table.number(14, "uint64")),
        estimated_cycles=int(table.number(16, "int64") or table.number(11, "int32")),
    )


def _layer(table: Table) -> Layer:
    numerics: Optional[Table] = table.table(5)
    return Layer(
        name=table.text(0),
        bytes=int(table.number(1, "int32")),
        shape=(int(table.number(2, "int32")), int(table.number(3, "int32")), int(table.number(4, "int32"))),
        zero_point=int(numerics.number(0, "int32")) if numerics else 0,
        scale=float(numerics.number(1, "float32")) if numerics else 0.0,
    )
