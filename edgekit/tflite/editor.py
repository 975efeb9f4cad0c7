"""Changing a `.tflite` model: matched on its typed graph, changed through one typed editor.

    editor = Editor(graph)
    for op in graph.ops:
        if op.opcode == "CONV_2D":
            editor.set_constant(op.inputs[1], editor.constant(op.inputs[1]) * 2)
    changed = editor.finish()

Ops and tensors are named as the graph names them: an `Op` of the graph stays the name of that op however often it is
changed, and tensors keep their indices until `finish`. So several steps can share one editor, each of them matching on
the graph or on what the editor answers, and the file is unpacked and packed once.

For the workstation only: the schema's object API, which stays hidden here, comes with `ai-edge-litert`.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Dict, Iterable, Mapping, Optional, Sequence, Tuple

import numpy as np

from edgekit.errors import ModelFormatError
from edgekit.tflite import tree
from edgekit.tflite.graph import Graph, Links, Op, OptionValue, QuantParams, Tensor, links
from edgekit.tflite.reader import numpy_dtypes, read_graph

if TYPE_CHECKING:
    from ai_edge_litert.schema_py_generated import OperatorT, TensorT


class Editor:
    """A model that is being changed.

    Attributes:
      graph: the model as it was read.
    """

    def __init__(self, graph: Graph) -> None:
        """Raises ModelFormatError for damage that reading did not find, MissingDependencyError on a board."""
        self.graph = graph
        self._model = tree.unpack(graph.content)
        self._main = self._model.subgraphs[0]
        self._objects = list(self._main.operators or ())
        self._known: Dict[int, Op] = {op.index: op for op in graph.ops}
        self._order = [op.index for op in graph.ops]
        self._tensors = list(graph.tensors)
        self._links: Optional[Links] = None

    # What is there now.

    @property
    def ops(self) -> Tuple[Op, ...]:
        """The ops in execution order; the index of an added op is a name, not its place."""
        return tuple(self._known[name] for name in self._order)

    @property
    def tensors(self) -> Tuple[Tensor, ...]:
        """All tensors, added ones last."""
        return tuple(self._tensors)

    @property
    def inputs(self) -> Tuple[int, ...]:
        """The graph's inputs."""
        return tree.ints(self._main.inputs)

    @property
    def outputs(self) -> Tuple[int, ...]:
        """The graph's outputs."""
        return tree.ints(self._main.outputs)

    def current(self, op: Op) -> Op:
        """The op with the inputs and outputs that it has now."""
        return self._known[op.index]

    def producer(self, tensor: int) -> Optional[Op]:
        """The op that computes a tensor, or None for inputs and constants."""
        return self._linked().producers.get(tensor)

    def consumers(self, tensor: int) -> Tuple[Op, ...]:
        """The ops that read a tensor, in execution order."""
        return self._linked().consumers.get(tensor, ())

    def constant(self, tensor: int) -> np.ndarray:
        """The stored value of a constant tensor, of its shape.

        Raises:
          ModelFormatError: the tensor is no constant, or has a dtype numpy cannot hold.
        """
        known, data = self._tensors[tensor], self._data(tensor)
        if not data or known.dtype not in numpy_dtypes():
            raise ModelFormatError(f"Tensor {tensor} ({known.dtype}) holds no constant numbers.")
        return np.frombuffer(data, numpy_dtypes()[known.dtype].newbyteorder("<")).reshape(known.shape)

    def as_graph(self) -> Graph:
        """The graph as it is now, without a file behind it: ops are numbered anew, constants cannot be read."""
        ops = tuple(replace(op, index=place) for place, op in enumerate(self.ops))
        return replace(
            self.graph, tensors=self.tensors, ops=ops, inputs=self.inputs, outputs=self.outputs, size=0, content=b""
        )

    # Tensors.

    def add_tensor(
        self, name: str, shape: Sequence[int], dtype: str = "float32", quant: Optional[QuantParams] = None
    ) -> int:
        """Adds an activation and returns its index."""
        # Buffer 0 is the format's empty one.
        sizes = tuple(int(size) for size in shape)
        return self._add(Tensor(len(self._tensors), name, sizes, sizes, dtype, quant, buffer=0, constant_bytes=0))

    def add_constant(self, name: str, value: np.ndarray, quant: Optional[QuantParams] = None) -> int:
        """Adds a constant of the array's dtype and returns its index."""
        data = np.ascontiguousarray(value).tobytes()
        buffer, index = tree.add_buffer(self._model, data), len(self._tensors)
        return self._add(Tensor(index, name, value.shape, value.shape, value.dtype.name, quant, buffer, len(data)))

    def add_copy(self, tensor: int, name: str) -> int:
        """Adds a tensor that is like another in all but its name and returns its index."""
        copied = tree.copied(self._main.tensors[tensor])
        return self._add(replace(self._tensors[tensor], index=len(self._tensors), name=name), copied)

    def set_constant(self, tensor: int, value: np.ndarray, quant: Optional[QuantParams] = None) -> None:
        """Stores other values of the tensor's dtype and shape, and other steps where they are given.

        All ops that read the tensor read the new values, as do all tensors that share its buffer.
        """
        known, data = self._tensors[tensor], np.ascontiguousarray(value).tobytes()
        if value.dtype.name != known.dtype or len(data) != known.constant_bytes:
            raise ValueError(f"{value.dtype} {value.shape} for the constant {known.dtype} {known.shape}")
        tree.set_data(self._model, self._main.tensors[tensor].buffer, data)
        if quant is not None:
            self.set_quant(tensor, quant)

    def set_quant(self, tensor: int, quant: QuantParams) -> None:
        """Gives a tensor these steps."""
        tree.set_quant(self._main.tensors[tensor], quant)
        self._tensors[tensor] = replace(self._tensors[tensor], quant=quant)

    def rename(self, tensor: int, name: str) -> None:
        """Gives a tensor another name."""
        self._main.tensors[tensor].name = name.encode()
        self._tensors[tensor] = replace(self._tensors[tensor], name=name)

    def set_shape(self, tensor: int, shape: Sequence[int]) -> None:
        """Gives a tensor these sizes, all of them known before run time."""
        sizes, target = tuple(int(size) for size in shape), self._main.tensors[tensor]
        if sizes != self._tensors[tensor].shape:
            target.shape = np.array(sizes, np.int32)
        target.shapeSignature = None
        self._tensors[tensor] = replace(self._tensors[tensor], shape=sizes, signature=sizes)

    # Ops.

    def set_input(self, op: Op, position: int, tensor: int) -> None:
        """Lets an op read another tensor at this position, even where it had none."""
        inputs = list(self.current(op).inputs)
        inputs += [-1] * (position + 1 - len(inputs))
        inputs[position] = tensor
        self._change(op, inputs=tuple(inputs))

    def set_constant_input(self, op: Op, position: int, name: str, value: np.ndarray) -> None:
        """Lets an op read a new constant at this position; the old one stays, since another op may share it."""
        self.set_input(op, position, self.add_constant(name, value))

    def redirect(self, old: int, new: int, ops: Optional[Iterable[Op]] = None) -> None:
        """Lets what reads one tensor read another one: all ops, or these."""
        for op in self.consumers(old) if ops is None else ops:
            self._change(op, inputs=tuple(new if index == old else index for index in self.current(op).inputs))

    def insert_after(
        self,
        before: Optional[Op],
        opcode: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: Mapping[str, OptionValue] = {},
    ) -> Op:
        """Puts a new op behind another one, or first.

        Args:
          options: as in `Op.options`, such as {"padding": "VALID"}; the rest are the schema's defaults.
        """
        op = Op(len(self._objects), opcode, "", 1, tuple(inputs), tuple(outputs), tuple(options.items()))
        return self._insert(before, op, tree.new_op(self._model, op))

    def duplicate(self, op: Op, output: int) -> Op:
        """Puts a second op of the same inputs and options behind an op, which computes another tensor."""
        twin = replace(self.current(op), index=len(self._objects), outputs=(output,))
        return self._insert(op, twin, tree.copied(self._objects[op.index]))

    def remove(self, ops: Iterable[Op]) -> None:
        """Takes ops out of the graph; their tensors stay until `drop_unused`."""
        gone = {op.index for op in ops}
        self._order, self._links = [name for name in self._order if name not in gone], None

    def remove_dead(self) -> None:
        """Takes out the ops whose outputs nothing reads."""
        for op in reversed(self.ops):
            if not any(self.consumers(index) or index in self.outputs for index in op.outputs):
                self.remove([op])

    # The graph.

    def set_inputs(self, tensors: Sequence[int]) -> None:
        """Makes these tensors the graph's inputs."""
        self._main.inputs = np.array(tensors, np.int32)

    def set_outputs(self, tensors: Sequence[int]) -> None:
        """Makes these tensors the graph's outputs."""
        self._main.outputs = np.array(tensors, np.int32)

    def set_versions(self, versions: Sequence[int]) -> None:
        """Gives the ops, in execution order, these versions."""
        self._write_ops()
        tree.set_versions(self._model, versions)
        for name, version in zip(self._order, versions):
            self._known[name], self._links = replace(self._known[name], version=version), None

    def set_metadata(self, name: str, record: bytes) -> None:
        """Stores a metadata entry in place of any of that name."""
        tree.set_metadata(self._model, name, record)

    def set_description(self, text: str) -> None:
        """Stores a free text in place of the converter's."""
        self._model.description = text

    def drop_signatures(self) -> None:
        """Takes out the signatures, which name inputs and outputs that are no more."""
        self._model.signatureDefs = []

    def drop_description(self) -> None:
        """Takes out signatures and metadata, which describe another model than this has become."""
        self.drop_signatures()
        self._model.metadata, self._model.metadataBuffer = [], None

    def drop_constants(self, kept: Iterable[int]) -> None:
        """Empties all buffers that none of these tensors uses; for models of one subgraph, others stay as they are."""
        needed = {self._main.tensors[index].buffer for index in kept}
        if self.graph.subgraphs > 1:
            return
        for number in range(len(self._model.buffers)):
            if number not in needed:
                tree.set_data(self._model, number, None)

    def drop_unused(self) -> None:
        """Takes out the tensors that no op reads or writes, with their constants and the signatures.

        Tensors are numbered anew: indices known before mean others after this.
        """
        self._write_ops()
        places = tree.drop_unused(self._model)
        self._tensors = [replace(known, index=places[known.index]) for known in self._tensors if known.index in places]
        for name, op in self._known.items():
            inputs, outputs = (tuple(places.get(i, -1) for i in side) for side in (op.inputs, op.outputs))
            self._known[name] = replace(op, inputs=inputs, outputs=outputs)
        self._links = None

    def finish(self) -> Graph:
        """The changed model, packed and read."""
        return read_graph(self.content())

    def content(self) -> bytes:
        """The changed model as a file; for what only an interpreter reads, `finish` checks in vain."""
        self._write_ops()
        return tree.pack(self._model)

    def _linked(self) -> Links:
        self._links = self._links or links(self.ops)
        return self._links

    def _data(self, tensor: int) -> bytes:
        data = self._model.buffers[self._main.tensors[tensor].buffer].data
        return b"" if data is None else bytes(np.asarray(data, np.uint8))

    def _add(self, tensor: Tensor, made: "Optional[TensorT]" = None) -> int:
        made = tree.new_tensor(tensor) if made is None else made
        made.name = tensor.name.encode()
        self._main.tensors.append(made)
        self._tensors.append(tensor)
        return tensor.index

    def _insert(self, before: Optional[Op], op: Op, made: "OperatorT") -> Op:
        place = 0 if before is None else self._order.index(before.index) + 1
        self._objects.append(made)
        self._known[op.index], self._links = op, None
        self._order.insert(place, op.index)
        return op

    def _change(self, op: Op, *, inputs: Tuple[int, ...]) -> None:
        self._known[op.index], self._links = replace(self.current(op), inputs=inputs), None

    def _write_ops(self) -> None:
        """Brings the schema's ops to what they are known to be; of those that stay the same nothing is touched."""
        for name in self._order:
            op, made = self._known[name], self._objects[name]
            for field, indices in (("inputs", op.inputs), ("outputs", op.outputs)):
                if tree.ints(getattr(made, field)) != indices:
                    setattr(made, field, np.array(indices, np.int32))
        self._main.operators = [self._objects[name] for name in self._order]
