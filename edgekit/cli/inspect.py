"""`edgekit inspect`: what is in a .tflite file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Optional

import click

from edgekit.cli.common import command_options, echo_json
from edgekit.cli.reporting import check_report, report_option, write_report
from edgekit.cli.settings import gather
from edgekit.devices.inspection import inspect as run_inspection
from edgekit.edgetpu.observed import observe, write_record
from edgekit.edgetpu.placement.placement import CompilerOptions
from edgekit.errors import UsageError
from edgekit.reports.inspection import inspection_lines, inspection_to_json
from edgekit.reports.observed import observed_lines, observed_to_json
from edgekit.targets.judges import JUDGES, Place
from edgekit.terminal import echo, echo_lines


@dataclass(frozen=True)
class Prediction:
    """What is asked about an accelerator: the options of the same names."""

    target: Optional[str]
    accelerator: Optional[str]
    edgetpu: bool
    all_subgraphs: bool
    min_runtime: Optional[int]
    compiled: Optional[str]
    record: Optional[str]

    @property
    def place(self) -> Optional[Place]:
        """The accelerator that is asked about. Raises UsageError for options that are another's."""
        target = "edgetpu" if self.edgetpu or self.compiled else self.target
        if (self.edgetpu or self.compiled) and self.target not in (None, "edgetpu"):
            raise UsageError(f"--target {self.target} is not the Edge TPU.", "Ask for one of them.")
        flags = CompilerOptions(self.all_subgraphs, self.min_runtime)
        if flags != CompilerOptions() and target != "edgetpu":
            raise UsageError("--all-subgraphs and --min-runtime say how the model is compiled.", "Add --edgetpu.")
        if self.accelerator and target != "ethos-u":
            raise UsageError("--accelerator says which Ethos-U is meant.", "Add --target ethos-u.")
        return Place(target, flags, self.accelerator) if target else None


@click.command()
@click.argument("model", type=click.Path())
@click.option("--tensors", is_flag=True, help="List the tensors too.")
@click.option("--edgetpu", is_flag=True, help="Show what the Edge TPU would run, why not all, what to do.")
@click.option("--target", type=click.Choice([*JUDGES]), help="The same for another accelerator.")
@click.option("--accelerator", help="With --target ethos-u: which one, such as ethos-u65-256.")
@click.option("--all-subgraphs", is_flag=True, help="With --edgetpu: map every subgraph, not the first only.")
@click.option("--min-runtime", type=click.IntRange(min=10), help="With --edgetpu: oldest runtime to run on.")
@report_option
@click.option("--compiled", type=click.Path(), help="The file compiled from MODEL: say what was mapped.")
@click.option("--record", type=click.Path(), help="With --compiled: add an anonymous row per op to this CSV file.")
@gather(Prediction, "prediction")
@command_options
def inspect(
    model: str, tensors: bool, prediction: Prediction, report: Optional[Path], as_json: bool, verbose: bool
) -> None:
    """Show what the .tflite MODEL holds: ops, inputs and outputs, quantization, metadata.

    For ethos-u Arm's Vela is asked, for coral-npu Arm's converter to TOSA: extras of the same names.
    """
    place = prediction.place
    if prediction.record and not prediction.compiled:
        raise UsageError("--record writes down what a compiler did.", "Add --compiled and the compiled file.")
    check_report(report)
    if prediction.compiled and place:
        _compare(model, prediction.compiled, prediction.record, place.options, report, as_json)
        return
    found = run_inspection(model, place=place)
    document = inspection_to_json(found, tensors=tensors)
    write_report(report, document)
    if as_json:
        echo_json(document)
        return
    echo(f"  {found.graph.size / 1e6:.2f} MB", title=Path(model).name, bold=True)
    echo_lines(inspection_lines(found, tensors=tensors))


def _compare(
    model: str,
    compiled: str,
    record: Optional[str],
    flags: CompilerOptions,
    report: Optional[Path],
    as_json: bool,
) -> None:
    """What a compiler did with the model, and the record of it."""
    observed = observe(model, compiled, flags)
    rows = write_record(record, observed) if record else None
    document = {**observed_to_json(observed), "record": record, "rows": rows}
    write_report(report, document)
    if as_json:
        echo_json(document)
        return
    echo("", title=Path(model).name, bold=True)
    echo_lines(observed_lines(observed))
    if rows is not None:
        echo(
            f"  record        {rows} rows in {record}: kinds, types, sizes and options of ops, no names and no weights"
        )
