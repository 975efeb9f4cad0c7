"""From a float graph back to a Keras model as plain data: the other way round than the direct export.

Batch normalizations, which an export folded into the weights before them, stay folded. No Keras is imported; of its
layers are used those that Keras 2 and 3 both have.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgekit.converters.export.keras_rows import ROWS
from edgekit.converters.export.keras_writer import KerasWriter, Kernel, unknown
from edgekit.errors import UnsupportedModelError
from edgekit.models.configuration import configuration, keras_order
from edgekit.models.network import Network
from edgekit.tflite.graph import Graph
from edgekit.tflite.model import Model
from edgekit.tflite.part import ops_between


@dataclass(frozen=True)
class KerasGraph:
    """A graph, or a part of one, as a Keras model.

    Attributes:
      network: the model; of several inputs or outputs it has them in the order asked for.
      kernels: the layers that have weights, by name.
    """

    network: Network
    kernels: Mapping[str, Kernel]


def as_keras(graph: Graph, inputs: Sequence[int], outputs: Sequence[int]) -> KerasGraph:
    """The ops that compute the tensors `outputs` from the tensors `inputs`, as a Keras model.

    Raises:
      UnsupportedModelError: an op that is not known here, or weights that are computed.
      ModelError: further inputs are needed.
    """
    writer = KerasWriter(graph)
    for index in inputs:
        writer.at[index] = writer.layer("InputLayer", (), graph.tensors[index].shape[1:], {})
    return _written(writer, inputs, outputs)


def classifier_network(model: Model) -> Network:
    """A classifier as a Keras model that takes pixels of 0–255: Keras files have no place for preprocessing but layers.

    Raises:
      UnsupportedModelError: an op that is not known here, or channels that are turned around outside of the graph.
    """
    spec, graph = model.spec, model.graph
    if spec.order != "rgb":
        raise UnsupportedModelError("The model takes images as BGR, for which no layer is written.")
    writer = KerasWriter(graph)
    image = writer.layer("InputLayer", (), spec.shape, {})
    options = {
        "scale": [1 / std for std in spec.std],
        "offset": [-mean / std for mean, std in zip(spec.mean, spec.std)],
    }
    plain = not any(spec.mean) and set(spec.std) == {1.0}
    writer.at[graph.inputs[0]] = image if plain else writer.layer("Rescaling", (image.name,), spec.shape, options)
    return _written(writer, graph.inputs, graph.outputs).network


def _written(writer: KerasWriter, inputs: Sequence[int], outputs: Sequence[int]) -> KerasGraph:
    """The ops between these tensors, and all as a model."""
    for op in ops_between(writer.graph, inputs, outputs):
        if op.opcode not in ROWS:
            raise unknown(op)
        ROWS[op.opcode](writer, op)
    ends = [writer.at[index].name for index in outputs]
    layers = keras_order(writer.layers, ends)
    return KerasGraph(Network(configuration("classifier", layers, ends), writer.weights), writer.kernels)
