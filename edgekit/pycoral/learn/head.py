"""The last layer of a classifier, found and cut off.

A classifier is an embedding extractor, then one layer of weights, then whatever turns its answers into
probabilities. Training the last layer is putting another one on the extractor.
"""

import os
from dataclasses import dataclass
from typing import Optional, Tuple

import numpy as np

from edgekit.devices.admission import admit, admit_twin
from edgekit.devices.discovery import attached
from edgekit.errors import DeviceError, ModelError, UnsupportedModelError
from edgekit.pycoral.delegate import say_once
from edgekit.tflite.graph import Graph, Op, QuantParams, Tensor
from edgekit.tflite.ops import EDGETPU_OP, is_compiled
from edgekit.tflite.part import extract
from edgekit.tflite.patterns import computed_by, score_head
from edgekit.tflite.quant import real_values
from edgekit.tflite.reader import constant, read_graph


@dataclass(frozen=True)
class Head:
    """The last layer of a classifier.

    Attributes:
      embedding: index of the tensor that the extractor ends with.
      normalized: whether that is already of length 1 (L2_NORMALIZATION).
      weights: (classes, embedding) float32.
      quant: how the file stores the weights, or None in a float model.
      factor: constant that the layer's outputs are multiplied with before the softmax; 1 where there is none.
    """

    embedding: int
    normalized: bool
    weights: np.ndarray
    quant: Optional[QuantParams]
    factor: float = 1.0


def read_model(path: str) -> Graph:
    """A model to put a layer behind; without an Edge TPU, of a compiled one the CPU twin.

    Raises:
      ValueError: the file is missing.
      ModelError, DeviceError: it is damaged, or it is compiled and neither Edge TPU nor twin is there.
    """
    if not os.path.isfile(str(path)):
        raise ValueError(f"Failed to open file: {path}")
    graph = read_graph(path)
    admit(graph, str(path))
    if not is_compiled(graph) or attached():
        return graph
    return _twin(path, graph, "no Edge TPU is attached")


def read_classifier(path: str) -> Tuple[Graph, Head]:
    """A model and its last layer; of a model whose last layer was compiled too, those of the CPU twin.

    Raises:
      ValueError, ModelError, DeviceError: as `read_model`.
      UnsupportedModelError: it is no classifier.
    """
    graph = read_model(path)
    ends = [graph.producer(index) for index in graph.outputs]
    if any(op is not None and op.custom == EDGETPU_OP for op in ends):
        graph = _twin(path, graph, "the last layer is compiled")
    return graph, find_head(graph)


def _twin(path: str, compiled: Graph, reason: str) -> Graph:
    twin = admit_twin(path, compiled)
    say_once(f"{reason}: the last layer of {twin.path} is trained in place of that of {path}.")
    return twin.graph


def find_head(graph: Graph) -> Head:
    """The last layer of weights. Raises UnsupportedModelError where the model does not end as classifiers do."""
    factor, op = 1.0, graph.producer(score_head(graph).scores) if len(graph.outputs) == 1 else None
    while op is not None and op.opcode == "MUL":
        constants = [tensor for tensor in graph.op_inputs(op) if tensor.is_constant]
        if len(constants) != 1 or constants[0].elements != 1:
            break
        factor *= float(_real(graph, constants[0]).reshape(-1)[0])
        op = graph.producer(score_head(graph, op.inputs[0]).scores)
    if op is None or not _is_last_layer(graph, op):
        raise UnsupportedModelError(
            "Unsupported model architecture. Input model must be a classifier: one output, computed by a "
            "FULLY_CONNECTED layer (or a 1x1 CONV_2D) with constant weights."
        )
    kernel = graph.tensors[op.inputs[1]]
    embedding, normalized = _embedding(graph, op.inputs[0])
    weights = _real(graph, kernel).reshape(kernel.shape[0], -1)
    return Head(embedding, normalized, weights, kernel.quant, factor)


def cut(graph: Graph, head: Head) -> bytes:
    """The model up to the embedding, as a file: the embedding extractor."""
    return extract(graph, graph.inputs, [head.embedding]).content


def embedding_extractor(model_path: str) -> bytes:
    """What of a classifier makes the embedding, for `SoftmaxRegression`: the model without its last layer.

    Raises:
      ValueError: the file cannot be read, or it is no classifier.
      MissingDependencyError: ai-edge-litert is not installed.
    """
    try:
        return cut(*read_classifier(model_path))
    except (DeviceError, ModelError) as error:
        raise ValueError(str(error)) from None


def _is_last_layer(graph: Graph, op: Op) -> bool:
    if op.opcode not in ("FULLY_CONNECTED", "CONV_2D") or len(op.inputs) < 2:
        return False
    source, kernel = graph.tensors[op.inputs[0]], graph.tensors[op.inputs[1]]
    # A convolution is a layer of classes where it sees one place only.
    one_place = len(kernel.shape) >= 2 and source.elements == kernel.elements // max(1, kernel.shape[0])
    return kernel.is_constant and one_place


def _embedding(graph: Graph, index: int) -> Tuple[int, bool]:
    """Where the extractor ends: at a normalization before the last layer, else at the layer's input."""
    op = computed_by(graph, index)
    if op is not None and op.opcode == "L2_NORMALIZATION":
        return op.outputs[0], True
    return index, False


def _real(graph: Graph, tensor: Tensor) -> np.ndarray:
    """A constant's real values, whatever its axis of quantization."""
    return real_values(constant(graph, tensor), tensor)
