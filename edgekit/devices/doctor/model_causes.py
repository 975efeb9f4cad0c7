"""Why an Edge TPU does not work, the model; and what remains. To add a cause, add a function before the last one."""

from typing import Iterator, Optional

from edgekit.devices.doctor import device_causes, library_causes
from edgekit.devices.doctor.cause import Cause, Causes, Effect
from edgekit.devices.doctor.machine import Machine

CAUSES = Causes()
cause = CAUSES.check


@cause(Effect.STOPS)
def runtime_too_old(machine: Machine) -> Optional[str]:
    """The model was compiled for a newer Edge TPU runtime than the installed libedgetpu has.

    Install a newer libedgetpu, or compile the model again with `edgekit compile --min-runtime` and this one's number.
    """
    have = machine.trial.runtime if machine.trial is not None else None
    if have is None or machine.model_runtime is None or have >= machine.model_runtime:
        return None
    return f"the model needs runtime {machine.model_runtime}, the library has {have}"


@cause(Effect.STOPS)
def model_does_not_run(machine: Machine) -> Optional[str]:
    """The Edge TPU opens, but the model does not run on it.

    Compile the model again with `edgekit compile`. Where other models run, this one is damaged or of another chip.
    """
    trial = machine.trial
    if (
        trial is None
        or trial.stage != "device"
        or not trial.error
        or library_causes.library_for_another_tflite(machine)
    ):
        return None
    return None if runtime_too_old(machine) else trial.error


@cause(Effect.LESSENS)
def another_cpu_twin(machine: Machine) -> Optional[str]:
    """The file beside the compiled model is not its CPU twin, so that nothing takes over where the Edge TPU fails.

    Bring the int8 model that it was compiled from, or compile again with `edgekit compile`.
    """
    return machine.twin_problem or None


@cause(Effect.STOPS)
def does_not_open(machine: Machine) -> Optional[str]:
    """libedgetpu loads and the device is there, but it does not open, for none of the other reasons.

    Unplug it and plug it in again, or restart the board. Then look into the kernel's log (`dmesg`) for its bus.
    """
    trial = machine.trial
    if trial is None or trial.stage != "library" or not machine.tpus:
        return None
    stops = (known for known in _before() if known.facts is Effect.STOPS)
    return None if any(known.run(machine) for known in stops) else trial.error or "it says nothing"


def _before() -> Iterator[Cause]:
    """Every cause but the last one."""
    for causes in (library_causes.CAUSES, device_causes.CAUSES, CAUSES):
        yield from (known for known in causes if known.run is not does_not_open)
