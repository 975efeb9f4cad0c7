"""`edgekit doctor`: diagnose why an Edge TPU does not work."""

import sys
from typing import Optional

import click

from edgekit.cli.common import command_options, echo_json
from edgekit.cli.settings import DEVICES, suggest
from edgekit.devices.doctor.doctor import diagnose
from edgekit.devices.doctor.machine import examine
from edgekit.reports.diagnosis import diagnosis_to_json, machine_facts, problem_count
from edgekit.terminal import echo, echo_facts, echo_lines


@click.command()
@click.argument("model", type=click.Path(), required=False)
@click.option(
    "--device",
    default="auto",
    show_default=True,
    shell_complete=suggest(*DEVICES),
    help="Device to check: edgetpu, usb, usb:1, pci:0, ….",
)
@command_options
def doctor(model: Optional[str], device: str, as_json: bool, verbose: bool) -> None:
    """Diagnose why an Edge TPU does not work, and show how to fix it.

    With a compiled MODEL, the model is run too. The runtime library is loaded in a child process, so that a crash is
    a finding. Exit code 1: a problem was found.
    """
    machine = examine(device, model)
    findings = diagnose(machine)
    if as_json:
        echo_json(diagnosis_to_json(machine, findings))
    else:
        echo_facts(machine_facts(machine))
        for finding in findings:
            echo(f"  ({finding.evidence})", title=f"\n{finding.cause}", colour="yellow", bold=True)
            echo_lines([f"  {finding.what}", f"  {finding.fix}"])
        echo("\n" + problem_count(findings))
    sys.exit(1 if findings else 0)
