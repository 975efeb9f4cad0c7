import numpy as np
import pytest

from edgekit.errors import ModelError
from edgekit.tflite import QuantParams, read_graph
from edgekit.tflite.patch import patched
from edgekit.tflite.reader import constant
from tests.support.build import GraphBuilder
from tests.support.layered_nets import int8_model


def test_numbers_are_read_back_from_the_file():
    graph = read_graph(int8_model())
    weights = next(tensor for tensor in graph.tensors if tensor.is_constant and tensor.quant)
    value = constant(graph, weights)[..., ::-1].copy()
    params = QuantParams(
        tuple(2 * scale for scale in weights.quant.scale), weights.quant.zero_point, weights.quant.axis
    )
    found = patched(graph, quant={weights.index: params}, constants={weights.index: value}, outputs=[graph.inputs[0]])
    assert found == read_graph(found.content)
    assert found.tensors[weights.index].quant == params and found.outputs == graph.inputs
    np.testing.assert_array_equal(constant(found, weights), value)
    assert read_graph(graph.content) == graph, "the graph that was given stays as it was"


def test_numbers_that_do_not_fit_are_refused():
    graph = read_graph(int8_model())
    weights = next(tensor for tensor in graph.tensors if tensor.is_constant and tensor.quant)
    with pytest.raises(ModelError, match="do not fit"):
        patched(graph, constants={weights.index: np.zeros(1, np.int8)})
    with pytest.raises(ModelError, match="do not fit"):
        patched(graph, quant={weights.index: QuantParams((1.0,) * 99, (0,) * 99, 0)})
    with pytest.raises(ModelError, match="do not fit"):
        patched(graph, outputs=[0, 1, 2, 3])


def test_outputs_that_do_not_fit_are_told_by_the_first_of_the_old():
    builder = GraphBuilder()
    x = builder.input((1, 4))
    first, second = (builder.op("TANH", [x], (1, 4), name=name) for name in ("first", "second"))
    with pytest.raises(ModelError, match="tensor 'first' do not fit"):
        patched(read_graph(builder.finish([first, second])), outputs=[x])
