"""What `edgekit convert` writes: names, files, the compiled model and the report."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.calibration import save_ranges
from edgekit.cli.reporting import check_report, inspection_document, write_report
from edgekit.converters import Recipe, save
from edgekit.converters.several import ForTarget
from edgekit.converters.surgery.surgery import SURGERIES
from edgekit.edgetpu.compiler.compiler import CompileReport, compile_model
from edgekit.edgetpu.placement.placement import Placement
from edgekit.errors import CompilerError, EdgekitError, UsageError
from edgekit.files import check_writable
from edgekit.reports.conversion import Written, conversions_to_json
from edgekit.reports.page.examples import least_alike
from edgekit.targets.judges import JUDGES, Place, judge
from edgekit.tflite.graph import Graph

#: The most accuracy that may be lost, and the least agreement, 0–1 or None.
Gates = tuple[float | None, float | None]


if TYPE_CHECKING:  # for readers and type checkers: Python 3.7 knows no TypedDict
    from typing import TypedDict  # novm

    class Options(TypedDict):
        """Options of the command that are read one by one; the recipe's fields are among the others."""

        target: str
        int8: bool
        float16: bool
        dynamic: bool
        output: Path | None
        surgery: str
        data: Path | None
        verify_data: Path | None
        no_verify: bool
        check_export: bool
        labels: Path | None
        size: str | None
        output_name: str | None
        signature: str | None
        preprocess: str | None
        trust: bool
        max_drop: str | None
        min_agreement: str | None
        save_ranges: Path | None
        compile: bool
        report: Path | None

else:
    Options = dict


def output(model: Path, recipe: Recipe, options: Options, *, alone: bool) -> Path:
    """The file of one target's model; `alone` where there is no other target."""
    made = f"_{options['surgery']}" if options["surgery"] in SURGERIES else ""
    given: Path | None = options["output"]
    if given and (alone or given.suffix != ".tflite"):
        return given
    stem = given.with_suffix("") if given else Path(f"{_stem(model)}{made}")
    target = "" if alone else f"_{recipe.target}"
    precision = "" if given else f"_{recipe.precision}"
    return stem.with_name(f"{stem.name}{target}{precision}.tflite")


def check_options(recipes: list[Recipe], options: Options) -> None:
    """Raises where an option is for a kind of model that is not made."""
    if options["report"] and len(recipes) > 1:
        raise UsageError("--report is of one target.", "Convert for one target at a time for it.")
    check_report(options["report"])
    if options["compile"] and all(each.target != "edgetpu" for each in recipes):
        raise UsageError("--compile is for the Edge TPU.", "Add it to --target.")
    if options["save_ranges"] and all(each.precision != "int8" for each in recipes):
        raise UsageError("--save-ranges has none to save: ranges are those of int8.", "Drop it, or use --int8.")


def write(result: ForTarget, path: Path, gates: Gates, options: Options) -> Written:
    """Writes what was made for a target."""
    conversion = result.conversion
    if conversion is None:
        return Written(result, path)
    unmet = conversion.unmet(*gates)
    path = path.with_suffix(".rejected.tflite") if unmet else path
    manifest = save(conversion.artefact, path)
    if options["save_ranges"] and conversion.artefact.ranges:
        save_ranges(conversion.artefact.ranges, options["save_ranges"])
    compiled = _compile(path) if options["compile"] and result.target == "edgetpu" and not unmet else None
    return Written(result, path, manifest, unmet, compiled, _placement(conversion.artefact.model.graph, result.target))


def _placement(graph: Graph, target: str) -> Placement | EdgekitError | None:
    """What becomes of the model on its target; where that cannot be asked, why not: the model is made and stays."""
    try:
        return judge(graph, Place(target)) if target in JUDGES else None
    except EdgekitError as error:
        return error


def report(model: Path, written: list[Written], options: Options) -> None:
    """Writes the report of the only target, where one was asked for."""
    if options["report"] is None:
        return
    (made,) = written
    shown = options["verify_data"] or options["data"]
    scaling, trust = options["preprocess"], options["trust"]
    figures = partial(least_alike, model, shown, made.path, preprocess=scaling, trust=trust)
    inside = inspection_document(made.path, made.result.target)
    write_report(options["report"], conversions_to_json(written), inside, images=figures)


def _compile(path: Path) -> CompileReport | CompilerError:
    """The compiler's report, or why there is none: the int8 model is made and stays."""
    try:
        return compile_model(path)
    except CompilerError as error:
        return error


def _stem(model: Path) -> str:
    name = model.resolve().name
    return name[: -len(model.suffix)] if model.suffix and not model.is_dir() else name


def check_outputs(model: Path, outputs: list[Path], ranges: Path | None) -> None:
    """Raises where a result could not be written, or would overwrite the model or another result."""
    for output in outputs:
        if output.suffix != ".tflite":
            raise UsageError(f"-o {output} does not end in .tflite.", f"Write for instance -o {_stem(output)}.tflite.")
    written = [each for output in outputs for each in (output, output.with_suffix(".json"))]
    written += [ranges] if ranges else []
    places = [path.resolve() for path in (model, *written)]
    if len(set(places)) < len(places):
        names = ", ".join(map(str, written))
        raise UsageError(
            f"Among {model} and what is written ({names}), one would overwrite another.", "Rename with -o."
        )
    for path in written:
        check_writable(path)
