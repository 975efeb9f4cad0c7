"""What a doctor saw and found: its JSON document, and the machine's facts."""

from dataclasses import asdict
from typing import Dict, Sequence

from edgekit.devices.doctor.doctor import Finding
from edgekit.devices.doctor.machine import Machine
from edgekit.devices.profiles import this_profile
from edgekit.reports.devices import edgetpu_to_json
from edgekit.reports.text import Facts


def diagnosis_to_json(machine: Machine, findings: Sequence[Finding]) -> Dict[str, object]:
    """The machine and what is wrong with it."""
    return {"machine": machine_to_json(machine), "findings": [asdict(finding) for finding in findings]}


def machine_to_json(machine: Machine) -> Dict[str, object]:
    """What was seen of a machine."""
    return {
        "profile": asdict(this_profile(machine.root)),
        "system": machine.system,
        "architecture": machine.architecture,
        "library": str(machine.library) if machine.library else None,
        "trial": asdict(machine.trial) if machine.trial else None,
        "devices": [edgetpu_to_json(tpu) for tpu in machine.tpus],
        "container": machine.is_container,
        "hypervisor": machine.hypervisor or None,
        "model_runtime": machine.model_runtime,
        "cpu_twin": str(machine.cpu_twin) if machine.cpu_twin else None,
    }


def machine_facts(machine: Machine) -> Facts:
    """What was seen of a machine: titles and texts."""
    profile = this_profile(machine.root)
    note = f" ({profile.note})" if profile.note else ""
    yield "machine", f"{profile.title}, {machine.system} {machine.architecture}".strip() + note
    if machine.model_runtime is not None:
        yield "CPU twin", machine.cpu_twin.name if machine.cpu_twin else "none found beside the model"
    trial = machine.trial
    version = f", runtime {trial.runtime}" if trial and trial.runtime else ""
    loaded = trial is not None and trial.stage != "nothing"
    place = machine.library or ("found by the system's loader" if loaded else "not found")
    yield "library", f"{place}{version}"
    yield "Edge TPUs", ", ".join(tpu.name for tpu in machine.tpus) or "none"
    if trial is not None:
        reached = {
            "nothing": "does not load",
            "library": "loads",
            "device": "opens a device",
            "model": "runs the model",
        }
        yield "library test", f"it {'crashes' if trial.crashed else reached[trial.stage]}"


def problem_count(findings: Sequence[Finding]) -> str:
    """The last line."""
    count = len(findings)
    return f"{count or 'No'} {'problem' if count < 2 else 'problems'} found."
