"""`--report FILE.html`, for the commands that judge or make models."""

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Dict, Optional, TypeVar

import click

from edgekit.cli.common import json_text
from edgekit.errors import CompilerError, EdgekitError, MissingDependencyError
from edgekit.files import check_writable, write_text

if TYPE_CHECKING:
    from edgekit.reports.page import Figures

Command = TypeVar("Command", bound=Callable[..., object])


def report_option(function: Command) -> Command:
    """Adds `--report`; the command receives `report: Optional[Path]`."""
    add = click.option("--report", type=click.Path(path_type=Path), help="Write a report to send round (.html).")
    return add(function)


def check_report(report: Optional[Path]) -> None:
    """Raises where a report could not be written, before minutes of work."""
    if report is not None:
        from edgekit.reports.page.render import environment

        check_writable(report)
        environment()


def inspection_document(model: Path, target: str = "edgetpu") -> Dict[str, object]:
    """What `inspect --json` says of a model; for an accelerator's target with its placement, where it is full int8."""
    from edgekit.devices.inspection import inspect
    from edgekit.reports.inspection import inspection_to_json
    from edgekit.targets.judges import JUDGES, Place
    from edgekit.tflite.summary import quantization

    found = inspect(model)
    if target in JUDGES and quantization(found.graph).kind == "full" and found.compiled is None:
        with contextlib.suppress(MissingDependencyError, CompilerError):  # the page goes without it
            found = inspect(model, place=Place(target))
    return inspection_to_json(found)


def write_report(report: Optional[Path], *documents: object, images: "Optional[Callable[[], Figures]]" = None) -> None:
    """Writes a report of what `--json` prints, where one was asked for.

    Args:
      documents: as for `echo_json`.
      images: makes the images to show; where they cannot be, the report goes without.
    """
    if report is None:
        return
    from edgekit.reports.page import render

    figures = None
    if images is not None:
        try:
            figures = images()
        except EdgekitError:  # the figures stand without
            figures = None
    write_text(report, render([json.loads(json_text(document)) for document in documents], figures))
