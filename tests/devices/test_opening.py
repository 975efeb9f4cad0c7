import hashlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from edgekit.devices import Classifier
from edgekit.devices.emulator.emulated import EmulatedEdgeTpu
from edgekit.devices.opening import open_model
from edgekit.devices.request import Request, parse_device
from edgekit.devices.twin import find_twin
from edgekit.edgetpu.compiler.origin import output_names, read_origin, twin_record
from edgekit.errors import DeviceError, EdgekitError, ModelFormatError, UsageError
from edgekit.tflite.metadata import Metadata, write_metadata
from edgekit.tflite.reader import read_graph
from tests.support.build import GraphBuilder, colour_classifier
from tests.support.pairs import PIXEL, PROBABILITY, compiled, images, twin, write_pair, write_segments
from tests.support.recordings import custom_options, typical_package


@pytest.fixture(autouse=True)
def _no_edge_tpu(tmp_path_factory, monkeypatch):
    """Whatever is attached to the machine that runs the tests."""
    monkeypatch.setattr("edgekit.devices.discovery.ROOT", tmp_path_factory.mktemp("bare"))


@pytest.mark.parametrize(
    ("text", "request_", "options"),
    [
        ("auto", Request("auto", "auto"), {}),
        ("cpu", Request("cpu", "cpu"), {}),
        ("edgetpu", Request("edgetpu", "edgetpu"), {}),
        ("usb", Request("usb", "edgetpu", "usb"), {"device": "usb"}),
        ("usb:1", Request("usb:1", "edgetpu", "usb", 1), {"device": "usb:1"}),
        ("pci:0", Request("pci:0", "edgetpu", "pci", 0), {"device": "pci:0"}),
        (":0", Request(":0", "edgetpu", None, 0), {"device": ":0"}),
        ("emulated", Request("emulated", "emulated"), {}),
        ("emulated:usb3", Request("emulated:usb3", "emulated", host="usb3"), {}),
    ],
)
def test_the_grammar_of_devices(text, request_, options):
    assert parse_device(text) == request_
    assert request_.options == options


@pytest.mark.parametrize(
    "text",
    ["", " ", ":", "usb:", "usb:x", "usb:-1", "usb:1.0", "pci0", "USB", "tpu", "cpu:0", "auto:1", "usb:٣", "emulated:"],
)
def test_other_devices_are_refused(text):
    with pytest.raises(UsageError, match="There is no device"):
        open_model(colour_classifier("uint8"), device=text)


def test_an_ordinary_model_runs_on_the_cpu_and_nowhere_else():
    for device in ("auto", "cpu"):
        assert open_model(colour_classifier("uint8"), device=device).device == "cpu"
    for device in ("edgetpu", "usb:0", "emulated"):
        with pytest.raises(UsageError, match="not compiled") as caught:
            open_model(colour_classifier("uint8"), device=device)
        assert "edgekit compile" in caught.value.hint


def test_without_an_edge_tpu_the_twin_serves_and_says_so(tmp_path):
    path = write_pair(tmp_path)
    model = open_model(path)
    assert model.device == "cpu"
    assert model.reason == ("no Edge TPU is attached; the CPU twin net.tflite runs instead")
    with Classifier(path) as classifier:
        prediction = classifier.classify(np.full((8, 8, 3), (200, 0, 0), np.uint8))
    assert (prediction.device, prediction.reason, prediction.classes[0].label) == ("cpu", model.reason, "red")


