import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.devices.doctor.doctor import ALL_CAUSES, diagnose
from edgekit.devices.doctor.machine import Identity, examine, kernel_log
from edgekit.devices.doctor.page import page
from edgekit.devices.library import damage, elf_architecture
from edgekit.devices.trial import Trial
from edgekit.errors import ModelFormatError, UsageError
from tests.support.pairs import twin, write_pair
from tests.support.recorded import STRANGER, machine, plant

UNOPENED = Trial("library", "Failed to open", runtime=14)
FOREIGN = Trial("device", "Internal: Unsupported data type in custom op handler: 0", runtime=14)
MISSING_USB = Trial("nothing", "libusb-1.0.so.0: cannot open shared object file")

# cause → trees, what else is known, what the evidence says
CASES = [
    ("another-edgekit", ["usb"], {"other_edgekit": "edgekit 3.1: An SDK"}, "An SDK"),
    ("no-interpreter", ["usb"], {"problem": "No TFLite interpreter is installed.", "trial": None}, "No TFLite"),
    ("no-library", ["usb", "no-library"], {"trial": Trial("nothing", "no file")}, "not found"),
    (
        "misnamed-library",
        ["usb", "no-library"],
        {"trial": Trial("nothing", "no file"), "chosen": "/a/b.so"},
        "no file /a",
    ),
    (
        "misnamed-library",
        ["usb", "no-library"],
        {"trial": Trial("nothing", "no file"), "chosen": "b.so"},
        "hold no b.so",
    ),
    ("damaged-library", ["usb", "damaged-library"], {"trial": Trial("nothing", "file too short")}, "shared library"),
    ("damaged-library", ["usb", "damaged-library"], {"trial": Trial("nothing", "signal 7", crashed=True)}, "is no"),
    ("wrong-architecture", ["usb", "wrong-architecture"], {"trial": Trial("nothing", "wrong class")}, "for x86_64"),
    ("library-does-not-load", ["usb"], {"trial": MISSING_USB}, "libusb-1.0"),
    ("library-for-another-tflite", ["usb"], {"trial": Trial("device", "signal 11", crashed=True)}, "signal 11"),
    ("library-for-another-tflite", ["pci"], {"trial": FOREIGN}, "custom op handler"),
    ("no-device", ["nothing"], {"trial": UNOPENED}, "neither on USB nor on PCIe"),
    ("no-such-device", ["usb"], {"device": "usb:1", "trial": UNOPENED}, "usb:1 was asked for; there are 1"),
    ("apex-is-not-usb", ["usb"], {"device": "pci:0", "trial": UNOPENED}, "attached: usb:0"),
    ("apex-is-not-usb", ["pci"], {"device": "usb", "trial": UNOPENED}, "attached: pci:0"),
    ("firmware-not-loaded", ["usb", "booting"], {"trial": UNOPENED}, "usb:0 has the id 1a6e:089a"),
    ("no-usb-permission", ["usb", "no-udev-rule"], {"trial": UNOPENED}, "/dev/bus/usb/002/003"),
    ("no-apex-permission", ["pci", "no-apex-group"], {"trial": UNOPENED}, "/dev/apex_0"),
    ("apex-driver-missing", ["pci", "no-apex-driver"], {"trial": UNOPENED}, "no driver for 0000:01:00.0"),
    ("pcie-interrupts", ["pci", "no-interrupts"], {"trial": UNOPENED}, "initialize interrupts: -28"),
    ("container-without-device", ["usb", "container"], {"trial": UNOPENED}, "usb:0 is attached to the host"),
    ("container-without-device", ["nothing", "container-without-any"], {"trial": UNOPENED}, "no device is visible"),
    ("virtual-machine", ["nothing", "virtual-machine"], {"trial": UNOPENED}, "QEMU"),
    ("virtual-machine", ["nothing", "wsl"], {"trial": UNOPENED}, "WSL"),
    ("held-by-another-process", ["usb", "held"], {"trial": UNOPENED}, "frigate.detector (4711)"),
    ("usb-2-port", ["usb", "usb2"], {}, "480 Mbit/s"),
    ("power-or-cable", ["usb", "over-current"], {}, "over-current change #2"),
    ("power-or-cable", ["usb", "resets"], {}, "3 resets on port 2-1"),
    ("too-hot", ["pci", "hot"], {}, "91 °C"),
    ("runtime-too-old", ["usb"], {"trial": Trial("device", "too old", runtime=13), "needs": 14}, "needs runtime 14"),
    ("model-does-not-run", ["usb"], {"trial": Trial("device", "failed to prepare", runtime=14)}, "failed to prepare"),
    ("another-cpu-twin", ["usb"], {"twin_problem": "net.tflite is not the model"}, "is not the model"),
    ("does-not-open", ["usb"], {"trial": UNOPENED}, "Failed to open"),
]


