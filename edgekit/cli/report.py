"""`edgekit report`: a page to send round, from what commands printed with --json."""

import json
from pathlib import Path
from typing import Dict, Optional, Tuple

import click

from edgekit.cli.common import command_options, echo_json
from edgekit.errors import DataError
from edgekit.files import check_writable, read_text, write_text
from edgekit.terminal import echo_lines


@click.command()
@click.argument("documents", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Default: the first document's name, .html.")
@command_options
def report(documents: Tuple[Path, ...], output: Optional[Path], as_json: bool, verbose: bool) -> None:
    """Make a page to send round from DOCUMENTS: what other commands print with --json: convert, evaluate,
    compare, inspect, train, benchmark, verify.

    A manifest (NAME.json beside a model) will do as well. The page is one HTML file that needs no network.

    \b
    Example:
      edgekit report evaluation.json inspection.json -o report.html
    """
    from edgekit.reports.page import render

    output = output or Path(documents[0].stem + ".html")
    check_writable(output)
    write_text(output, render([_read(path) for path in documents]))
    if as_json:
        echo_json({"report": str(output), "bytes": output.stat().st_size})
        return
    echo_lines([f"Wrote {output}"])


def _read(path: Path) -> Dict[str, object]:
    try:
        found = json.loads(read_text(path))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is no JSON document.", "Give what a command prints with --json.") from error
    if not isinstance(found, dict):
        raise DataError(f"{path} is no document of edgekit's.", "Give what a command prints with --json.")
    return found