def test_a_named_device_never_falls_back(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEKIT_LIBEDGETPU", str(tmp_path / "none.so"))
    path = write_pair(tmp_path)
    for device in ("edgetpu", "usb:1"):
        with pytest.raises(DeviceError, match="there is no file"):
            open_model(path, device=device)


def test_cpu_is_the_twin_without_an_excuse(tmp_path):
    assert open_model(write_pair(tmp_path), device="cpu").reason.startswith(
        "it was requested; the CPU twin net.tflite runs instead"
    )


def test_an_unplugged_emulated_device_is_replaced_by_the_twin(tmp_path):
    tpu = EmulatedEdgeTpu()
    tpu.unplug()
    model = open_model(write_pair(tmp_path), device=tpu)
    assert model.device == "cpu" and "unplugged" in model.reason


# The twin is found and checked.


def test_the_twin_is_known_by_its_digest(tmp_path):
    path = write_pair(tmp_path)
    digest = hashlib.sha256((tmp_path / "net.tflite").read_bytes()).hexdigest()
    write_pair(tmp_path, digest=digest)
    assert open_model(path).device == "cpu"
    write_pair(tmp_path, digest="0" * 64)
    with pytest.raises(DeviceError, match=r"not the model.*SHA-256"):
        open_model(path)


def test_a_renamed_compiled_file_finds_the_twin_that_it_names(tmp_path):
    digest = hashlib.sha256(write_metadata(twin(), Metadata(labels=("red", "green", "blue")))).hexdigest()
    path = write_pair(tmp_path, digest=digest)
    renamed = path.rename(tmp_path / "renamed.tflite")
    assert "the CPU twin net.tflite runs" in open_model(renamed).reason


@pytest.mark.parametrize("named", ["../net.tflite", "/etc/passwd", "..", "", 7, None, ["net.tflite"]])
def test_a_twin_is_only_looked_for_beside_the_model(tmp_path, named):
    folder = tmp_path / "inner"
    folder.mkdir()
    (tmp_path / "net.tflite").write_bytes(twin())
    record = {"edgetpu": {"cpu_twin": named}}
    path = folder / "renamed.tflite"
    path.write_bytes(write_metadata(compiled(), Metadata(provenance=record)))
    with pytest.raises(DeviceError, match="the CPU cannot run it"):
        open_model(path, device="cpu")


def test_the_missing_twin_is_named(tmp_path):
    path = write_pair(tmp_path)
    (tmp_path / "net.tflite").unlink()
    with pytest.raises(DeviceError, match="cannot run it, and no Edge TPU is attached") as caught:
        open_model(path)
    assert "Bring the file it was compiled from, usually net.tflite" in caught.value.hint
    for device in ("cpu", "emulated"):
        with pytest.raises(DeviceError, match="cannot run it"):
            open_model(path, device=device)
    with pytest.raises(DeviceError, match="cannot run it"):
        open_model(path.read_bytes())


def test_another_model_under_the_twins_name_is_refused(tmp_path):
    path = write_pair(tmp_path)
    (tmp_path / "net.tflite").write_bytes(colour_classifier("uint8"))
    with pytest.raises(DeviceError, match="its inputs are others"):
        open_model(path)


@pytest.mark.parametrize("content", [b"", b"TFL3" * 20, twin()[:200]])
def test_a_damaged_twin_is_an_error_not_a_crash(tmp_path, content):
    path = write_pair(tmp_path)
    (tmp_path / "net.tflite").write_bytes(content)
    with pytest.raises(ModelFormatError):
        open_model(path)


def test_a_damaged_compiled_file_is_an_error_not_a_crash(tmp_path):
    path = write_pair(tmp_path)
    content = path.read_bytes()
    generator = np.random.default_rng(0)
    for _ in range(40):
        damaged = bytearray(content)
        for place in generator.integers(0, len(content), 6):
            damaged[place] = generator.integers(256)
        path.write_bytes(bytes(damaged))
        with suppress(EdgekitError):
            open_model(path)


def test_labels_that_the_compiler_dropped_come_from_the_twin(tmp_path):
    path = write_pair(tmp_path)
    path.write_bytes(compiled())
    for device in ("auto", "emulated"):
        assert open_model(path, device=device).metadata.labels == ("red", "green", "blue")


def test_a_twins_outputs_come_in_the_compiled_models_order(tmp_path):
    def two(order, *, custom):
        graph = GraphBuilder()
        x = graph.input((1, 4), "uint8", quant=PIXEL, name="x")
        if custom:
            low, high = (graph.tensor((1, 4), "uint8", quant=PROBABILITY, name=name) for name in ("low", "high"))
            graph.raw_op("CUSTOM:edgetpu-custom-op", [x], [low, high], options=custom_options(typical_package()))
        else:
            low = graph.op("LOGISTIC", [x], (1, 4), "uint8", quant=PROBABILITY, name="low")
            high = graph.op("SOFTMAX", [x], (1, 4), "uint8", quant=PROBABILITY, options={"beta": 1.0}, name="high")
        return graph.finish([low, high][::order])

    (tmp_path / "n.tflite").write_bytes(two(1, custom=False))
    path = tmp_path / "n_edgetpu.tflite"
    path.write_bytes(two(-1, custom=True))
    value = np.array([[0, 50, 100, 250]], np.uint8)
    high, low = open_model(path, device="cpu").run(value)
    assert low[0, 0] == 128 and abs(int(high.sum()) - 256) < 4  # a sigmoid of 0; probabilities
    for answer, expected in zip(open_model(path, device="emulated").run(value), (high, low)):
        np.testing.assert_array_equal(answer, expected)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a_edgetpu.tflite", ("a.tflite",)),
        ("a.tflite", ()),
        ("a_segment_1_of_3_edgetpu.tflite", ("a.tflite",)),
        ("a_quant_cocompiled_with_b_quant_edgetpu.tflite", ("a_quant.tflite",)),
        ("a_edgetpu_edgetpu.tflite", ("a_edgetpu.tflite",)),
    ],
)
def test_the_twins_usual_name(name, expected):
    assert read_origin(name, read_graph(compiled())).names == expected


