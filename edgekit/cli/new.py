"""`edgekit new`: a member of the EfficientNet family with fresh weights."""

from pathlib import Path
from typing import Optional

import click

from edgekit.cli.common import command_options, echo_json
from edgekit.converters.making import new as make
from edgekit.reports.family import new_lines, new_to_json
from edgekit.terminal import echo_lines


@click.command()
@click.argument("name", default="b0")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="File to write (.keras, .h5, .tflite); else NAME.keras."
)
@click.option("--phi", type=float, help="Scale the baseline NAME by this coefficient: 1 more about doubles the work.")
@click.option("--classes", type=int, default=1000, show_default=True, help="Number of outputs.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Which fresh weights.")
@command_options
def new(
    name: str, output: Optional[Path], phi: Optional[float], classes: int, seed: int, as_json: bool, verbose: bool
) -> None:
    """Make a member of the EfficientNet family with fresh weights, to be trained.

    NAME is one of b0 to b7, lite0 to lite4, edgetpu-s, -m, -l and v2-b0 to v2-b3. Keras opens the .keras and .h5 files;
    neither Keras nor TensorFlow is needed to write them.

    \b
    Examples:
      edgekit new b3 --classes 12 -o b3.keras
      edgekit new lite0 -o lite0.h5
      edgekit new --phi 1.5 --classes 5 -o between.tflite
    """
    made = make(name, output=output, phi=phi, classes=classes, seed=seed)
    if as_json:
        echo_json(new_to_json(made))
    else:
        echo_lines(new_lines(made))
