import hashlib
import json
import math
from importlib.metadata import version

import pytest

from edgekit import __version__
from edgekit.converters import Recipe, convert, load_source, save
from edgekit.converters.manifest import tool_versions
from edgekit.errors import OutputError
from edgekit.evaluation import Verdict
from edgekit.preprocess import InputSpec
from edgekit.tflite.metadata import read_metadata
from tests.support.float_nets import colour_net

pytest.importorskip("litert_quantizer")


@pytest.fixture(scope="module")
def conversion(tmp_path_factory):
    path = tmp_path_factory.mktemp("artefact") / "colours.tflite"
    path.write_bytes(colour_net())
    path.with_name("labels.txt").write_text("blue\ngreen\nred\n")
    return convert(load_source(path), recipe=Recipe(samples=8, seed=3))


def test_the_manifest_says_how_the_model_was_made(conversion, tmp_path):
    manifest = save(conversion.artefact, tmp_path / "c_int8.tflite")
    assert manifest == tmp_path / "c_int8.json"
    record = json.loads(manifest.read_text(encoding="utf-8"))
    content = (tmp_path / "c_int8.tflite").read_bytes()
    assert (record["model"], record["bytes"]) == ("c_int8.tflite", len(content))
    assert record["sha256"] == hashlib.sha256(content).hexdigest()
    assert record["tool"] == f"edgekit {__version__}"
    assert record["source"]["file"] == "colours.tflite"
    assert record["source"]["sha256"] == hashlib.sha256(colour_net()).hexdigest()
    assert (record["recipe"]["io"], record["recipe"]["samples"], record["recipe"]["seed"]) == ("uint8", 8, 3)
    calibration = record["calibration"]
    assert (calibration["kind"], calibration["images"], calibration["seed"]) == ("synthetic", 8, 3)
    assert calibration["sha256"] == conversion.artefact.ranges.digest
    assert record["verdict"]["agreement"] == conversion.verdict.agreement
    assert InputSpec.from_json(record["input"]) == conversion.artefact.model.spec
    assert str(tmp_path) not in json.dumps(record)


def test_the_model_says_the_same_of_itself(conversion):
    metadata = read_metadata(conversion.artefact.model.graph.content)
    assert metadata.labels == ("blue", "green", "red")
    assert metadata.input == conversion.artefact.model.spec
    assert (metadata.output, metadata.name) == ("probabilities", "colours")
    assert metadata.provenance == json.loads(json.dumps(dict(conversion.artefact.provenance)))


def test_the_file_is_a_whole_model_still(conversion):
    graph = conversion.artefact.model.graph
    assert graph.tensors[graph.inputs[0]].dtype == "uint8"


def test_versions_are_those_installed():
    found = tool_versions("tensorflow")
    assert found["numpy"] == version("numpy")
    assert found["tensorflow"] == version("tensorflow")
    assert "edgekit" not in found


def test_the_same_bytes_come_out_whether_or_not_tensorflow_is_installed():
    assert not tool_versions("direct").keys() & {"tensorflow", "keras", "tf-keras"}


@pytest.mark.parametrize(("sqnr", "expected"), [(12.3456, 12.35), (math.inf, None), (-math.inf, None)])
def test_a_verdict_is_json(sqnr, expected):
    record = Verdict(0.5, (0.2, 0.8), 10, "data", sqnr).to_json()
    assert record["sqnr_db"] == expected
    assert record["interval"] == [0.2, 0.8]
    json.dumps(record, allow_nan=False)


def test_a_model_that_cannot_be_saved_leaves_the_old_one(conversion, tmp_path):
    with pytest.raises(OutputError):
        save(conversion.artefact, tmp_path / "none" / "a.tflite")
    (tmp_path / "a.tflite").mkdir()
    with pytest.raises(OutputError):
        save(conversion.artefact, tmp_path / "a.tflite")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tflite"]
