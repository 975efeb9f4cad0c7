"""`edgekit compare`: two models on the same images, and which layers make the difference."""

from pathlib import Path
from typing import Any

import click

from edgekit.calibration.labelled import ImageSet
from edgekit.cli.common import command_options, echo_json, progress_bar
from edgekit.cli.reporting import check_report, inspection_document, report_option, write_report
from edgekit.cli.settings import gather, suggest
from edgekit.converters.comparing import compare as run_comparison
from edgekit.files import check_writable, write_text
from edgekit.preprocess import CONVENTIONS
from edgekit.quiet import tensorflow_quiet
from edgekit.reports.comparison import comparison_facts, comparison_to_json, layer_lines, layers_to_csv
from edgekit.reports.page.examples import least_alike
from edgekit.terminal import echo_facts, echo_lines


@click.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option("--data", required=True, type=click.Path(path_type=Path), help="Images: a folder, .npz or .npy.")
@click.option(
    "--labels-csv", type=click.Path(path_type=Path), help="Table file,label, for images without class folders."
)
@click.option(
    "--images", "count", default=500, show_default=True, type=click.IntRange(min=1), help="At most so many of them."
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Seed of their choice.")
@click.option(
    "--preprocess",
    shell_complete=suggest(*CONVENTIONS),
    help="Scaling of pixels where a model does not tell it: raw, 0..1, -1..1, lite, ….",
)
@click.option("--trust", is_flag=True, help="Let A's file run its own code (Lambda and custom layers).")
@click.option("--csv", "table", type=click.Path(path_type=Path), help="Write the per-layer report.")
@report_option
@gather(ImageSet, "images")
@command_options
def compare(a: Path, b: Path, images: ImageSet, as_json: bool, verbose: bool, **options: Any) -> None:
    """Compare model A with the .tflite model B: agreement, accuracy, and the error of every layer.

    A is a trained model (.h5, .keras, SavedModel folder, float .tflite) or any .tflite. Where B was made
    from A in int8, each layer's own error and its cause are named.
    """
    table, report = options.pop("table"), options.pop("report")
    check_report(report)
    if table:
        check_writable(table)
    with tensorflow_quiet(verbose) as stream, progress_bar(stream, as_json=as_json, verbose=verbose) as progress:
        found = run_comparison(a, b, images, progress=progress, **options)
    if table:
        write_text(table, layers_to_csv(found))
    document = {"a": str(a), "b": str(b), **comparison_to_json(found)}
    if report:
        write_report(report, document, inspection_document(b), images=lambda: least_alike(a, images.data, b, **options))
    if as_json:
        echo_json(document)
        return
    echo_facts(comparison_facts(found))
    echo_lines(["", *layer_lines(found)])