@pytest.mark.parametrize(("cause", "trees", "facts", "evidence"), CASES, ids=[f"{c[0]}-{c[1][-1]}" for c in CASES])
def test_each_cause_is_found_on_its_tree_and_nothing_else(tmp_path, cause, trees, facts, evidence):
    (finding,) = diagnose(machine(tmp_path / "root", *trees, **facts))
    assert finding.cause == cause and evidence in finding.evidence
    assert finding.what.endswith(".") and finding.fix.endswith((".", ":"))


@pytest.mark.parametrize(
    ("kernel", "builds", "not_told"),
    [
        ("5.15.0-91-generic", ["gasket-dkms", "google/gasket-driver", "feranick/gasket-driver"], []),
        ("6.3.13", ["gasket-dkms", "google/gasket-driver"], []),
        ("6.4.0", ["google/gasket-driver", "feranick/gasket-driver"], ["gasket-dkms"]),
        ("6.6.31+rpt-rpi-v8", ["google/gasket-driver", "jnicolson/gasket-builder"], ["gasket-dkms"]),
        ("6.11.11", ["google/gasket-driver"], ["gasket-dkms"]),
        ("6.12.5-v8+", ["feranick/gasket-driver", "jnicolson/gasket-builder"], ["gasket-dkms", "google/"]),
        ("6.18.0", ["feranick/gasket-driver", "jnicolson/gasket-builder"], ["gasket-dkms", "google/"]),
    ],
)
def test_drivers_are_named_that_build_on_the_running_kernel(tmp_path, kernel, builds, not_told):
    root = plant(tmp_path / "root", "pci", "no-apex-driver")
    (root / "proc/sys/kernel").mkdir(parents=True)
    (root / "proc/sys/kernel/osrelease").write_text(kernel + "\n")
    (finding,) = diagnose(machine(root, "pci", "no-apex-driver", trial=UNOPENED))
    assert f"({kernel})" in finding.evidence
    assert all(name in finding.evidence for name in builds)
    assert not any(name in finding.evidence for name in not_told)


@pytest.mark.parametrize("trees", [["usb"], ["pci"], ["usb", "booting"], ["usb", "pci"], ["usb", "one-reset"]])
def test_nothing_is_found_where_all_is_well(tmp_path, trees):
    assert diagnose(machine(tmp_path / "root", *trees, needs=14)) == ()


def test_every_cause_has_a_case_and_two_paragraphs():
    assert {case[0] for case in CASES} == {cause.name.replace("_", "-") for cause in ALL_CAUSES}
    assert all(cause.what and cause.remedy for cause in ALL_CAUSES)
    assert len(ALL_CAUSES) >= 12


def test_the_page_is_up_to_date():
    written = Path(__file__).parents[3] / "docs" / "doctor.md"
    assert written.read_text(encoding="utf-8") == page() + "\n", (
        "run python -m edgekit.devices.doctor.page > docs/doctor.md"
    )


def test_permission_follows_owner_group_and_others(tmp_path):
    found = machine(tmp_path / "root", "usb", "no-udev-rule")
    node = found.node(found.tpus[0])
    owner, group = node.stat().st_uid, node.stat().st_gid
    for identity, allowed in [
        (STRANGER, False),
        (Identity(0, frozenset()), True),
        (Identity(54321, frozenset([group])), True),
        (Identity(owner or 54321, frozenset()), owner != 0),
    ]:
        assert type(found)(**{**vars(found), "identity": identity}).may_open(node) is allowed


def test_ones_own_process_does_not_hold_the_device(tmp_path):
    root = plant(tmp_path / "root", "usb")
    folder = root / "proc" / str(os.getpid()) / "fd"
    folder.mkdir(parents=True)
    (folder / "9").symlink_to("/dev/bus/usb/002/003")
    assert diagnose(machine(root)) == ()


