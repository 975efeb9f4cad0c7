"""`edgekit explain`: which parts of images speak for a class."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Dict, Optional, Tuple

import click

from edgekit.cli.common import command_options, echo_json, progress_bar
from edgekit.cli.settings import gather, suggest
from edgekit.files import check_writable, make_folder, write_together
from edgekit.preprocess import CONVENTIONS
from edgekit.quiet import tensorflow_quiet
from edgekit.terminal import echo_lines

if TYPE_CHECKING:
    from edgekit.converters.explaining import Explanation


@dataclass(frozen=True)
class Question:
    """What is asked of the models: the options of the same names."""

    against: Tuple[Path, ...]
    label: Optional[str]
    preprocess: Optional[str]
    trust: bool


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--against", multiple=True, type=click.Path(path_type=Path), help="Model to compare; may be repeated.")
@click.option("--class", "label", help="Name or number of the class to explain (default: MODEL's prediction).")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Sheet to write (.png), or a folder of PNGs.")
@click.option(
    "--images", "count", default=20, show_default=True, type=click.IntRange(min=1), help="At most so many of a folder."
)
@click.option(
    "--preprocess",
    shell_complete=suggest(*CONVENTIONS),
    help="Scaling of pixels where a model does not tell it: raw, 0..1, -1..1, lite, ….",
)
@click.option("--trust", is_flag=True, help="Let the models' files run their own code (Lambda and custom layers).")
@gather(Question, "question")
@command_options
def explain(
    model: Path,
    images: Tuple[Path, ...],
    question: Question,
    output: Optional[Path],
    count: int,
    as_json: bool,
    verbose: bool,
) -> None:
    """Show which parts of IMAGES (files or folders) speak for a class, and whether int8 looks at the same.

    MODEL and those of --against are .tflite files, float or int8, or trained models (.h5, .keras, SavedModel folder).
    Without -o the sheet is explained.png in the current folder.

    \b
    Example:
      edgekit explain flowers.h5 photos --against flowers.tflite -o sheet.png
    """
    from edgekit.converters.explaining import chosen_files
    from edgekit.converters.explaining import explain as run_explanation
    from edgekit.reports.explanation import explanation_lines, explanation_to_json

    output = output or Path("explained.png")
    one = output.suffix.lower() == ".png"
    check_writable(output) if one else make_folder(output)
    files = chosen_files(images, count)
    with tensorflow_quiet(verbose) as stream, progress_bar(stream, as_json=as_json, verbose=verbose) as progress:
        found = run_explanation(
            model,
            files,
            against=question.against,
            label=question.label,
            preprocess=question.preprocess,
            trust=question.trust,
            progress=progress,
        )
    write_together({output: _sheet(found)} if one else _sheets(found, output))
    if as_json:
        echo_json({**explanation_to_json(found), "output": str(output)})
        return
    echo_lines([*explanation_lines(found), f"Wrote {output}"])


def _sheet(found: "Explanation") -> bytes:
    from edgekit.reports.overlays import png, sheet

    return png(sheet(found))


def _sheets(found: "Explanation", folder: Path) -> Dict[Path, bytes]:
    """A file for each image; images of one name in several folders are told apart by their numbers."""
    from edgekit.reports.overlays import png, sheet

    return {
        folder / f"{number:03}-{Path(image.image).stem}.png": png(sheet(found, [image]))
        for number, image in enumerate(found.images, 1)
    }
