"""The template against the quantizer itself: the same bytes for every range method."""

import numpy as np
import pytest

from edgekit.calibration import METHODS, Ranges
from edgekit.converters.quantization.backend import activation_bounds, quantize_int8
from edgekit.converters.quantization.search.choose import forms, ranges_of
from edgekit.converters.quantization.template import template
from edgekit.errors import DataError
from edgekit.tflite import read_graph
from tests.support.build import GraphBuilder, model_of
from tests.support.gated_net import SAMPLES, SPEC, Net


def joined(constant=None):
    """A net that ends in a concatenation, of two computed tensors or of one and a constant."""
    graph = GraphBuilder()
    graph.model.signatureDefs = []
    x = graph.input((1, 8, 8, 3), name="image")
    y = graph.op("TANH", [x], (1, 8, 8, 3), name="y")
    other = (
        graph.constant(constant, name="other")
        if constant is not None
        else graph.op("LOGISTIC", [x], (1, 8, 8, 3), name="z")
    )
    options = {"axis": 3, "fusedActivationFunction": 0}
    return graph.finish([graph.op("CONCATENATION", [y, other], (1, 8, 8, 6), options=options, name="both")])


@pytest.mark.parametrize("content", [Net().content, Net(wide=True).content, joined()], ids=["swish", "wide", "concat"])
def test_what_is_filled_in_is_what_the_quantizer_writes(content):
    for form in forms(model_of(content, SPEC, "logits"), SAMPLES):
        graph = form.model.graph
        known = template(graph, ranges_of(form, "minmax"), SPEC)
        assert known is not None
        for method in METHODS:
            ranges = ranges_of(form, method)
            expected = quantize_int8(graph, ranges, SPEC)
            found = known.filled(ranges, SPEC)
            assert found.content == expected.content
            assert found == expected == read_graph(found.content)


def test_a_constant_that_is_quantized_with_the_ranges_leaves_no_template():
    (form,) = forms(model_of(joined(np.full((1, 8, 8, 3), 0.4, np.float32)), SPEC, "logits"), SAMPLES)
    known, ranges = template(form.model.graph, ranges_of(form, "minmax"), SPEC), ranges_of(form, "mse")
    if known is not None:  # the quantizer gave the constant a scale of its own
        assert known.filled(ranges, SPEC).content == quantize_int8(form.model.graph, ranges, SPEC).content


def test_ranges_of_another_model_are_refused():
    (form,) = forms(model_of(joined(), SPEC, "logits"), SAMPLES)
    known = template(form.model.graph, ranges_of(form, "minmax"), SPEC)
    with pytest.raises(DataError, match="hold none for tensor"):
        known.filled(Ranges({}, "minmax", 1, ""), SPEC)
    assert set(activation_bounds(form.model.graph, ranges_of(form, "minmax"), SPEC)) == {"image", "y", "z", "both"}
