"""A float model's int8 form for any ranges, quantized once: what ranges decide is filled in without the quantizer.

Ranges decide the activations' scales and zero points, and the biases, which are stored in steps of input scale times
weight scale; nothing else. That is not assumed but seen: the quantizer is asked twice, for two sets of ranges, and
where its answers differ in anything else there is no template.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from edgekit.calibration.ranges import Bounds, Ranges
from edgekit.converters.quantization import backend
from edgekit.converters.quantization.overflow import fit_biases
from edgekit.preprocess import InputSpec
from edgekit.tflite import names
from edgekit.tflite.graph import Graph, Op, Tensor
from edgekit.tflite.ops import bias_of, facts, weights_of
from edgekit.tflite.patch import patched
from edgekit.tflite.reader import constant


@dataclass(frozen=True)
class Template:
    """A float model and its int8 form.

    Attributes:
      floats: the float model.
      graph: its int8 form with some ranges, its biases as the quantizer left them.
      sources: int8 activation (tensor index) → name of the float activation whose range gives its scale.
    """

    floats: Graph
    graph: Graph
    sources: Mapping[int, str]

    def filled(self, ranges: Ranges, spec: InputSpec) -> Graph:
        """The int8 model for these ranges, the same to the byte as `backend.quantize_int8` makes it.

        Raises:
          DataError: a tensor has no range.
        """
        return fit_biases(self.with_bounds(backend.activation_bounds(self.floats, ranges, spec)), self.floats)

    def with_bounds(self, bounds: Mapping[str, Bounds]) -> Graph:
        """The int8 form with these ranges (float tensor name → low, high)."""
        tensors = self.graph.tensors
        quant = {i: backend.activation_params(*bounds[name], tensors[i].dtype) for i, name in self.sources.items()}
        constants, known = {}, {tensor.name: tensor for tensor in self.floats.tensors if tensor.is_constant}
        for op, bias in _biases(self.graph):
            weights, given = weights_of(self.graph, op), tensors[op.inputs[facts(op).data]].quant
            assert given is not None and weights is not None and weights.quant is not None
            value = constant(self.floats, known[names.float_name(bias.name)])
            quant[bias.index], constants[bias.index] = backend.bias_params(
                value, quant.get(op.inputs[facts(op).data], given), weights.quant
            )
        return patched(self.graph, quant=quant, constants=constants)


def template(floats: Graph, ranges: Ranges, spec: InputSpec, *, allow_float: bool = False) -> Template | None:
    """The template of a float model; None where its int8 form depends on ranges in more than what can be filled in.

    Args:
      floats: the float model.
      ranges: of its activations.
      spec: the preprocessing that belongs to it.
      allow_float: see `backend.quantize_int8`.
    """
    bounds = backend.activation_bounds(floats, ranges, spec)
    # A width of its own for each activation tells where each int8 scale comes from.
    probes = {name: (-1.0, 1.0 + number / 1024) for number, name in enumerate(bounds)}
    graph = backend.as_quantized(floats, bounds, allow_float=allow_float)
    probed = backend.as_quantized(floats, probes, final=False)
    if [op.opcode for op in graph.ops] != [op.opcode for op in probed.ops]:
        return None
    origins = {backend.activation_params(*pair, "int8").scale: name for name, pair in probes.items()}
    found = Template(floats, graph, dict(_sources(graph, probed, origins)))
    same = found.with_bounds(bounds).content == graph.content and _same_constants(graph, probed)
    return found if same else None


def _biases(graph: Graph) -> Iterator[tuple[Op, Tensor]]:
    for op in graph.ops:
        bias = bias_of(graph, op)
        if bias is not None and bias.dtype == "int32" and bias.is_constant:
            yield op, bias


def _sources(graph: Graph, probed: Graph, origins: Mapping[tuple[float, ...], str]) -> Iterator[tuple[int, str]]:
    others = {tensor.name: tensor for tensor in probed.tensors}
    for tensor in graph.tensors:
        other = others.get(tensor.name)
        if other is not None and other.quant is not None and other.quant.scale in origins and not tensor.is_constant:
            yield tensor.index, origins[other.quant.scale]


def _same_constants(graph: Graph, probed: Graph) -> bool:
    """Whether all constants but biases are the same, with their scales; names tell them apart."""
    biases = {bias.name for _, bias in _biases(graph)}
    others = {tensor.name: tensor for tensor in probed.tensors}

    def same(tensor: Tensor) -> bool:
        other = others.get(tensor.name)
        if other is None or other.quant != tensor.quant:
            return False
        return np.array_equal(constant(graph, tensor), constant(probed, other))

    return all(same(tensor) for tensor in graph.tensors if tensor.is_constant and tensor.name not in biases)
