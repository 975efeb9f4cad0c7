import hashlib
import json

import pytest
from click.testing import CliRunner

from edgekit.cli import main
from edgekit.devices.inspection import look_for_twin
from edgekit.edgetpu.compiler.package import read_compiled
from edgekit.reports.compiled import compiled_lines, compiled_to_json
from edgekit.tflite.metadata import Metadata, write_metadata
from tests.support.pairs import twin, write_pair, write_segments
from tests.support.recordings import compiled_model, int8_model


def content(labels=("red", "green", "blue")):
    return write_metadata(twin(), Metadata(labels=labels))


def _pair(folder):
    (folder / "net.tflite").write_bytes(int8_model(tail=True))
    path = folder / "net_edgetpu.tflite"
    path.write_bytes(compiled_model(tail=True))
    return path


def _found(path):
    compiled = read_compiled(path)
    return compiled, look_for_twin(str(path), compiled)


def _inspect(path, *options):
    result = CliRunner().invoke(main, ["inspect", str(path), *options])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_json_holds_every_figure(tmp_path):
    document = json.loads(json.dumps(compiled_to_json(*_found(_pair(tmp_path)))))
    assert (document["min_runtime"], document["cached_bytes"], document["streamed_bytes"]) == (14, 192, 64)
    assert (document["mapped"], document["twin_ops"]) == ([0, 1], 3)
    assert document["cpu_ops"] == [{"index": 1, "op": "DEQUANTIZE", "version": 2, "inputs": [1], "outputs": [2]}]
    (op,) = document["edgetpu_ops"]
    assert (op["index"], op["chips"]) == (0, [18])
    programs = op["packages"][0]["executables"]
    assert [program["type"] for program in programs] == ["EXECUTION_ONLY", "PARAMETER_CACHING"]
    assert op["packages"][0]["inputs"] == [{"name": "in", "bytes": 128, "shape": [2, 8, 8]}]


def test_without_a_twin_nothing_is_said_of_it():
    assert "mapped" not in compiled_to_json(read_compiled(compiled_model()))


def test_one_screen_says_what_matters(tmp_path):
    text = "\n".join(compiled_lines(*_found(_pair(tmp_path))))
    for said in (
        "Edge TPU runtime 14 or newer",
        "192.00B cached on chip, 64.00B streamed at each inference",
        "2 of its 3 ops",
        "DEQUANTIZE x1",
        "execution only",
        "parameter caching",
        "beagle",
    ):
        assert said in text


def _classifies(path):
    result = CliRunner().invoke(main, ["classify", str(path), "none.png", "--device", "cpu"])
    return "is not the model that" not in result.output and "cannot run it" not in result.output


@pytest.mark.parametrize("kind", ["beside", "renamed", "replaced", "damaged", "missing"])
def test_inspect_and_classify_agree_on_the_twin(tmp_path, kind):
    path = write_pair(tmp_path, digest=hashlib.sha256(content()).hexdigest())
    whole = tmp_path / "net.tflite"
    assert whole.read_bytes() == content()
    if kind == "renamed":
        path = path.rename(tmp_path / "renamed.tflite")
    elif kind == "replaced":
        whole.write_bytes(content(labels=("cyan", "pink", "grey")))
    elif kind == "damaged":
        whole.write_bytes(b"damaged")
    elif kind == "missing":
        whole.unlink()
    found = kind in ("beside", "renamed")
    document = json.loads(_inspect(path, "--json"))["edgetpu"]
    assert document["cpu_twin"] == (str(whole) if found else None)
    assert ("mapped" in document) == found == ("4 of its 4 ops" in _inspect(path))
    assert ("cpu_twin_problem" in document) != found
    if kind != "damaged":  # of which both say that it is
        assert _classifies(path) == found


def test_a_replaced_twin_is_named_on_the_screen(tmp_path):
    path = write_pair(tmp_path, digest="0" * 64)
    assert "its content has changed since" in _inspect(path)


def test_a_segments_ops_are_counted_in_the_whole_model(tmp_path):
    (tmp_path / "net.tflite").write_bytes(content())
    _, last = write_segments(tmp_path)
    assert json.loads(_inspect(last, "--json"))["edgetpu"]["mapped"] == [2, 3]
    assert "2 of its 4 ops" in _inspect(last)
