import json

import pytest
from click.testing import CliRunner
from PIL import Image

from edgekit.cli import main
from edgekit.devices import discovery
from edgekit.devices.discovery import EdgeTpu, attached
from tests.support.pairs import twin, write_pair
from tests.support.recorded import plant


def test_a_usb_accelerator(tmp_path):
    assert attached(plant(tmp_path, "usb")) == (
        EdgeTpu("usb", 0, "2-1", "/dev/bus/usb/002/003", ready=True, speed_mbps=5000),
    )


def test_one_whose_firmware_is_not_loaded(tmp_path):
    (tpu,) = attached(plant(tmp_path, "usb", "booting"))
    assert not tpu.ready and tpu.name == "usb:0"


def test_an_edge_tpu_on_pcie(tmp_path):
    assert attached(plant(tmp_path, "pci")) == (EdgeTpu("pci", 0, "0000:01:00.0", "/dev/apex_0", celsius=49.8),)


def test_one_on_pcie_needs_no_firmware_and_is_known_by_the_drivers_address_alone(tmp_path):
    """Mendel's driver writes the address; newer kernels link to the device."""
    root = plant(tmp_path, "pci")
    (root / "sys/class/apex/apex_0/device").unlink()
    other = root / "sys/class/apex/apex_1"
    other.mkdir()
    (other / "device_address").write_text("0000:01:00.0\n")
    (tpu,) = attached(root)
    assert (tpu.node, tpu.ready) == ("/dev/apex_1", True)


def test_one_without_a_driver(tmp_path):
    (tpu,) = attached(plant(tmp_path, "pci", "no-apex-driver"))
    assert (tpu.name, tpu.node, tpu.celsius) == ("pci:0", None, None)


def test_several_are_counted_on_each_bus(tmp_path):
    names = [(tpu.name, tpu.address) for tpu in attached(plant(tmp_path, "usb", "two-sticks", "pci"))]
    assert names == [("pci:0", "0000:01:00.0"), ("usb:0", "2-1"), ("usb:1", "2-2")]


def test_other_devices_are_none(tmp_path):
    assert attached(plant(tmp_path, "nothing")) == ()
    assert attached(tmp_path / "no-such-root") == ()


@pytest.mark.parametrize("value", ["", "many", "-", "99999999999999999999999", "nan", "inf"])
def test_files_of_sysfs_that_say_nothing_sensible(tmp_path, value):
    root = plant(tmp_path, "usb", "pci")
    for name in ("bus/usb/devices/2-1/busnum", "bus/usb/devices/2-1/speed", "class/apex/apex_0/temp"):
        (root / "sys" / name).write_text(value)
    assert [tpu.bus for tpu in attached(root)] == ["pci", "usb"]


def _edgekit(*arguments):
    return CliRunner().invoke(main, list(arguments))


def test_edgekit_devices_lists_them(tmp_path, monkeypatch):
    monkeypatch.setattr(discovery, "ROOT", plant(tmp_path, "usb", "two-sticks", "pci"))
    result = _edgekit("devices")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["cpu", "pci:0", "usb:0", "usb:1", "emulated"]
    assert "50 °C" in lines[2] and "5000 Mbit/s" in lines[3] and "firmware not loaded yet" in lines[4]
    found = json.loads(_edgekit("devices", "--json").output)
    assert [entry["device"] for entry in found] == ["cpu", "pci:0", "usb:0", "usb:1", "emulated"]
    assert found[2]["node"] == "/dev/bus/usb/002/003"


def test_edgekit_devices_without_any(tmp_path, monkeypatch):
    monkeypatch.setattr(discovery, "ROOT", tmp_path)
    result = _edgekit("devices")
    assert result.exit_code == 0 and "No Edge TPU is attached" in result.output


def test_edgekit_doctor_finds_and_exits_with_1(tmp_path, monkeypatch, fake_edgetpu):
    fake_edgetpu("crash-at-open")
    monkeypatch.setattr(discovery, "ROOT", plant(tmp_path / "machine", "usb", "usb2"))
    result = _edgekit("doctor")
    assert result.exit_code == 1
    assert "library-for-another-tflite" in result.output and "usb-2-port" in result.output
    assert "it crashes" in result.output and result.output.rstrip().endswith("2 problems found.")
    answer = json.loads(_edgekit("doctor", "--json").output)
    assert [finding["cause"] for finding in answer["findings"]] == ["library-for-another-tflite", "usb-2-port"]
    assert answer["machine"]["trial"]["crashed"] and answer["machine"]["devices"][0]["device"] == "usb:0"


def test_edgekit_doctor_finds_nothing_and_exits_with_0(tmp_path, monkeypatch, fake_edgetpu):
    fake_edgetpu()
    monkeypatch.setattr(discovery, "ROOT", plant(tmp_path / "machine", "usb"))
    result = _edgekit("doctor")
    assert (result.exit_code, result.output.splitlines()[-1]) == (0, "No problem found.")
    assert json.loads(_edgekit("doctor", "--json").output)["findings"] == []


def test_edgekit_doctor_refuses_wrong_questions_with_2(tmp_path, fake_edgetpu):
    fake_edgetpu()
    (tmp_path / "plain.tflite").write_bytes(twin())
    for arguments in (["--device", "gpu"], [str(tmp_path / "none.tflite")], [str(tmp_path / "plain.tflite")]):
        result = _edgekit("doctor", "--json", *arguments)
        assert result.exit_code == 2 and json.loads(result.output)["error"]


@pytest.mark.parametrize(("device", "told"), [("auto", "CPU"), ("cpu", "CPU"), ("emulated", "emulated Edge TPU")])
def test_edgekit_classify_takes_a_device(tmp_path, monkeypatch, device, told):
    monkeypatch.setattr(discovery, "ROOT", tmp_path / "bare")
    Image.new("RGB", (8, 8), (0, 200, 0)).save(tmp_path / "green.png")
    path = write_pair(tmp_path)
    result = _edgekit("classify", "--device", device, str(path), str(tmp_path / "green.png"))
    assert result.exit_code == 0 and f"on the {told}" in result.output
    (answer,) = json.loads(
        _edgekit("classify", "--json", "--device", device, str(path), str(tmp_path / "green.png")).output
    )
    assert answer["device"] in (device, "cpu") and answer["predictions"][0]["label"] == "green"
