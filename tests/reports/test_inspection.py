import json

from edgekit.devices.inspection import inspect
from edgekit.edgetpu import CompilerOptions
from edgekit.reports.compiled import compiled_to_json
from edgekit.reports.inspection import inspection_lines, inspection_to_json
from edgekit.reports.record import record_lines
from edgekit.tflite.metadata import Metadata, write_metadata
from tests.support.build import colour_classifier
from tests.support.recordings import compiled_model


def found(tmp_path, content, **options):
    (tmp_path / "m.tflite").write_bytes(content)
    return inspect(tmp_path / "m.tflite", **options)


def test_json_is_ready_and_complete(tmp_path):
    content = write_metadata(colour_classifier("uint8"), Metadata(labels=("a", "b", "c")))
    value = json.loads(json.dumps(inspection_to_json(found(tmp_path, content))))
    assert [op["op"] for op in value["ops"]] == ["MEAN", "SOFTMAX"]
    assert value["inputs"][0]["shape"] == [1, 8, 8, 3] and value["inputs"][0]["scale"] == [1.0]
    assert value["outputs"][0]["name"] == "scores"
    assert value["metadata"]["labels"] == ["a", "b", "c"] and value["metadata"]["input"] is None
    assert inspection_to_json(found(tmp_path, colour_classifier("uint8")))["metadata"] is None


def test_an_op_has_one_schema_wherever_it_is_told(tmp_path):
    plain = inspection_to_json(found(tmp_path, colour_classifier("uint8")))["ops"][0]
    placed = inspection_to_json(found(tmp_path, colour_classifier("uint8"), edgetpu=CompilerOptions()))["ops"][0]
    left = compiled_to_json(found(tmp_path, compiled_model(tail=True)).compiled)["cpu_ops"][0]
    assert plain.items() <= placed.items()
    assert set(plain) == set(left)


def test_the_record_of_a_search_is_a_line_for_each_of_its_steps(tmp_path):
    steps = [{"name": f"step {n}", "sqnr_db": 20.123456, "kept": n == 1, "why": None} for n in range(12)]
    record = {"calibration": {"images": 100, "sha256": "ab" * 32, "steps": steps}, "tool": "edgekit"}
    lines = list(record_lines(record))
    assert lines[0] == "  made with calibration: images 100, sha256 abababababab…"
    assert lines[2] == "      name step 0, sqnr_db 20.12, kept False"
    assert lines[-2:] == ["      … 8 more: see --json", "  made with tool: edgekit"]
    content = write_metadata(colour_classifier("uint8"), Metadata(provenance=record))
    assert max(map(len, inspection_lines(found(tmp_path, content)))) < 120