def test_elsewhere_than_on_linux_no_device_is_no_finding(tmp_path):
    assert diagnose(machine(tmp_path / "root", "nothing", system="Darwin")) == ()


def test_the_kernels_log_ends_and_may_be_missing(tmp_path):
    assert list(kernel_log(tmp_path)) == []
    plant(tmp_path, "one-reset")
    assert len(list(kernel_log(tmp_path))) == 4
    (tmp_path / "dev/kmsg").write_bytes(b"\xff\xfe;no text\n" * 10)
    assert len(list(kernel_log(tmp_path))) == 10


def test_architectures_are_read_from_the_file(tmp_path):
    assert elf_architecture(tmp_path / "none") == ""
    short, big = tmp_path / "short", tmp_path / "big"
    short.write_bytes(b"\x7fELF")
    big.write_bytes(b"\x7fELF\x01\x02\x01" + bytes(11) + b"\x00\x15")
    assert (elf_architecture(short), elf_architecture(big)) == ("", "machine 21")
    if sys.platform.startswith("linux"):
        assert elf_architecture(Path(sys.executable)) in ("x86_64", "aarch64", "arm", "i386", "riscv")


# This machine, with a library of our own.


def test_a_library_that_crashes_is_a_finding(fake_edgetpu, one_usb_device, tmp_path):
    fake_edgetpu("crash-at-run")
    found = [finding.cause for finding in diagnose(examine("auto", str(write_pair(tmp_path))))]
    assert "library-for-another-tflite" in found


def test_a_library_that_works_is_none(fake_edgetpu, one_usb_device, tmp_path):
    fake_edgetpu()
    found = examine("usb")
    assert found.trial == Trial("device", runtime=13) and [tpu.name for tpu in found.tpus] == ["usb:0"]
    assert found.library is not None and found.library_architecture() == found.architecture
    assert [finding.cause for finding in diagnose(examine("auto", str(write_pair(tmp_path))))] == ["runtime-too-old"]


@pytest.mark.parametrize("digest", [None, "0" * 64])
def test_another_cpu_twin_is_found_as_running_the_model_finds_it(fake_edgetpu, one_usb_device, tmp_path, digest):
    fake_edgetpu()
    found = examine("auto", str(write_pair(tmp_path, digest=digest)))
    assert found.cpu_twin == tmp_path / "net.tflite"
    assert ("another-cpu-twin" in [finding.cause for finding in diagnose(found)]) == (digest is not None)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ELF files")
@pytest.mark.parametrize(("kept", "said"), [(0, "it is empty"), (1000, "truncated: 1,000 of"), (-1, "truncated")])
def test_a_truncated_library_is_named_as_that(fake_edgetpu, one_usb_device, kept, said):
    library = fake_edgetpu()
    assert damage(library) == ""
    library.write_bytes(library.read_bytes()[:kept])
    assert said in damage(library)
    assert [finding.cause for finding in diagnose(examine("usb"))] == ["damaged-library"]


