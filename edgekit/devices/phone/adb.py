"""The phone: found, and commanded through adb."""

import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from typing import Dict, List, NamedTuple, Optional, Tuple, Union

from edgekit.devices.phone.faults import explain, last_words
from edgekit.errors import DeviceError, UsageError

#: Seconds: for what takes a moment, and for copying a file.
_MOMENT_S, _COPY_S = 30, 300

_EXIT = re.compile(r"edgekit-exit:(\d+)\s*$")

File = Union[str, "os.PathLike[str]"]


class Said(NamedTuple):
    """What a command on the phone printed, both streams, and its exit code."""

    text: str
    code: int


@dataclass(frozen=True)
class Phone:
    """A phone that answers.

    Attributes:
      program: adb's own path.
      serial: what adb calls the phone.
      name: maker and model.
      android: its release, such as "14".
      processor: its chip, where it tells.
      abis: what programs it runs, the best first, such as "arm64-v8a".
    """

    program: str
    serial: str
    name: str
    android: str
    processor: str
    abis: Tuple[str, ...]

    def run(self, command: str, *, patience: float = _MOMENT_S) -> Said:
        """Runs a command line in the phone's shell.

        The exit code is printed behind it, since adb hands it on from Android 7 alone.

        Raises:
          DeviceError: adb fails, or the time (seconds) passed.
        """
        wrapped = f"( {command} ) 2>&1; echo edgekit-exit:$?"
        text, code = _adb(self.program, ["-s", self.serial, "shell", wrapped], patience)
        found = _EXIT.search(text)
        if found is None:
            raise explain(text) or DeviceError(f"adb shell failed (exit code {code}): {last_words(text)}.")
        return Said(text[: found.start()], int(found.group(1)))

    def must(self, command: str, *, patience: float = _MOMENT_S) -> str:
        """What a command prints that has to succeed. Raises DeviceError where it does not."""
        said = self.run(command, patience=patience)
        if said.code:
            raise explain(said.text) or DeviceError(
                f"`{command.split()[0]}` failed on the phone (exit code {said.code}): {last_words(said.text)}."
            )
        return said.text

    def push(self, here: File, there: str) -> None:
        """Copies a file or folder to the phone. Raises DeviceError where that fails."""
        self._copy("push", os.fspath(here), there)

    def pull(self, there: str, here: File) -> None:
        """Copies a file or folder from the phone. Raises DeviceError where that fails."""
        self._copy("pull", there, os.fspath(here))

    def _copy(self, verb: str, source: str, destination: str) -> None:
        text, code = _adb(self.program, ["-s", self.serial, verb, source, destination], _COPY_S)
        if code:
            raise explain(text) or DeviceError(f"adb {verb} failed: {last_words(text)}.")


def find_phone(serial: Optional[str] = None) -> Phone:
    """The phone that is attached.

    Args:
      serial: which one, of several; None for the only one, or that of the variable ANDROID_SERIAL.

    Raises:
      DeviceError: adb is missing; no phone is there, or it does not let itself be used.
      UsageError: there are several and none was chosen.
    """
    program = shutil.which("adb")
    if program is None:
        raise DeviceError(
            "adb is not installed, or not on the PATH.",
            "Install Android's platform tools (Debian, Ubuntu: apt install adb), then check with: adb devices",
        )
    states = _states(program)
    chosen = _choose(states, serial or os.environ.get("ANDROID_SERIAL"))
    if states[chosen] != "device":
        state = f"device {states[chosen]}"
        raise explain(state) or DeviceError(
            f"The phone {chosen} is in state «{states[chosen]}».", "Start it normally, then check with: adb devices"
        )
    return _described(program, chosen)


def _states(program: str) -> Dict[str, str]:
    """serial → state of all that adb sees; its remarks about its server are left out."""
    text, code = _adb(program, ["devices"], _MOMENT_S)
    if code:
        raise explain(text) or DeviceError(f"adb devices failed: {last_words(text)}.")
    rows = (line.split(None, 1) for line in text.splitlines() if not line.startswith(("*", "List of", "adb ")))
    return {row[0]: row[1].strip() for row in rows if len(row) == 2}


def _choose(states: Dict[str, str], serial: Optional[str]) -> str:
    listed = ", ".join(f"{name} ({state})" if state != "device" else name for name, state in states.items())
    if serial is not None:
        if serial not in states:
            raise UsageError(f"No phone {serial} is attached.", f"There are: {listed or 'none'}.")
        return serial
    if not states:
        raise explain("no devices found") or AssertionError
    if len(states) > 1:
        raise UsageError(f"{len(states)} phones are attached: {listed}.", "Say which one with --serial.")
    return next(iter(states))


def _described(program: str, serial: str) -> Phone:
    plain = Phone(program, serial, "", "", "", ())
    names = (
        *("ro.product.manufacturer", "ro.product.model", "ro.build.version.release"),
        *("ro.soc.model", "ro.board.platform", "ro.product.cpu.abilist", "ro.product.cpu.abi"),
    )
    # One name a line, whatever a phone says of the others.
    text = plain.must("; ".join(f'echo "{name}=$(getprop {name})"' for name in names))
    told = dict(line.split("=", 1) for line in text.replace("\r", "").splitlines() if "=" in line)
    maker, model, release, chip, board, many, one = (told.get(name, "").strip() for name in names)
    abis = tuple(filter(None, (many or one).split(",")))
    return Phone(program, serial, f"{maker} {model}".strip() or serial, release, chip or board, abis)


def quoted(words: List[str]) -> str:
    """A command line for the phone's shell."""
    return " ".join(shlex.quote(word) for word in words)


def _adb(program: str, arguments: List[str], patience: float) -> Tuple[str, int]:
    """What adb prints, both streams, and its exit code."""
    try:
        done = subprocess.run(
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=patience,
        )
    except OSError as error:
        raise DeviceError(f"adb could not be started: {error.strerror}.") from error
    except subprocess.TimeoutExpired as error:
        raise DeviceError(
            f"The phone did not answer for {patience:.0f} seconds.", "Is it locked, asleep or stuck? Plug it in again."
        ) from error
    return done.stdout.decode("utf-8", "replace").replace("\r\n", "\n"), done.returncode
