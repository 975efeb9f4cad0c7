"""`edgekit scale`: which member of the family fits the Edge TPU."""

from typing import Optional

import click

from edgekit.cli.common import command_options, echo_json
from edgekit.cli.settings import suggest
from edgekit.converters.scale import scale as estimated
from edgekit.edgetpu.estimate.profiles import HOSTS
from edgekit.models.scaling import BASELINES
from edgekit.reports.family import scale_lines, scale_to_json
from edgekit.terminal import echo_lines
from edgekit.units import memory, milliseconds


@click.command()
@click.option(
    "--target",
    type=click.Choice(["edgetpu"]),
    default="edgetpu",
    expose_value=False,  # there is no other yet
    help="What the model is to run on.",
)
@click.option("--host", type=click.Choice(list(HOSTS)), default="usb3", show_default=True, help="Where it is attached.")
@click.option("--max-latency", metavar="TIME", help="The most that one inference may take, such as 8ms.")
@click.option("--max-memory", metavar="SIZE", help="On-chip memory that all parameters must fit, such as 7.5MiB.")
@click.option("--base", default="b0", show_default=True, help="Baseline to scale.", shell_complete=suggest(*BASELINES))
@click.option("--classes", type=click.IntRange(2, 50_000), default=1000, show_default=True, help="Number of outputs.")
@command_options
def scale(
    host: str,
    max_latency: Optional[str],
    max_memory: Optional[str],
    base: str,
    classes: int,
    as_json: bool,
    verbose: bool,
) -> None:
    """Compare the EfficientNet family, and what lies between, on the Edge TPU: what fits, and why the next does not.

    Sizes and latencies are estimates from the layers' shapes (docs/estimates.md); nothing is trained or compiled.
    Without a bound, what fits is what stays on the chip.

    \b
    Examples:
      edgekit scale
      edgekit scale --target edgetpu --max-latency 8ms --max-memory 7.5MiB
      edgekit scale --base lite0 --host devboard --json
    """
    found = estimated(
        max_latency=milliseconds("--max-latency", max_latency),
        max_memory=memory("--max-memory", max_memory),
        host=host,
        baseline=base,
        classes=classes,
    )
    if as_json:
        echo_json(scale_to_json(found))
    else:
        echo_lines(scale_lines(found))
