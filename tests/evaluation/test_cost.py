"""Size and time of a model beside another's."""

from edgekit.evaluation.cost import cost
from edgekit.preprocess import InputSpec
from edgekit.reports.cost import cost_text, cost_to_json
from tests.support.build import colour_classifier, model_of


def test_both_are_measured_in_turns_whatever_their_types():
    for first, second in (("float32", "uint8"), ("int8", "float32")):
        models = [model_of(colour_classifier(dtype), InputSpec(8, 8)) for dtype in (first, second)]
        found = cost(*models)
        assert found.sizes == tuple(model.graph.size for model in models)
        low, high = found.ratio.interval
        assert min(found.milliseconds) > 0 and 0 < low <= found.ratio.value <= high


def test_a_line_and_a_document_tell_the_same():
    model = model_of(colour_classifier(), InputSpec(8, 8))
    found = cost(model, model)
    document = cost_to_json(found)
    assert document["bytes"] == [model.graph.size] * 2 and document["ratio"] == found.ratio.value
    text = cost_text(found, "float", "int8")
    assert text.startswith(f"float 0.0 MB, {found.milliseconds[0]:.3g} ms; int8 0.0 MB, ")
    assert text.endswith(" on one CPU core") and f"{found.ratio.value:.2f} times as long (95 % CI " in text
