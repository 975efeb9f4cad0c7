"""Governor, load and processor, read below another root."""

from dataclasses import replace

import pytest

from edgekit.devices import discovery
from edgekit.devices.benchmarking.conditions import conditions


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(discovery, "ROOT", tmp_path)
    return tmp_path


def governor(root, number, name):
    policy = root / f"sys/devices/system/cpu/cpufreq/policy{number}"
    policy.mkdir(parents=True)
    (policy / "scaling_governor").write_text(name + "\n")


def test_governors_of_all_cores_are_read_and_noted(root):
    for number, name in enumerate(("schedutil", "performance", "schedutil")):
        governor(root, number, name)
    found = replace(conditions(), load=0.0)
    assert found.governors == ("performance", "schedutil")
    assert ["governor is schedutil" in note for note in found.notes()] == [True]


def test_a_quiet_machine_has_no_notes(root):
    governor(root, 0, "performance")
    assert list(replace(conditions(), load=0.1).notes()) == []


def test_a_busy_machine_is_noted(root):
    (note,) = replace(conditions(), load=3.0, cores=2).notes()
    assert "load was 3.0 on 2 cores" in note


@pytest.mark.parametrize(
    ("load", "cores", "notes"), [(2.0, 4, 0), (2.01, 4, 1), (0.5, 1, 0), (0.51, 1, 1), (1.9, 4, 0)]
)
def test_a_machine_is_busy_with_more_than_one_program_for_two_cores(load, cores, notes):
    assert len(list(replace(conditions(), governors=(), load=load, cores=cores).notes())) == notes


def test_the_load_is_that_of_the_last_minute_as_uptime_prints_it(monkeypatch):
    monkeypatch.setattr("os.getloadavg", lambda: (1.23456, 2.0, 3.0), raising=False)
    assert conditions().load == 1.23
    monkeypatch.delattr("os.getloadavg")
    assert conditions().load is None


def test_a_board_is_named_by_its_device_tree_and_a_computer_by_its_processor(root):
    (root / "proc").mkdir()
    (root / "proc/cpuinfo").write_text("processor\t: 0\nmodel name\t: Fast CPU\n")
    assert conditions().processor == "Fast CPU"
    (root / "proc/device-tree").mkdir()
    (root / "proc/device-tree/model").write_bytes(b"Raspberry Pi 4 Model B\0")
    assert conditions().processor == "Raspberry Pi 4 Model B"


@pytest.mark.parametrize(
    ("board", "cpuinfo", "processor", "told"),
    [
        ("Raspberry Pi 4\0", "model name : A53\n", "p", "Raspberry Pi 4"),
        ("", "processor: 0\nmodel name\t: Intel 7\nmodel name\t: Intel 8\n", "p", "Intel 7"),
        ("", "processor: 0\n", "p", "p"),
        ("", "", "", "m"),
    ],
)
def test_a_processor_is_called_after_its_board_or_its_model(tmp_path, monkeypatch, board, cpuinfo, processor, told):
    monkeypatch.setattr(discovery, "ROOT", tmp_path)
    monkeypatch.setattr("platform.processor", lambda: processor)
    monkeypatch.setattr("platform.machine", lambda: "m")
    for name, text in (("device-tree/model", board), ("cpuinfo", cpuinfo)):
        if text:
            (tmp_path / "proc" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "proc" / name).write_text(text)
    assert conditions().processor == told
    assert conditions().interpreter in ("ai_edge_litert", "tflite_runtime", "tensorflow")
