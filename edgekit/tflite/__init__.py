"""The `.tflite` file format, read and changed without TensorFlow."""

from edgekit.tflite.graph import Graph, Op, QuantParams, Tensor
from edgekit.tflite.metadata import Metadata, read_metadata
from edgekit.tflite.reader import constant, read_graph

__all__ = ["Graph", "Metadata", "Op", "QuantParams", "Tensor", "constant", "read_graph", "read_metadata"]
