"""The path of a real delegate, with a library of our own in libedgetpu's place."""

import numpy as np
import pytest

from edgekit.devices import delegate
from edgekit.devices import library as library_file
from edgekit.devices import trial as trial_module
from edgekit.devices.delegate import load_edgetpu
from edgekit.devices.failover import open_steady
from edgekit.devices.library import library_name
from edgekit.devices.opening import open_model
from edgekit.devices.trial import Trial, try_library
from edgekit.errors import DeviceError
from edgekit.tflite.metadata import Metadata, write_metadata
from tests.support.pairs import images, write_pair


def test_a_compiled_model_runs_on_the_library(fake_edgetpu, tmp_path):
    fake_edgetpu()
    model = open_model(write_pair(tmp_path, "apart"), device="edgetpu")
    image = images(1)[0]
    for call in (2, 4):  # two custom ops, each of them a call; the outputs hold its number
        (answer,) = model.run(image)
        np.testing.assert_array_equal(answer, np.full((1, 3), call, np.uint8))
    assert (model.device, model.reason) == ("edgetpu", "it was requested")


def test_a_trial_tells_the_version_and_how_far_it_came(fake_edgetpu, tmp_path):
    fake_edgetpu()
    path = str(write_pair(tmp_path))
    assert try_library() == Trial("device", runtime=13)
    assert try_library("usb:0", path) == Trial("model", runtime=13)


@pytest.mark.parametrize(
    ("mode", "stage", "told"),
    [
        ("crash-at-load", "nothing", "loading it"),
        ("crash-at-open", "library", "opening a device"),
        ("crash-at-run", "device", "running a model"),
    ],
)
def test_a_library_that_crashes_is_an_error_not_the_end(fake_edgetpu, tmp_path, mode, stage, told):
    fake_edgetpu(mode)
    path = write_pair(tmp_path)
    trial = try_library("", str(path))
    assert (trial.stage, trial.crashed) == (stage, True) and trial.error.startswith("signal")
    with pytest.raises(DeviceError, match=f"crashes at {told}"):
        open_model(path, device="edgetpu")


def test_a_library_that_hangs_is_a_crash(fake_edgetpu, tmp_path, monkeypatch):
    fake_edgetpu("hang")
    monkeypatch.setattr(trial_module, "_PATIENCE_S", 1)
    trial = try_library("", str(write_pair(tmp_path)))
    assert trial.crashed and trial.error == "no answer within 1 seconds"


def test_no_device_is_no_crash(fake_edgetpu, tmp_path):
    fake_edgetpu("no-device")
    assert try_library().stage == "library" and not try_library().crashed
    with pytest.raises(DeviceError, match="opened no Edge TPU") as caught:
        open_model(write_pair(tmp_path), device="usb")
    assert "edgekit doctor" in caught.value.hint


def test_options_reach_the_library(fake_edgetpu):
    fake_edgetpu()
    with pytest.raises(DeviceError, match="no device usb:7"):
        load_edgetpu({"device": "usb:7"})


def test_a_runtime_older_than_the_model_is_said_so(fake_edgetpu, tmp_path):
    fake_edgetpu("old-runtime")
    with pytest.raises(DeviceError, match=r"needs Edge TPU runtime 14; the installed library has 13") as caught:
        open_model(write_pair(tmp_path), device="edgetpu")
    assert "--min-runtime 13" in caught.value.hint


def test_a_library_that_takes_nothing_is_said_so(fake_edgetpu, tmp_path):
    fake_edgetpu("refuse")
    with pytest.raises(DeviceError, match="did not take the model's part"):
        open_model(write_pair(tmp_path), device="edgetpu")


def test_a_library_that_is_none(fake_edgetpu, tmp_path):
    library = fake_edgetpu()
    library.write_bytes(b"no library")
    assert try_library().stage == "nothing" and not try_library().crashed
    with pytest.raises(DeviceError, match="does not load"):
        load_edgetpu()
    library.unlink()
    with pytest.raises(DeviceError, match="the loader finds no"):
        load_edgetpu()


def test_a_library_that_is_not_whole_or_not_there_is_said_so_before_it_is_loaded(fake_edgetpu, tmp_path, monkeypatch):
    library, path = fake_edgetpu(), write_pair(tmp_path)
    library.write_bytes(library.read_bytes()[:-100])
    with pytest.raises(DeviceError, match=r"libedgetpu\.so\.1 cannot be loaded: it is truncated"):
        open_model(path, device="edgetpu")
    library.unlink()
    with pytest.raises(DeviceError, match="EDGEKIT_LIBEDGETPU is wrong: there is no file") as caught:
        open_model(path, device="edgetpu")
    assert "unset it" in caught.value.hint
    library.mkdir()
    with pytest.raises(DeviceError, match="is a folder"):
        open_model(path, device="edgetpu")
    monkeypatch.setenv(library_file.VARIABLE, "libnowhere.so")
    with pytest.raises(DeviceError, match=r"EDGEKIT_LIBEDGETPU is wrong: the loader finds no libnowhere\.so"):
        open_model(path, device="edgetpu")


def test_the_usual_name_of_the_library(monkeypatch):
    monkeypatch.delenv(library_file.VARIABLE, raising=False)
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    assert library_name() == "libedgetpu.1.dylib"
    monkeypatch.setattr("platform.system", lambda: "Plan9")
    assert library_name() == "libedgetpu.so.1"
    monkeypatch.setenv(library_file.VARIABLE, "/opt/mine.so")
    assert library_name() == "/opt/mine.so"


def test_auto_takes_the_device_that_is_attached_and_survives_its_failure(fake_edgetpu, one_usb_device, tmp_path):
    fake_edgetpu(fake_fail_at=2)
    path = write_pair(tmp_path)
    model, image = open_steady(path), images(1)[0]
    assert (model.device, model.reason) == ("edgetpu", "an Edge TPU is attached")
    model.run(image)
    (answer,) = model.run(image)
    assert model.device == "cpu"
    np.testing.assert_array_equal(answer, open_model(path, device="cpu").run(image)[0])
    model.close()


def test_auto_falls_back_on_a_library_that_crashes(fake_edgetpu, one_usb_device, tmp_path):
    fake_edgetpu("crash-at-open")
    model = open_model(write_pair(tmp_path))
    assert model.device == "cpu" and "crashes at opening a device" in model.reason


@pytest.mark.parametrize(
    ("said", "told"),
    [("Failed to load delegate", "TPU."), ("Failed\nno device", "TPU. It says: no device"), ("", "TPU.")],
)
def test_what_the_library_says_after_the_first_line_is_told(monkeypatch, said, told):
    class Package:
        @staticmethod
        def load_delegate(_library, _options):
            raise ValueError(said)

    monkeypatch.setattr(delegate.ctypes, "CDLL", lambda _name: None)
    monkeypatch.setattr(delegate, "interpreter_package", lambda: Package)
    with pytest.raises(DeviceError) as caught:
        delegate.load_edgetpu()
    assert caught.value.message.endswith(told)


def test_an_edge_tpus_model_is_described_by_itself_or_else_by_its_twin(fake_edgetpu, tmp_path):
    fake_edgetpu()
    path = write_pair(tmp_path)
    labels = open_model(tmp_path / "net.tflite", device="cpu").metadata.labels
    assert labels and open_model(path, device="edgetpu").metadata.labels == labels
    own = write_metadata(path.read_bytes(), Metadata(labels=("a", "b", "c")))
    path.write_bytes(own)
    assert open_model(path, device="edgetpu").metadata.labels == ("a", "b", "c")