def test_a_variable_that_points_nowhere_is_named_as_that(one_usb_device, tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEKIT_LIBEDGETPU", str(tmp_path / "none.so"))
    (finding,) = diagnose(examine("usb"))
    assert finding.cause == "misnamed-library" and "none.so" in finding.evidence


def test_wrong_questions_are_refused(fake_edgetpu, tmp_path):
    fake_edgetpu()
    with pytest.raises(UsageError, match="no device 'gpu'"):
        examine("gpu")
    with pytest.raises(ModelFormatError, match="no file"):
        examine("auto", str(tmp_path / "none.tflite"))
    (tmp_path / "plain.tflite").write_bytes(twin())
    with pytest.raises(ModelFormatError, match="not compiled"):
        examine("auto", str(tmp_path / "plain.tflite"))


@pytest.mark.parametrize(
    ("line", "told"), [(b"6,1,2,-;usb 2-1: reset; again", "usb 2-1: reset; again"), (b" no header", " no header")]
)
def test_the_kernels_messages_are_told_without_their_headers(tmp_path, line, told):
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/kmsg").write_bytes(line + b"\n")
    assert list(kernel_log(tmp_path)) == [told]
    assert list(kernel_log(tmp_path / "nowhere")) == []


@pytest.mark.parametrize(("have", "needs", "found"), [(13, 14, True), (14, 14, False), (15, 14, False)])
def test_a_runtime_of_the_models_age_or_newer_will_do(tmp_path, have, needs, found):
    stuck = Trial("device", "", runtime=have)
    causes = [each.cause for each in diagnose(machine(tmp_path / "root", "usb", trial=stuck, needs=needs))]
    assert ("runtime-too-old" in causes) is found


@pytest.mark.parametrize(
    ("trial", "trees", "found"),
    [
        (UNOPENED, ["usb"], True),
        (Trial("library", "", runtime=14), ["usb"], True),
        (Trial("library", "signal 11", crashed=True, runtime=14), ["usb"], False),
        (Trial("device", "", runtime=14), ["usb"], False),
        (UNOPENED, ["nothing"], False),
    ],
)
def test_a_device_that_does_not_open_is_the_last_thing_to_be_told(tmp_path, trial, trees, found):
    causes = [each.cause for each in diagnose(machine(tmp_path / "root", *trees, trial=trial))]
    assert ("does-not-open" in causes) is found


def test_a_library_that_was_loaded_from_elsewhere_is_not_missing(tmp_path):
    for trial, missing in [
        (Trial("nothing", "no file"), True),
        (Trial("nothing", "signal 11", crashed=True), False),
        (Trial("library", "Failed to open"), False),
    ]:
        causes = [each.cause for each in diagnose(machine(tmp_path / "root", "usb", "no-library", trial=trial))]
        assert ("no-library" in causes) is missing, trial


def _causes(root):
    return [each.cause for each in diagnose(machine(root))]


@pytest.mark.parametrize(("thousandths", "hot"), [(84_000, False), (85_000, True), (86_000, True)])
def test_a_chip_is_too_hot_from_85_degrees(tmp_path, thousandths, hot):
    """At 85 °C the driver's first step of throttling begins (coral.ai, M.2 data sheet, thermal settings)."""
    root = plant(tmp_path / "root", "pci")
    (root / "sys/class/apex/apex_0/temp").write_text(f"{thousandths}\n")
    assert _causes(root) == ["too-hot"] * hot


@pytest.mark.parametrize(("speed", "slow"), [("12", True), ("480", True), ("5000", False), ("", False)])
def test_a_port_is_slow_at_the_speed_of_usb_2_or_less(tmp_path, speed, slow):
    root = plant(tmp_path / "root", "usb")
    (root / "sys/bus/usb/devices/2-1/speed").write_text(speed)
    assert _causes(root) == ["usb-2-port"] * slow


@pytest.mark.parametrize(("port", "times", "told"), [("2-1", 2, False), ("2-1", 3, True), ("1-4", 9, False)])
def test_resets_of_the_devices_own_port_are_told_from_the_third(tmp_path, port, times, told):
    root = plant(tmp_path / "root", "usb")
    (root / "dev/kmsg").write_text(f"6,1,1,-;usb {port}: reset SuperSpeed USB device number 3 using xhci_hcd\n" * times)
    assert _causes(root) == ["power-or-cable"] * told


def test_a_log_without_end_is_read_to_a_megabyte(tmp_path):
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/kmsg").write_bytes((b"6,1,1,-;" + b"x" * 55 + b"\n") * (1 << 16))  # 64 bytes each, 4 MB
    assert len(list(kernel_log(tmp_path))) == (1 << 20) // 64


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="Windows has no such numbers")
def test_who_asks_is_who_the_system_says(fake_edgetpu, monkeypatch):
    fake_edgetpu()
    user, groups = (subprocess.run(["id", option], capture_output=True, check=True).stdout for option in ("-u", "-G"))
    assert examine("auto").identity == Identity(int(user), frozenset(map(int, groups.split())))
    monkeypatch.delattr(os, "getuid")
    assert examine("auto").identity is None


@pytest.mark.parametrize(
    ("mode", "user", "allowed"),
    [
        (0o000, 0, True),  # root may open what nobody may
        (0o600, 0, True),
        (0o006, 54321, True),
        (0o004, 54321, False),  # to read is not enough
        (0o002, 54321, False),
        (0o660, 54321, False),
    ],
)
def test_a_device_is_open_to_root_and_to_whom_its_mode_lets_read_and_write(tmp_path, mode, user, allowed):
    found = machine(tmp_path / "root", "usb")
    node = found.node(found.tpus[0])
    node.chmod(mode)
    assert replace(found, identity=Identity(user, frozenset())).may_open(node) is allowed
    node.chmod(0o600)
