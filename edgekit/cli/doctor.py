"""`edgekit doctor`: why an Edge TPU does not work, and what to do."""

import sys
from typing import Optional

import click

from edgekit.cli.common import command_options, echo_json
from edgekit.devices.doctor.doctor import diagnose
from edgekit.devices.doctor.machine import examine
from edgekit.reports.diagnosis import diagnosis_to_json, machine_facts
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
        echo_json(diagnosis_to_json(machine, findings))
    else:
        for name, value in machine_facts(machine):
            echo(f"  {name:<14}{value}")
        for finding in findings:
            echo(f"  ({finding.evidence})", title=f"\n{finding.cause}", colour="yellow", bold=True)
            echo(f"  {finding.what}\n  {finding.fix}")
        echo("\n" + (f"Found: {len(findings)}." if findings else "Nothing is wrong."))
    sys.exit(1 if findings else 0)
