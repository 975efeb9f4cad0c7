"""What is made of adb's own words, which a stand-in says: the words are those of its source (platform-tools)."""

import subprocess

import pytest

from edgekit.devices.phone import adb
from edgekit.devices.phone.adb import Phone, Said, find_phone, quoted
from edgekit.errors import DeviceError, UsageError

PHONE = Phone("adb", "A1", "", "", "", ())
TOLD = {
    "ro.product.manufacturer": "Maker",
    "ro.product.model": "Fone 3",
    "ro.build.version.release": "14",
    "ro.soc.model": "SC1000",
    "ro.board.platform": "board",
    "ro.product.cpu.abilist": "arm64-v8a,armeabi-v7a",
    "ro.product.cpu.abi": "x86",
}


@pytest.fixture
def says(monkeypatch):
    """adb as it answers: (words, exit code) for each verb; what it was asked is kept."""
    asked = []

    def says(**answers):
        def answer(_program, arguments, patience):
            verb = next(word for word in arguments if word in ("devices", "shell", "push", "pull"))
            asked.append((arguments, patience))
            return answers[verb]

        monkeypatch.setattr(adb, "_adb", answer)
        monkeypatch.setattr("shutil.which", lambda _name: "/bin/adb")
        monkeypatch.delenv("ANDROID_SERIAL", raising=False)
        return asked

    return says


def listed(*rows):
    return "\n".join(["* daemon not running; starting now at tcp:5037", "List of devices attached", *rows, ""]), 0


def told(**changes):
    values = {**TOLD, **{name.replace("_", "."): value for name, value in changes.items()}}
    return "".join(f"{name}={value}\r\n" for name, value in values.items()) + "edgekit-exit:0\n", 0


def test_a_phone_is_described_by_its_properties(says):
    says(devices=listed("A1\tdevice"), shell=told())
    expected = Phone("/bin/adb", "A1", "Maker Fone 3", "14", "SC1000", ("arm64-v8a", "armeabi-v7a"))
    assert find_phone() == expected


def test_an_old_phone_that_tells_less_is_described_by_what_it_tells(says):
    """Android 4 knows no list of ABIs and no chip; a phone without a maker and a name is called by its serial."""
    nothing = {"ro_product_manufacturer": "", "ro_soc_model": "", "ro_product_cpu_abilist": ""}
    says(devices=listed("A1\tdevice"), shell=told(**nothing))
    found = find_phone()
    assert (found.name, found.processor, found.abis) == ("Fone 3", "board", ("x86",))
    says(devices=listed("A1\tdevice"), shell=told(**nothing, ro_product_model=""))
    assert find_phone().name == "A1"


def test_of_several_phones_one_has_to_be_named(says, monkeypatch):
    says(devices=listed("A1\tdevice", "B2\tdevice", "C3\toffline"), shell=told())
    with pytest.raises(UsageError, match=r"^3 phones are attached: A1, B2, C3 \(offline\)\.") as caught:
        find_phone()
    assert "--serial" in caught.value.hint
    assert find_phone("B2").serial == "B2"
    monkeypatch.setenv("ANDROID_SERIAL", "A1")
    assert find_phone().serial == "A1" and find_phone("B2").serial == "B2"
    with pytest.raises(UsageError, match="No phone D4 is attached") as caught:
        find_phone("D4")
    assert caught.value.hint == "There are: A1, B2, C3 (offline)."


def test_without_any_phone_that_is_told_whatever_was_asked_for(says):
    says(devices=listed())
    with pytest.raises(DeviceError, match="No phone is attached"):
        find_phone()
    with pytest.raises(UsageError, match="No phone A1 is attached") as caught:
        find_phone("A1")
    assert caught.value.hint == "There are: none."


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("unauthorized", "has not authorised"),
        ("offline", "does not answer"),
        ("no permissions (user in plugdev group)", "may not open"),
        ("recovery", "A1 is in state «recovery»"),
    ],
)
def test_a_phone_that_is_not_ready_is_told_by_its_state(says, state, message):
    says(devices=listed(f"A1\t{state}"))
    with pytest.raises(DeviceError, match=message):
        find_phone()


def test_an_adb_that_cannot_list_phones_is_told_by_its_words(says):
    says(devices=("adb: odd words.\n", 1))
    with pytest.raises(DeviceError, match="adb devices failed: adb: odd words"):
        find_phone()


def test_a_commands_exit_code_is_what_the_shell_printed_behind_its_words(says):
    """Before Android 7, adb's own exit code is 0 whatever the command's is."""
    asked = says(shell=("some words\nedgekit-exit:3\n", 0))
    assert PHONE.run("false") == Said("some words\n", 3)
    ((arguments, _),) = asked
    assert arguments[:3] == ["-s", "A1", "shell"] and arguments[3].startswith("( false ) 2>&1;")
    with pytest.raises(DeviceError, match=r"`false` failed on the phone \(exit code 3\): some words"):
        PHONE.must("false")
    says(shell=("fine\nedgekit-exit:0\n", 0))
    assert PHONE.must("true") == "fine\n"
    says(shell=("odd", 7))
    with pytest.raises(DeviceError, match=r"adb shell failed \(exit code 7\): odd"):
        PHONE.run("true")


def test_a_copy_that_fails_is_told(says):
    asked = says(push=("", 0), pull=("remote object does not exist.", 1))
    PHONE.push("here", "/there")
    assert asked[0][0] == ["-s", "A1", "push", "here", "/there"]
    with pytest.raises(DeviceError, match="adb pull failed: remote object does not exist"):
        PHONE.pull("/there", "here")


def test_words_reach_the_phones_shell_as_they_are():
    words = ["echo", "a b", "$HOME", "it's"]
    said = subprocess.run(["sh", "-c", quoted(words)], stdout=subprocess.PIPE, check=True).stdout
    assert said == b"a b $HOME it's\n"
