"""What is told of a model file."""

from edgekit.devices.inspection import inspect, look_for_twin
from edgekit.edgetpu.compiler.package import read_compiled
from edgekit.edgetpu.placement.placement import CompilerOptions
from edgekit.errors import EdgekitError
from tests.support.build import GraphBuilder, colour_classifier, colour_model
from tests.support.pairs import write_pair


def test_a_model_that_says_nothing_takes_its_names_from_the_file_beside_it(tmp_path):
    path = tmp_path / "net.tflite"
    path.write_bytes(colour_classifier("uint8"))
    assert inspect(path).metadata is None and not inspect(path).names.labels
    (tmp_path / "labels.txt").write_text("one\ntwo\nthree\n")
    assert inspect(path).names.labels == ("one", "two", "three")


def test_a_model_that_names_its_classes_is_believed(tmp_path):
    path = tmp_path / "net.tflite"
    path.write_bytes(colour_model())
    found = inspect(path)
    assert (found.names.labels, found.metadata.labels) == (("red", "green", "blue"),) * 2
    assert found.placement is found.compiled is found.twin is found.contents is None
    assert len(inspect(path, edgetpu=CompilerOptions()).placement.ops) == 2


def test_what_is_no_classifier_has_no_names(tmp_path):
    graph = GraphBuilder()
    x = graph.input((1, 4))
    path = tmp_path / "net.tflite"
    path.write_bytes(graph.finish([graph.op("TANH", [x], (1, 4)), graph.op("ABS", [x], (1, 4), options={})]))
    assert inspect(path).names is None


def test_a_compiled_file_is_told_with_its_twin_or_why_it_has_none(tmp_path):
    path = write_pair(tmp_path)
    found = inspect(path, edgetpu=CompilerOptions())
    assert found.compiled.graph == found.graph and found.twin.path.name == "net.tflite" and found.placement is None
    (tmp_path / "net.tflite").unlink()
    missing = look_for_twin(str(path), read_compiled(str(path)))
    assert isinstance(missing, EdgekitError) and inspect(path).contents is None
