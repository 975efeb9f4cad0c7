"""`edgekit snippet`: code to paste."""

import click

from edgekit.cli.common import command_options, echo_json
from edgekit.reports.snippets import LANGUAGES
from edgekit.reports.snippets import snippet as written
from edgekit.terminal import printable


@click.command()
@click.argument("model", type=click.Path())
@click.option("--for", "language", required=True, type=click.Choice(LANGUAGES), help="Where the code is to run.")
@command_options
def snippet(model: str, language: str, as_json: bool, verbose: bool) -> None:
    """Write code that runs the .tflite MODEL, with its real sizes, scaling and labels.

    \b
    Examples:
      edgekit snippet model.tflite --for python
      edgekit snippet model.tflite --for android-kotlin
    """
    code = written(model, language)
    if as_json:
        echo_json({"model": model, "for": language, "code": code})
    else:
        click.echo(printable(code), nl=False)
