"""A classifier whose dense layer stores its weights sparse, as TensorFlow's EXPERIMENTAL_SPARSITY writes them."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tests.support.build import GraphBuilder


def sparse_classifier():
    """A float mean of each colour, then 3 × 3 weights of which one in each row is stored (compressed rows)."""
    graph = GraphBuilder()
    x = graph.input((1, 8, 8, 3), "float32", name="image")
    mean = graph.op("MEAN", [x, graph.constant(np.array([1, 2], np.int32))], (1, 3), options={"keepDims": False})
    weights = graph.constant(np.ones(3, np.float32), name="weights")
    bias = graph.constant(np.zeros(3, np.float32))
    scores = graph.op("FULLY_CONNECTED", [mean, weights, bias], (1, 3), options={}, version=8)
    tensor = graph.graph.tensors[weights]
    tensor.shape = [3, 3]
    tensor.sparsity = _compressed_rows()
    return graph.finish([graph.op("SOFTMAX", [scores], (1, 3), options={"beta": 1.0})])


def _compressed_rows():
    rows, columns = schema.DimensionMetadataT(), schema.DimensionMetadataT()
    rows.format, rows.denseSize = schema.DimensionType.DENSE, 3
    columns.format = schema.DimensionType.SPARSE_CSR
    columns.arraySegmentsType = columns.arrayIndicesType = schema.SparseIndexVector.Int32Vector
    columns.arraySegments, columns.arrayIndices = schema.Int32VectorT(), schema.Int32VectorT()
    columns.arraySegments.values, columns.arrayIndices.values = [0, 1, 2, 3], [0, 1, 2]
    sparsity = schema.SparsityParametersT()
    sparsity.traversalOrder, sparsity.dimMetadata = [0, 1], [rows, columns]
    return sparsity