@pytest.mark.parametrize("segments", [1, 2, 4])
def test_every_name_that_the_compiler_gives_leads_back_to_the_model(segments):
    for name in output_names(Path("net.v2.tflite"), segments):
        origin = read_origin(name, read_graph(compiled()))
        assert origin.names == ("net.v2.tflite",) and origin.is_segment == (segments > 1)


def test_a_pair_renamed_together_is_found_by_its_digest(tmp_path):
    content = write_metadata(twin(), Metadata(labels=("red", "green", "blue")))
    path = write_pair(tmp_path, digest=hashlib.sha256(content).hexdigest())
    (tmp_path / "net.tflite").rename(tmp_path / "flowers.tflite")
    path = path.rename(tmp_path / "flowers_edgetpu.tflite")
    assert "the CPU twin flowers.tflite runs" in open_model(path).reason


@pytest.mark.parametrize("folder", [".", "pipeline"])
@pytest.mark.parametrize("recorded", [False, True])
def test_a_segment_runs_as_its_part_of_the_whole_model_beside_it_or_above(tmp_path, recorded, folder):
    whole = tmp_path / "net.tflite"
    whole.write_bytes(write_metadata(twin(), Metadata(labels=("red", "green", "blue"))))
    (tmp_path / folder).mkdir(exist_ok=True)
    record = twin_record(whole, whole.read_bytes()) if recorded else None
    first, last = write_segments(tmp_path / folder, record=record)
    image = images(1)[0]
    (expected,) = open_model(whole).run(image)
    for device in ("cpu", "emulated"):
        (between,) = open_model(first, device=device).run(image)
        assert between.shape == (1, 4, 4, 3)
        np.testing.assert_array_equal(open_model(last, device=device).run(between)[0], expected)
    assert recorded or open_model(last).metadata.labels == ("red", "green", "blue")  # dropped by the compiler


def test_a_segment_without_its_whole_model_names_the_file_to_bring(tmp_path):
    first, _ = write_segments(tmp_path)
    with pytest.raises(DeviceError, match="one segment of a pipeline") as caught:
        open_model(first, device="cpu")
    assert "usually net.tflite, beside it or in the folder above" in caught.value.hint
    (tmp_path / "net.tflite").write_bytes(colour_classifier("uint8"))
    with pytest.raises(DeviceError, match="has no tensor 'image'"):
        open_model(first, device="cpu")


@pytest.mark.shared
def test_every_real_pair_is_known_as_one(shared):
    for folder in sorted((shared / "edgetpu" / "pairs").iterdir()):
        graph = read_graph(folder / "model_edgetpu.tflite")
        found = find_twin(folder / "model_edgetpu.tflite", graph)
        assert found.path.name == "model.tflite" and found.graph is found.source
        for ours, theirs in zip(found.inputs + found.outputs, graph.inputs + graph.outputs):
            assert found.graph.tensors[ours].name == graph.tensors[theirs].name


def test_a_bare_run_says_which_device_failed(tmp_path):
    model = open_model(write_pair(tmp_path), device=EmulatedEdgeTpu(fail_at=[1]))
    with pytest.raises(DeviceError, match="failed on the device emulated"):
        model.run(images(1)[0])
    with pytest.raises(UsageError, match="Cannot set tensor"):
        model.run(np.zeros(3))


@pytest.mark.parametrize("named", ["a" * 300, "a\0b", "\x1b[31mnet.tflite"])
def test_a_twin_named_as_no_file_can_be_is_looked_for_under_its_usual_name(tmp_path, named):
    path = tmp_path / "net_edgetpu.tflite"
    path.write_bytes(write_metadata(compiled(), Metadata(provenance={"edgetpu": {"cpu_twin": named}})))
    with pytest.raises(DeviceError) as caught:
        open_model(path)
    assert caught.value.hint is not None and caught.value.hint.isprintable()
