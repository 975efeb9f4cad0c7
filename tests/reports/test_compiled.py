import json

import pytest
from click.testing import CliRunner

from edgekit.cli import main
from edgekit.edgetpu.compiler.package import read_compiled
from edgekit.reports.compiled import compiled_to_json, find_twin, print_compiled
from edgekit.tflite.reader import read_graph
from tests.support.recordings import compiled_model, int8_model


def test_json_holds_every_figure():
    twin = read_graph(int8_model(tail=True))
    document = json.loads(json.dumps(compiled_to_json(read_compiled(compiled_model(tail=True)), twin)))
    assert (document["min_runtime"], document["cached_bytes"], document["streamed_bytes"]) == (14, 192, 64)
    assert (document["mapped"], document["twin_ops"]) == ([0, 1], 3)
    assert document["cpu_ops"] == [{"index": 1, "opcode": "DEQUANTIZE"}]
    (op,) = document["edgetpu_ops"]
    assert (op["index"], op["chips"]) == (0, [18])
    programs = op["packages"][0]["executables"]
    assert [program["type"] for program in programs] == ["EXECUTION_ONLY", "PARAMETER_CACHING"]
    assert op["packages"][0]["inputs"] == [{"name": "in", "bytes": 128, "shape": [4, 4, 8]}]


def test_without_a_twin_nothing_is_said_of_it():
    assert "mapped" not in compiled_to_json(read_compiled(compiled_model()))


def test_one_screen_says_what_matters(capsys):
    print_compiled(read_compiled(compiled_model(tail=True)), read_graph(int8_model(tail=True)))
    text = capsys.readouterr().out
    for said in (
        "Edge TPU runtime 14 or newer",
        "192.00B loaded once, 64.00B each time",
        "2 of the 3 ops",
        "DEQUANTIZE x1",
        "execution only",
        "parameter caching",
        "beagle",
    ):
        assert said in text


def test_the_twin_lies_beside_it(tmp_path):
    path = tmp_path / "net_edgetpu.tflite"
    path.write_bytes(compiled_model())
    assert find_twin(str(path)) is None
    (tmp_path / "net.tflite").write_bytes(b"damaged")
    assert find_twin(str(path)) is None
    (tmp_path / "net.tflite").write_bytes(int8_model())
    assert len(find_twin(str(path)).ops) == 2
    assert find_twin(str(tmp_path / "net.tflite")) is None


@pytest.mark.parametrize("as_json", [True, False])
def test_inspect_reads_a_compiled_model(tmp_path, as_json):
    path = tmp_path / "net_edgetpu.tflite"
    path.write_bytes(compiled_model(tail=True))
    (tmp_path / "net.tflite").write_bytes(int8_model(tail=True))
    result = CliRunner().invoke(main, ["inspect", str(path), *(["--json"] if as_json else [])])
    assert result.exit_code == 0, result.output
    if as_json:
        assert json.loads(result.stdout)["edgetpu"]["mapped"] == [0, 1]
    else:
        assert "2 of the 3 ops of the model beside it" in result.stdout
