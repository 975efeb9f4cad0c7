"""Why an Edge TPU does not work, the software: interpreter and libedgetpu. To add a cause, add a function here."""

from typing import Optional

from edgekit.devices.doctor.cause import Causes, Effect
from edgekit.devices.doctor.machine import Machine

CAUSES = Causes()
cause = CAUSES.check

# What libedgetpu says, without crashing, of a model handed over in a form that it does not know.
_FOREIGN = "Unsupported data type in custom op handler"


@cause(Effect.STOPS)
def another_edgekit(machine: Machine) -> Optional[str]:
    """Another project's package `edgekit` is installed; its command and module have the same names.

    Remove it (`pip uninstall edgekit`), then install this one again: it is called `edgekit-coral`.
    """
    return machine.other_edgekit or None


@cause(Effect.STOPS)
def no_interpreter(machine: Machine) -> Optional[str]:
    """No TFLite interpreter is installed, or it does not load.

    `pip install ai-edge-litert` (Python 3.10 or newer) or `pip install tflite-runtime` (older).
    """
    return machine.interpreter_problem or None


@cause(Effect.STOPS)
def no_library(machine: Machine) -> Optional[str]:
    """The Edge TPU's runtime library, libedgetpu, is not installed.

    Install `libedgetpu1-std` from Coral's Debian repository, or a community build that fits the interpreter;
    docs/on-the-board.md says which. Where it lies elsewhere, set EDGEKIT_LIBEDGETPU to its path.
    """
    missing = machine.library is None and not machine.library_misnamed() and not _loaded(machine)
    return "not found in the loader's folders" if missing else None


@cause(Effect.STOPS)
def misnamed_library(machine: Machine) -> Optional[str]:
    """The environment variable EDGEKIT_LIBEDGETPU names a library that does not exist.

    Set it to the path of libedgetpu (`libedgetpu.so.1`), or unset it: then the installed library is used.
    """
    return None if _loaded(machine) else machine.library_misnamed() or None


@cause(Effect.STOPS)
def damaged_library(machine: Machine) -> Optional[str]:
    """The file of libedgetpu is damaged.

    Install its package again, or copy the file again and compare sizes.
    """
    damaged = machine.library_damage()
    return f"{machine.library}: {damaged}" if damaged else None


@cause(Effect.STOPS)
def wrong_architecture(machine: Machine) -> Optional[str]:
    """libedgetpu was built for another processor than this Python.

    Install the package of this architecture. On a Raspberry Pi check whether the system is the 32- or the
    64-bit one: a 64-bit kernel often runs 32-bit programs.
    """
    built = machine.library_architecture()
    if not built or not machine.architecture or built == machine.architecture:
        return None
    return f"{machine.library} is for {built}, Python for {machine.architecture}"


@cause(Effect.STOPS)
def library_does_not_load(machine: Machine) -> Optional[str]:
    """libedgetpu is there, but the system cannot load it: a library that it needs is missing or too old.

    Install what the message names: for `libusb-1.0` the package `libusb-1.0-0`; for a `GLIBC` version take a
    libedgetpu built for this release of the system.
    """
    trial = machine.trial
    if machine.library is None or trial is None or trial.stage != "nothing" or trial.crashed:
        return None
    return None if damaged_library(machine) or wrong_architecture(machine) else trial.error


@cause(Effect.STOPS)
def library_for_another_tflite(machine: Machine) -> Optional[str]:
    """libedgetpu crashes or cannot read the model: it was built for another TFLite than the installed interpreter.

    Bring the two together: Coral's own release 16.0 (2021) works with interpreters before 2.12; with newer ones
    take a community build of libedgetpu made for that version. docs/on-the-board.md has the pairs.
    """
    trial = machine.trial
    if trial is None or not (trial.crashed or _FOREIGN in trial.error) or damaged_library(machine):
        return None
    return f"after the stage «{trial.stage}»: {trial.error}"


def _loaded(machine: Machine) -> bool:
    """Whether the child process found a library, wherever it lies."""
    return machine.trial is not None and (machine.trial.stage != "nothing" or machine.trial.crashed)
