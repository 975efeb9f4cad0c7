import hashlib
from pathlib import Path

import pytest

from edgekit.edgetpu.compiler.origin import output_names, read_origin, twin_record
from edgekit.tflite.metadata import Metadata, write_metadata
from edgekit.tflite.reader import read_graph
from tests.support.recordings import compiled_model


def compiled(**record):
    """A compiled model's graph with this record."""
    return read_graph(write_metadata(compiled_model(), Metadata(provenance={"edgetpu": record})))


@pytest.mark.parametrize(
    ("file", "names", "segment"),
    [
        ("net_edgetpu.tflite", ("net.tflite",), False),
        ("net_edgetpu_edgetpu.tflite", ("net_edgetpu.tflite",), False),
        ("net_segment_0_of_3_edgetpu.tflite", ("net.tflite",), True),
        ("net_cocompiled_with_other_edgetpu.tflite", ("net.tflite",), False),
        ("net.tflite", (), False),
        ("net_edgetpu_v2.tflite", (), False),
        ("_edgetpu.tflite", (), False),
    ],
)
def test_a_compiled_files_name_tells_its_origin(file, names, segment):
    found = read_origin(file, read_graph(compiled_model()))
    assert (found.names, found.digest, found.is_segment) == (names, "", segment)


@pytest.mark.parametrize("segments", [1, 2, 11])
def test_every_output_leads_back_to_its_model(segments):
    names = output_names(Path("a/net.tflite"), segments)
    assert len(names) == segments and len(set(names)) == segments
    for name in names:
        found = read_origin(name, read_graph(compiled_model()))
        assert (found.names, found.is_segment) == (("net.tflite",), segments > 1)


def test_the_record_comes_before_the_name():
    record = twin_record(Path("somewhere/net.tflite"), b"content")
    found = read_origin("renamed_edgetpu.tflite", compiled(**record))
    assert found.names == ("net.tflite", "renamed.tflite")
    assert found.digest == hashlib.sha256(b"content").hexdigest()
    assert read_origin("net_edgetpu.tflite", compiled(**record)).names == ("net.tflite",)


@pytest.mark.parametrize("name", ["../net.tflite", "/etc/net.tflite", "a/net.tflite", "", ".", "..", "a\nb", 5, None])
def test_a_record_that_leads_elsewhere_is_not_followed(name):
    found = read_origin("x_edgetpu.tflite", compiled(cpu_twin=name, cpu_twin_sha256=7))
    assert (found.names, found.digest) == (("x.tflite",), "")


def test_a_record_of_another_kind_tells_nothing():
    graph = read_graph(write_metadata(compiled_model(), Metadata(provenance={"edgetpu": ["net.tflite"]})))
    assert read_origin("x.tflite", graph).names == ()


@pytest.mark.parametrize(
    ("segments", "names"),
    [
        ({}, ["net_edgetpu.tflite"]),
        ({"segments": 1}, ["net_edgetpu.tflite"]),
        ({"segments": 2}, ["net_segment_0_of_2_edgetpu.tflite", "net_segment_1_of_2_edgetpu.tflite"]),
    ],
)
def test_the_compiler_names_its_files_after_the_model(segments, names):
    assert output_names(Path("/somewhere/net.tflite"), **segments) == names


@pytest.mark.parametrize(
    ("name", "twin"), [("edgetpu.tflite", "detect.tflite"), ("m/edgetpu_model.tflite", "cpu_model.tflite")]
)
def test_the_names_of_programs_that_many_copy_are_known(name, twin):
    assert read_origin(name, read_graph(compiled_model())).names == (twin,)
