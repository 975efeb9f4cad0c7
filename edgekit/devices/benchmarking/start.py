"""A model opened and run in a process of its own: what load and first inference take, and how much memory.

In a process that has opened a model before, libraries are loaded and memory is there already.
"""

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from typing import Optional

from edgekit.devices.benchmarking.subject import Configuration, open_subject
from edgekit.devices.interpreter import interpreter_package
from edgekit.errors import DeviceError

_PROGRAM = f"from {__name__} import main; main()"
_MARK = "edgekit-start: "
_PATIENCE_S = 300


@dataclass(frozen=True)
class Start:
    """One start.

    Attributes:
      load_ms: reading, checking and opening the model; the interpreter's library was loaded before.
      first_ms: the first inference.
      peak_bytes: the most memory that the process took, interpreter and Python included; None where the system
        does not tell (it is Linux that does).
      model_bytes: what of it came with the model.
    """

    load_ms: float
    first_ms: float
    peak_bytes: Optional[int]
    model_bytes: Optional[int]


def measure_start(configuration: Configuration, image: Optional[str], plain: str) -> Start:
    """Opens a model that is known to open in a fresh process and runs it a few times.

    Raises:
      DeviceError: no process can be started, or it fails or does not answer.
    """
    given = json.dumps({"configuration": asdict(configuration), "image": image, "plain": plain})
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, given],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_PATIENCE_S,
            env=environment,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DeviceError(f"{configuration.model} could not be opened in a process of its own: {error}.") from error
    for line in done.stdout.decode("utf-8", "replace").splitlines():
        if line.startswith(_MARK):
            return Start(**json.loads(line[len(_MARK) :]))
    raise DeviceError(
        f"{configuration.model} failed in a process of its own (exit code {done.returncode}).",
        "Is there memory for it twice, and is its device free?",
    )


def main() -> None:
    """The child: opens the model, runs it and writes one marked line."""
    from time import perf_counter

    given = json.loads(sys.argv[1])
    configuration = Configuration(**given["configuration"])
    interpreter_package()
    before = peak_memory()
    start = perf_counter()
    subject = open_subject(configuration, given["image"], plain=given["plain"])
    load_ms = 1000 * (perf_counter() - start)
    first_ms = subject.run().inference
    for _ in range(3):
        subject.run()
    peak = peak_memory()
    grown = peak - before if peak is not None and before is not None else None
    subject.close()
    sys.stdout.write(f"\n{_MARK}{json.dumps(asdict(Start(load_ms, first_ms, peak, grown)))}\n")


def peak_memory() -> Optional[int]:
    """The most bytes of memory that this process held so far, or None where there is no /proc.

    Not `resource.getrusage`: its figure begins with that of the process which started this one.
    """
    try:
        with open("/proc/self/status") as stream:
            return next((1024 * int(line.split()[1]) for line in stream if line.startswith("VmHWM:")), None)
    except (OSError, ValueError):
        return None
