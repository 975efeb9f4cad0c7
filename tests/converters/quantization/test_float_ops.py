"""Layers without an int8 form: refused by their names, or left in float on request."""

import json

import pytest
from click.testing import CliRunner

from edgekit.cli import main
from edgekit.converters.export.through_tensorflow import export_float
from edgekit.converters.quantization.float_ops import refuse_float_ops
from edgekit.converters.sources.open import load_source
from edgekit.errors import ConversionError
from edgekit.tflite import read_graph
from tests.support.float_nets import colour_net
from tests.support.tiny_keras import classifier, save

pytest.importorskip("litert_quantizer")

KINDS = {
    "ELU": (lambda layers: layers.ELU(), "no int8 form of ELU: "),
    "GELU": (lambda layers: layers.Activation("gelu"), "no int8 form of Activation with gelu"),
    "GroupNormalization": (lambda layers: layers.GroupNormalization(3), "no int8 form of GroupNormalization "),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_is_refused_by_its_name_with_a_way_for_the_edge_tpu_and_one_for_phones(kind, tmp_path):
    keras = pytest.importorskip("keras")
    make, said = KINDS[kind]
    source = load_source(save(classifier(keras, make(keras.layers)), tmp_path / "m.keras"))
    with pytest.raises(ConversionError) as caught:
        refuse_float_ops(export_float(source, source.spec).graph, source)
    assert said in str(caught.value)
    assert caught.value.hint.startswith("Use ")
    assert "For phones and CPUs, --allow-float" in caught.value.hint


def convert(tmp_path, monkeypatch, *arguments):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.tflite").write_bytes(colour_net(between="ELU"))
    return CliRunner().invoke(main, ["convert", "m.tflite", *arguments])


def test_without_the_option_full_int8_stays_full_int8(tmp_path, monkeypatch):
    result = convert(tmp_path, monkeypatch)
    assert result.exit_code == 2
    assert "no int8 form of ELU: 1 op would stay in float" in result.output
    assert not (tmp_path / "m_int8.tflite").exists()


def test_a_float_island_is_made_on_request_and_told(tmp_path, monkeypatch):
    result = convert(tmp_path, monkeypatch, "--allow-float")
    assert result.exit_code == 0, result.output
    assert "int8 but for 1 float op (1 ELU)" in result.output
    assert "not full int8: 1 float op (1 ELU), with casts around" in result.output
    kinds = [op.opcode for op in read_graph(tmp_path / "m_int8.tflite").ops]
    place = kinds.index("ELU")
    assert kinds[place - 1 : place + 2] == ["DEQUANTIZE", "ELU", "QUANTIZE"]
    assert json.loads((tmp_path / "m_int8.json").read_text())["float_ops"] == {"ELU": 1}


def test_a_float_island_is_in_the_json(tmp_path, monkeypatch):
    result = convert(tmp_path, monkeypatch, "--allow-float", "--json")
    document = json.loads(result.output)
    assert document["float_ops"] == {"ELU": 1}
    assert document["verdict"]["agreement"] > 0.95
    assert document["provenance"]["recipe"]["allow_float"] is True
