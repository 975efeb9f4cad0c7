import pytest

from edgekit.devices.profiles import PROFILES, this_profile
from edgekit.edgetpu.estimate.profiles import HOSTS
from tests.support.recorded import plant


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("Freescale i.MX8MQ Phanbell\0", "devboard"),
        ("Google i.MX8MQ Phanbell\0", "devboard"),
        ("Raspberry Pi 4 Model B Rev 1.4\0", "pi4"),
        ("Raspberry Pi 5 Model B Rev 1.0\0", "pi5"),
        ("Raspberry Pi 3 Model B Plus Rev 1.3\0", "cpu"),
    ],
)
def test_boards_are_known_by_their_device_tree(tmp_path, model, name):
    (tmp_path / "proc/device-tree").mkdir(parents=True)
    (tmp_path / "proc/device-tree/model").write_text(model)
    assert this_profile(tmp_path) == PROFILES[name]


def test_a_dev_board_mini_is_known_by_its_processor(tmp_path):
    (tmp_path / "proc/device-tree").mkdir(parents=True)
    (tmp_path / "proc/device-tree/compatible").write_text("google,coral-board\0mediatek,mt8167\0")
    assert this_profile(tmp_path) == PROFILES["devboard-mini"]


@pytest.mark.parametrize(
    ("name", "cores", "memory_mb", "bus"),
    [
        ("devboard", 4, 1024, "pci"),  # coral.ai/docs/dev-board/datasheet
        ("devboard-mini", 4, 2048, "usb"),  # coral.ai/docs/dev-board-mini/datasheet
        ("pi4", 4, 1024, None),  # raspberrypi.com/products
        ("pi5", 4, 1024, None),
        ("pcie", None, None, "pci"),
        ("cpu", None, None, None),
    ],
)
def test_profiles_are_the_data_sheets(name, cores, memory_mb, bus):
    profile = PROFILES[name]
    assert (profile.cores, profile.memory_mb, profile.bus) == (cores, memory_mb, bus)


def test_others_are_known_by_what_is_plugged_in(tmp_path):
    assert this_profile(tmp_path) == PROFILES["cpu"]
    assert this_profile(plant(tmp_path, "pci")) == PROFILES["pcie"]


def test_every_host_is_one_of_the_estimates():
    assert {profile.host for profile in PROFILES.values()} <= {*HOSTS, None}
