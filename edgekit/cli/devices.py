"""`edgekit devices`: where models can run."""

from dataclasses import asdict
from typing import List, Tuple

import click

from edgekit.cli.common import command_options, echo_json
from edgekit.devices.discovery import EdgeTpu, attached
from edgekit.devices.interpreter import allowed_cores
from edgekit.reports.text import columns
from edgekit.terminal import echo


@click.command()
@command_options
def devices(as_json: bool, verbose: bool) -> None:
    """Show the devices that models can run on, by the names that --device takes.

    The emulated Edge TPU runs compiled models through the CPU, for tests; it needs the model's CPU twin.
    """
    tpus, cores = attached(), allowed_cores()
    if as_json:
        found = [{"device": tpu.name, "kind": "edgetpu", **asdict(tpu)} for tpu in tpus]
        echo_json(
            [{"device": "cpu", "kind": "cpu", "cores": cores}, *found, {"device": "emulated", "kind": "emulated"}]
        )
        return
    rows: List[Tuple[str, ...]] = [("cpu", "CPU", "", f"{cores} {'core' if cores == 1 else 'cores'}")]
    rows += [(tpu.name, "Edge TPU", tpu.node or tpu.address, _state(tpu)) for tpu in tpus]
    rows.append(("emulated", "Edge TPU, emulated", "", "always there"))
    echo("\n".join(columns(("device", "what", "at", "state"), rows)))
    if not tpus:
        echo("\nNo Edge TPU is attached; `edgekit doctor` tells why one might not be seen.")


def _state(tpu: EdgeTpu) -> str:
    told = ["ready" if tpu.ready else "waits for its firmware, loaded on first use"]
    told += ["no driver"] if tpu.bus == "pci" and tpu.node is None else []
    told += [f"{tpu.speed_mbps} Mbit/s"] if tpu.speed_mbps else []
    told += [f"{tpu.celsius:.0f} °C"] if tpu.celsius is not None else []
    return ", ".join(told)
