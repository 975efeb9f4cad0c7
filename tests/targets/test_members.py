"""Whole members of the family, with random weights: nothing stays behind, on any accelerator."""

import pytest

from edgekit.converters import Recipe, convert, load_source
from edgekit.converters.making import new
from edgekit.models.zoo import ZOO
from edgekit.targets.judges import Place, judge

pytest.importorskip("litert_quantizer")


@pytest.mark.slow
@pytest.mark.parametrize("name", [*ZOO, "b0"])
def test_every_op_runs_on_an_ethos_u_and_legalizes_to_tosa(name, tmp_path):
    pytest.importorskip("ethosu")
    pytest.importorskip("tosa_converter_for_tflite")
    source = load_source(new(name, output=tmp_path / "m.tflite").path)
    recipe = Recipe(samples=4, ranges="minmax", effort="fast", preprocess="lite", target="ethos-u")
    graph = convert(source, recipe=recipe, verify=False).artefact.model.graph
    for target in ("ethos-u", "coral-npu"):
        found = judge(graph, Place(target))
        assert found.fully_mapped, [placed.op.opcode for placed in found.ops if placed.device == "cpu"]
