"""The Edge TPU's runtime library: found, tried in a child process, loaded as a delegate."""

import ctypes
import json
import os
import platform
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Tuple

from edgekit.devices.interpreter import interpreter_package
from edgekit.errors import DeviceError

#: Operating system → file name of the library, as its packages install it.
LIBRARIES: Mapping[str, str] = {
    "Linux": "libedgetpu.so.1",
    "Darwin": "libedgetpu.1.dylib",
    "Windows": "edgetpu.dll",
}
#: Environment variable that may hold another name or path.
VARIABLE = "EDGEKIT_LIBEDGETPU"

#: What a trial does, in order: each name is the last thing that succeeded.
STAGES = ("nothing", "library", "device", "model")

#: What the child writes before each of its messages.
TRIAL_MARK = "edgekit-trial: "

_TRIAL_S = 60
_RUNTIME = re.compile(r"RuntimeVersion\((\d+)\)")


@dataclass(frozen=True)
class Trial:
    """How far a child process came with the library.

    Attributes:
      stage: one of `STAGES`: the library loaded, a device opened, the model ran.
      error: what stopped it, in the library's words; "" where nothing did.
      crashed: whether it took the process with it, or never came back.
      runtime: the library's runtime version, or None where it could not be asked.
    """

    stage: str
    error: str = ""
    crashed: bool = False
    runtime: Optional[int] = None


def library_name() -> str:
    """The library to load: as `EDGEKIT_LIBEDGETPU` says, or this system's usual name."""
    return os.environ.get(VARIABLE) or LIBRARIES.get(platform.system(), LIBRARIES["Linux"])


def load_edgetpu(options: Optional[Dict[str, str]] = None) -> Any:
    """Opens an Edge TPU: a delegate to be given to `open_interpreter`.

    Args:
      options: as libedgetpu takes them, such as {"device": "usb:0"}.

    Raises:
      DeviceError: the library is missing, does not load, or finds no device.
    """
    library = library_name()
    try:
        # First by hand: the interpreter's own loader leaves half an object behind whose end is noisy.
        ctypes.CDLL(library)
        return interpreter_package().load_delegate(library, options or {})
    except OSError as error:
        raise _not_loaded(library, str(error)) from error
    except (ValueError, RuntimeError, AttributeError) as error:
        reason = str(error).strip().splitlines()
        told = f" It says: {reason[1][:200]}" if len(reason) > 1 else ""
        raise DeviceError(f"{library} opened no Edge TPU.{told}", "Run `edgekit doctor` for the reason.") from error


def try_library(device: str = "", model: Optional[str] = None) -> Trial:
    """Loads the library, opens a device and runs a model once with zeros, all in a child process.

    A library built for another TFLite does not raise: it ends the process that loaded it. Each trial is
    made once in a process.
    """
    return _trial(library_name(), device, model)


def check_library(device: str, model: Optional[str]) -> None:
    """Raises DeviceError where the library would crash this process or hang it."""
    trial = try_library(device, model)
    if trial.crashed:
        done = {"nothing": "loading it", "library": "opening a device", "device": "running a model"}[trial.stage]
        raise DeviceError(
            f"{library_name()} crashes at {done} ({trial.error}).",
            "It was built for another TFLite than the installed interpreter: run `edgekit doctor`.",
        )


@lru_cache(maxsize=None)
def _trial(library: str, device: str, model: Optional[str]) -> Trial:
    command = [sys.executable, "-m", "edgekit.devices.trial", library, device, model or ""]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=_TRIAL_S, env=environment
        )
    except subprocess.TimeoutExpired as error:
        return _verdict(error.stdout or b"", f"no answer within {_TRIAL_S} seconds")
    return _verdict(done.stdout, _ending(done.returncode))


def _verdict(output: bytes, ending: str) -> Trial:
    """What the child said, one JSON object a line; `ending` is "" where it ended by itself."""
    said: Dict[str, Any] = {}
    for line in output.decode("utf-8", "replace").splitlines():
        if line.startswith(TRIAL_MARK):  # the library may print too
            said.update(json.loads(line[len(TRIAL_MARK) :]))
    version = _RUNTIME.search(said.get("version", ""))
    return Trial(
        stage=said.get("stage", "nothing"),
        error=said.get("error", "") or ending,
        crashed=bool(ending),
        runtime=int(version.group(1)) if version else None,
    )


def _ending(code: int) -> str:
    if code == 0:
        return ""
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _not_loaded(library: str, reason: str) -> DeviceError:
    if "cannot open shared object" in reason and library in reason:
        return DeviceError(f"{library} is not installed.", "Run `edgekit doctor` for how to get it.")
    return DeviceError(f"{library} does not load: {reason[:200]}.", "Run `edgekit doctor` for the reason.")


def library_path(root: Path, name: str) -> Optional[Path]:
    """Where the library lies under a machine's root, in the folders that the loader searches."""
    if os.sep in name:
        return Path(name) if Path(name).is_file() else None
    return next((path for folder in _search_path(root) for path in [folder / name] if path.is_file()), None)


def _search_path(root: Path) -> Tuple[Path, ...]:
    """The loader's folders: the usual ones, and one for each architecture (Debian's multiarch)."""
    plain = [root / name for name in ("usr/local/lib", "usr/lib", "lib", "usr/lib64", "lib64")]
    return (*plain, *sorted((root / "usr/lib").glob("*-linux-*")), *sorted((root / "lib").glob("*-linux-*")))
