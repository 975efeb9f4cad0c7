"""`edgekit compile`: int8 models become Edge TPU models, by Coral's own compiler."""

import sys
from pathlib import Path
from typing import Any, Optional, Tuple

import click

from edgekit.cli.common import command_options, echo_json, progress_bar
from edgekit.edgetpu.compiler.compiler import compile_models
from edgekit.edgetpu.compiler.handoff import write_handoff
from edgekit.edgetpu.compiler.run import DEFAULT_TIMEOUT_S
from edgekit.edgetpu.compiler.supply import find_compiler, is_archive
from edgekit.edgetpu.placement.mapping import map_ops
from edgekit.edgetpu.placement.placement import CompilerOptions
from edgekit.errors import CompilerError
from edgekit.reports.compilation import compilation_lines, compilation_to_json
from edgekit.reports.placement import placement_lines, placement_to_json
from edgekit.terminal import echo, echo_lines
from edgekit.tflite.reader import read_graph


@click.command()
@click.argument("models", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder for the results; default: beside MODEL.")
@click.option("--compiler", type=click.Path(), help="edgetpu_compiler, its folder or its archive (.deb, .tar.gz).")
@click.option(
    "--handoff",
    type=click.Path(path_type=Path),
    help="Write the models, a container recipe and the command to this folder.",
)
@click.option("--all-subgraphs", is_flag=True, help="Map every supported subgraph, not only the first.")
@click.option("--search", is_flag=True, help="If compiling fails, leave out ops from the end until it succeeds.")
@click.option(
    "--segments", default=1, show_default=True, help="Split the model into a pipeline for this many Edge TPUs."
)
@click.option("--min-runtime", type=click.IntRange(min=10), help="Oldest Edge TPU runtime that must be able to run it.")
@click.option("--intermediate", multiple=True, help="Tensor at which the Edge TPU part ends; may be repeated.")
@click.option("--timeout", default=DEFAULT_TIMEOUT_S, show_default=True, help="Time limit in seconds.")
@command_options
def compile(models: Tuple[Path, ...], as_json: bool, verbose: bool, **given: Any) -> None:
    """Compile int8 .tflite MODELS for the Edge TPU; several models share the on-chip memory.

    Labels and preprocessing are kept. Needs Coral's edgetpu_compiler (Linux, x86-64): the one on the PATH, or what
    --compiler names. Without it, the predicted placement is shown, and --handoff writes what another machine needs
    to compile; with an archive as --compiler nothing has to be fetched there.
    """
    options = CompilerOptions(
        all_subgraphs=given["all_subgraphs"],
        min_runtime_version=given["min_runtime"],
        intermediate_tensors=tuple(given["intermediate"]),
        num_segments=given["segments"],
        search_delegate=given["search"],
    )
    if given["handoff"]:
        _hand_off(models, given["handoff"], options, given["compiler"], as_json)
        return
    try:
        find_compiler(given["compiler"])
    except CompilerError as error:
        _predict(models, options, error if as_json else None)
        raise
    with progress_bar(sys.stderr, as_json=as_json, verbose=verbose) as progress:
        reports = compile_models(
            models,
            options,
            compiler=given["compiler"],
            out_dir=given["output"],
            timeout=given["timeout"],
            progress=progress,
        )
    if verbose:
        echo(reports[0].printed, err=True)
    if as_json:
        echo_json([compilation_to_json(report) for report in reports])
        return
    for report in reports:
        echo_lines(compilation_lines(report))


def _predict(models: Tuple[Path, ...], options: CompilerOptions, error: Optional[CompilerError]) -> None:
    """Shows where the ops are expected to run; as part of the `error` document, which ends the command, for JSON."""
    graphs = [read_graph(model) for model in models]
    placements = [map_ops(graph, options) for graph in graphs]
    if error is None:
        for model, graph, placement in zip(models, graphs, placements):
            echo(f"{model.name}, predicted placement:")
            echo_lines(placement_lines(graph, placement))
        return
    predictions = [
        {"model": str(model), **placement_to_json(graph, placement)}
        for model, graph, placement in zip(models, graphs, placements)
    ]
    echo_json({"error": error.kind, "message": error.message, "hint": error.hint, "prediction": predictions})
    sys.exit(error.exit_code)


def _hand_off(
    models: Tuple[Path, ...], folder: Path, options: CompilerOptions, compiler: Optional[str], as_json: bool
) -> None:
    archive = Path(compiler) if compiler and is_archive(Path(compiler)) else None
    written = [str(path) for path in write_handoff(models, folder, options, archive)]
    if as_json:
        echo_json({"handoff": str(folder), "files": written})
        return
    echo(f"Wrote {', '.join(Path(path).name for path in written)} to {folder}.")
    echo(f"On a machine with docker or podman, run: {written[-1]}")
    echo(f"With edgekit there too: edgekit compile MODEL --compiler {written[-2]} keeps labels and checks the result.")
