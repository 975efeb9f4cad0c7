"""`edgekit devices`: the devices that models can run on."""

import click

from edgekit.cli.common import command_options, echo_json
from edgekit.devices.discovery import attached
from edgekit.devices.interpreter import allowed_cores
from edgekit.reports.devices import devices_lines, devices_to_json
from edgekit.terminal import echo_lines


@click.command()
@command_options
def devices(as_json: bool, verbose: bool) -> None:
    """List the devices that models can run on, by the names that --device takes.

    The emulated Edge TPU runs compiled models on the CPU, for tests; it needs the model's CPU twin.
    """
    tpus, cores = attached(), allowed_cores()
    if as_json:
        echo_json(devices_to_json(tpus, cores))
    else:
        echo_lines(devices_lines(tpus, cores))
