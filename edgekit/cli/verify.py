"""`edgekit verify`: a model against the gates of a project."""

import sys
from pathlib import Path
from typing import Optional

import click

from edgekit.cli.common import command_options, echo_json, progress_bar
from edgekit.converters.verification.spec import read_spec
from edgekit.converters.verification.verify import verify as run_verification
from edgekit.files import check_writable, write_text
from edgekit.project import PROJECT_FILE
from edgekit.quiet import tensorflow_quiet
from edgekit.reports.verification import (
    verification_lines,
    verification_to_json,
    verification_to_junit,
    verification_to_markdown,
)
from edgekit.terminal import echo_lines


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--spec", type=click.Path(path_type=Path), default=PROJECT_FILE, show_default=True, help="The gates.")
@click.option("--junit", type=click.Path(path_type=Path), help="Write JUnit XML for continuous integration.")
@click.option("--markdown", type=click.Path(path_type=Path), help="Write a summary in Markdown.")
@click.option("--trust", is_flag=True, help="Let the source model run its own code (Lambda and custom layers).")
@command_options
def verify(
    model: Path,
    spec: Path,
    junit: Optional[Path],
    markdown: Optional[Path],
    trust: bool,
    as_json: bool,
    verbose: bool,
) -> None:
    """Check the .tflite MODEL against the gates in edgekit.toml: exit code 0 where it meets all, else 1.

    Gates: size, part of the ops that the Edge TPU maps, on-chip memory, top-1, agreement with the trained
    model, latency beside a baseline, the same bytes again from source and data. See docs/ci.md.

    \b
    Examples:
      edgekit verify model_int8.tflite
      edgekit verify model_int8.tflite --spec edgekit.toml --junit verify.xml --markdown summary.md
    """
    for path in filter(None, (junit, markdown)):
        check_writable(path)
    demands = read_spec(spec)
    with tensorflow_quiet(verbose) as stream, progress_bar(stream, as_json=as_json, verbose=verbose) as progress:
        found = run_verification(model, demands, trust=trust, progress=progress)
    if junit:
        write_text(junit, verification_to_junit(found))
    if markdown:
        write_text(markdown, verification_to_markdown(found))
    if as_json:
        echo_json(verification_to_json(found))
    else:
        echo_lines(verification_lines(found))
    sys.exit(0 if found.met else 1)
