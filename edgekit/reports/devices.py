"""The devices that models can run on: their JSON document and their table."""

from dataclasses import asdict
from typing import Dict, Iterator, List, Sequence, Tuple

from edgekit.devices.discovery import EdgeTpu
from edgekit.reports.text import columns


def devices_to_json(tpus: Sequence[EdgeTpu], cores: int) -> List[Dict[str, object]]:
    """A document for each device, by the name that `--device` takes."""
    cpu: Dict[str, object] = {"device": "cpu", "kind": "cpu", "cores": cores}
    return [cpu, *map(edgetpu_to_json, tpus), {"device": "emulated", "kind": "emulated"}]


def edgetpu_to_json(tpu: EdgeTpu) -> Dict[str, object]:
    """An Edge TPU that is attached."""
    return {"device": tpu.name, "kind": "edgetpu", **asdict(tpu)}


def devices_lines(tpus: Sequence[EdgeTpu], cores: int) -> Iterator[str]:
    """A table of the devices."""
    rows: List[Tuple[str, ...]] = [("cpu", "CPU", "", f"{cores} {'core' if cores == 1 else 'cores'}")]
    rows += [(tpu.name, "Edge TPU", tpu.node or tpu.address, _state(tpu)) for tpu in tpus]
    rows.append(("emulated", "Edge TPU, emulated", "", "always available"))
    yield from columns(("device", "kind", "path", "state"), rows)
    if not tpus:
        yield "\nNo Edge TPU is attached. `edgekit doctor` diagnoses why one may not be detected."


def _state(tpu: EdgeTpu) -> str:
    told = ["ready" if tpu.ready else "firmware not loaded yet (loaded on first use)"]
    told += ["no driver"] if tpu.bus == "pci" and tpu.node is None else []
    told += [f"{tpu.speed_mbps} Mbit/s"] if tpu.speed_mbps else []
    told += [f"{tpu.celsius:.0f} °C"] if tpu.celsius is not None else []
    return ", ".join(told)
