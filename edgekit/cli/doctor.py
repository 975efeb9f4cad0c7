"""`edgekit doctor`: why an Edge TPU does not work, and what to do."""

import sys
from dataclasses import asdict
from typing import Any, Dict, Iterator, Optional, Tuple

import click

from edgekit.cli.common import command_options, echo_json
from edgekit.devices.doctor.doctor import diagnose
from edgekit.devices.doctor.machine import Machine, examine
from edgekit.devices.profiles import this_profile
from edgekit.terminal import echo


@click.command()
@click.argument("model", type=click.Path(), required=False)
@click.option("--device", default="auto", show_default=True, help="The device meant: edgetpu, usb, usb:1, pci:0, ….")
@command_options
def doctor(model: Optional[str], device: str, as_json: bool, verbose: bool) -> None:
    """Tell why an Edge TPU does not work, and what to do.

    With a compiled MODEL, that is run too. The runtime library is tried in a child process, so that one which
    crashes is a finding. Exit code 1: something was found.
    """
    machine = examine(device, model)
    findings = diagnose(machine)
    if as_json:
        echo_json({"machine": _facts(machine), "findings": [asdict(finding) for finding in findings]})
    else:
        for name, value in _summary(machine):
            echo(f"  {name:<14}{value}")
        for finding in findings:
            echo(f"  ({finding.evidence})", title=f"\n{finding.cause}", colour="yellow", bold=True)
            echo(f"  {finding.what}\n  {finding.fix}")
        echo("\n" + (f"Found: {len(findings)}." if findings else "Nothing is wrong."))
    sys.exit(1 if findings else 0)


def _facts(machine: Machine) -> Dict[str, Any]:
    return {
        "profile": asdict(this_profile(machine.root)),
        "system": machine.system,
        "architecture": machine.architecture,
        "library": str(machine.library) if machine.library else None,
        "trial": asdict(machine.trial) if machine.trial else None,
        "devices": [{"device": tpu.name, **asdict(tpu)} for tpu in machine.tpus],
        "container": machine.is_container,
        "hypervisor": machine.hypervisor or None,
        "model_runtime": machine.model_runtime,
        "cpu_twin": str(machine.cpu_twin) if machine.cpu_twin else None,
    }


def _summary(machine: Machine) -> Iterator[Tuple[str, str]]:
    profile = this_profile(machine.root)
    note = f" ({profile.note})" if profile.note else ""
    yield "machine", f"{profile.title}, {machine.system} {machine.architecture}".strip() + note
    if machine.model_runtime is not None:
        yield "CPU twin", machine.cpu_twin.name if machine.cpu_twin else "none beside the model"
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
        yield "in a trial", f"it {'crashes' if trial.crashed else reached[trial.stage]}"
