"""A conversion: its facts as text, its JSON document."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from edgekit.converters import Conversion
from edgekit.converters.manifest import Exported
from edgekit.converters.remedies import remedies
from edgekit.converters.several import ForTarget
from edgekit.converters.sources.source import Source
from edgekit.converters.surgery.student import Student
from edgekit.edgetpu.compiler.compiler import CompileReport
from edgekit.edgetpu.placement.doubts import without_doubt
from edgekit.edgetpu.placement.placement import Placement
from edgekit.edgetpu.placement.words import verdict as placement_verdict
from edgekit.errors import CompilerError, EdgekitError
from edgekit.evaluation import Verdict
from edgekit.reports.cost import cost_text, cost_to_json
from edgekit.reports.text import Facts, error_to_json, shortened
from edgekit.reports.verdict import accuracy_text, agreement_text, verdict_lines
from edgekit.targets import PRECISIONS, TARGETS
from edgekit.terminal import command

#: What became of `--compile`: the compiler's report, its failure, or nothing where it was not asked for.
Compiled = CompileReport | CompilerError | None


@dataclass(frozen=True)
class Written:
    """What was written for a target.

    Attributes:
      result: the conversion, or why there is none.
      path: the model's file.
      manifest: the file beside it; None where there is no conversion.
      unmet: which demand it does not meet, in words, or None.
      compiled: what became of `--compile`.
      placement: which ops the target runs, or why that is not known; None for the CPU.
    """

    result: ForTarget
    path: Path
    manifest: Path | None = None
    unmet: str | None = None
    compiled: Compiled = None
    placement: Placement | EdgekitError | None = None


def conversions_to_json(written: Sequence[Written]) -> dict[str, object]:
    """The document of one target; of several `{"targets": {name: document or error}}`."""
    documents = {each.result.target: _written_to_json(each) for each in written}
    return {"targets": documents} if len(written) > 1 else next(iter(documents.values()))


def _written_to_json(each: Written) -> dict[str, object]:
    conversion, error = each.result.conversion, each.result.error
    if conversion is None or each.manifest is None:
        return error_to_json(error) if error else {}
    return {
        **conversion_to_json(conversion, each.path, each.manifest, each.unmet, each.compiled),
        "placement": _placement_to_json(each.placement),
    }


def _placement_to_json(placement: Placement | EdgekitError | None) -> dict[str, object] | None:
    if placement is None or isinstance(placement, EdgekitError):
        return error_to_json(placement) if placement else None
    return {
        "target": placement.accelerator.name,
        "judge": placement.judge or None,
        "verdict": placement_verdict(placement),
        "mapped": placement.mapped,
        "ops": len(placement.ops),
        "figures": {figure.key: figure.value for figure in placement.figures},
    }


#: What several targets have in common, told once.
_COMMON = ("Exported", "Preprocessing", "Calibrated", "", "Class names", "Judged", "Note", "Skipped", "Alarm")


def conversions_facts(written: Sequence[Written]) -> Iterator[tuple[tuple[str, ...], Facts]]:
    """(lines before, facts) of each target."""
    told: set[tuple[str, str]] = set()
    for each in written:
        target = TARGETS[each.result.target]
        title = (f"{target.title}: {target.opens}",) if len(written) > 1 else ()
        yield title, [row for row in _written_facts(each) if row not in told or row[0] not in _COMMON]
        told |= set(_written_facts(each))


def _written_facts(each: Written) -> Facts:
    conversion, error = each.result.conversion, each.result.error
    if conversion is not None:
        return conversion_facts(conversion, each)
    return [("Not made", f"{error}")]


def conversion_to_json(
    conversion: Conversion, path: Path, manifest: Path, unmet: str | None, compiled: Compiled
) -> dict[str, object]:
    """The result as a JSON-ready document."""
    return {
        "model": str(path),
        "manifest": str(manifest),
        "accepted": unmet is None,
        "unmet": unmet,
        "verdict": conversion.artefact.provenance["verdict"],
        "judged_on": asdict(conversion.judged_on) if conversion.verdict else None,
        "risks": asdict(conversion.risks) if conversion.risks else None,
        "cost": cost_to_json(conversion.cost) if conversion.cost else None,
        "surgery": _surgery(conversion.student) if conversion.student else None,
        "calibration_images": asdict(conversion.enough) if conversion.enough else None,
        "labels": list(conversion.source.labels),
        "labels_from": conversion.source.names_from,
        "preprocess": conversion.preprocessing.name,
        "float_ops": conversion.artefact.provenance["float_ops"],
        "ranges": [fit.to_json() for fit in conversion.fits],
        "provenance": conversion.artefact.provenance,
        "alarms": list(conversion.alarms),
        "remedies": list(remedies(conversion)),
        "notes": list(conversion.source.notes),
        "skipped": [{"image": name, "reason": reason} for name, reason in conversion.skipped.items()],
        "compiled": compiled.outputs[0] if isinstance(compiled, CompileReport) else None,
        **({"compile_error": error_to_json(compiled)} if isinstance(compiled, CompilerError) else {}),
    }


def _surgery(student: Student) -> dict[str, object]:
    return {**student.to_json(), "seconds": round(student.training.seconds, 1)}


def conversion_facts(conversion: Conversion, written: Written) -> Facts:
    """What was made, how good it is, and what to do next: titles and texts in the order in which they are read."""
    path, unmet = written.path, written.unmet
    graph, record = conversion.artefact.model.graph, conversion.artefact.provenance
    precision, calibration = record["recipe"]["precision"], record.get("calibration")
    left = _left_in_float(record["float_ops"]) if precision == "int8" else ""
    made = f"int8 but for {left}" if left else "every op int8"
    made += " but the casts of its float input and output" if record["recipe"]["io"] == "float" and not left else ""
    made = made if precision == "int8" else PRECISIONS[str(precision)]
    rows = [("Made", f"{path} ({graph.size / 1e6:.1f} MB, {made})")]
    rows += [("Size, time", cost_text(conversion.cost, "float", str(precision)))] if conversion.cost else []
    rows += [("Exported", _exported(conversion.artefact.provenance["export"]))]
    rows += [("Preprocessing", f"{conversion.preprocessing.name}: {conversion.preprocessing.how}")]
    rows += [("Calibrated", _calibrated(calibration))] if calibration else []
    rows += [("", str(conversion.enough))] if conversion.enough else []
    rows += [("Surgery", line) for line in (_student_lines(conversion.student) if conversion.student else [])]
    rows += [("Class names", _names(conversion.source))]
    rows += _judged(conversion)
    rows += [("Verdict", f"not full int8: {left}, with casts around; for phones and CPUs")] if left else []
    rows += [("Low agreement", line) for line in remedies(conversion)]
    rows += [("Alarm", line) for line in conversion.alarms]
    rows += _placed(written)
    rows += [("Note", note) for note in conversion.source.notes]
    rows += [("Skipped", line) for line in _skipped_lines(conversion.skipped)]
    rows += [("Not met", unmet)] if unmet else [("Next", command("edgekit", "classify", _next(written), "IMAGE"))]
    return rows


def _calibrated(calibration: Mapping[str, object]) -> str:
    kind = "synthetic images (give --data for your own)" if calibration["kind"] == "synthetic" else "images"
    return f"on {calibration['images']} {kind}, ranges by {calibration['method']}"


_EXPORTED = {
    "direct": "from the file's layers, without TensorFlow; each weight used once",
    "tensorflow": "through TensorFlow; compared with the model",
    "none": "a float .tflite as it is",
}


def _exported(export: Exported) -> str:
    """How the float model came to be, and how that was checked."""
    off = export["off_keras"]
    return _EXPORTED[export["way"]] + (f"; within {off:.0e} of what Keras computes" if off is not None else "")


def _left_in_float(ops: Mapping[str, int]) -> str:
    """«3 float ops (2 ELU, 1 EXP)»; "" for none."""
    total = sum(ops.values())
    kinds = ", ".join(f"{count} {opcode}" for opcode, count in ops.items())
    return f"{total} float op{'s' if total > 1 else ''} ({kinds})" if total else ""


def _names(source: Source) -> str:
    return f"{shortened(source.labels)}; {source.names_from}" if source.labels else source.names_from


def _student_lines(student: Student) -> list[str]:
    replaced = ", ".join(f"{count} x {what}" for what, count in student.replaced.items())
    kind = "synthetic images" if student.kind == "synthetic" else "images"
    lines = [
        f"this is another model than {Path(student.source.path).name} ({student.surgery}: {replaced})",
        f"taught the original's answers on {student.training.images} {kind} in {student.training.seconds:.0f} s",
    ]
    for name, verdict in (("in float", student.verdict), ("in int8", student.int8)):
        if verdict is not None:
            lines.append(f"{name}, against the original: {agreement_text(verdict)}" + _accuracies(verdict))
    return [*lines, "the verdict that follows compares its int8 form with its own float form"]


def _accuracies(verdict: Verdict) -> str:
    accuracy = accuracy_text(verdict, "original", "student")
    return f", {accuracy}" if accuracy else ""


def _judged(conversion: Conversion) -> Facts:
    """The verdict, and what the images that it was given on do not show."""
    verdict = conversion.verdict
    if verdict is None:
        return [("Verdict", "not asked for (--no-verify)")]
    cautions = conversion.judged_on.cautions(verdict.top1_reference)
    return [
        *(("Verdict", line) for line in verdict_lines(verdict, _precision(conversion))),
        *(("Judged", line) for line in cautions),
    ]


def _precision(conversion: Conversion) -> str:
    return str(conversion.artefact.provenance["recipe"]["precision"])


def _skipped_lines(skipped: Mapping[str, str]) -> list[str]:
    shown = list(skipped.values())[:3]
    more = [f"and {len(skipped) - len(shown)} more (all of them with --json)"] if len(skipped) > len(shown) else []
    return shown + more


def _placed(written: Written) -> Facts:
    """What the target makes of it: by its compiler's word where there is one, else as predicted."""
    compiled, placement = written.compiled, written.placement
    title = TARGETS[written.result.target].title.replace("Coral Edge TPU", "Edge TPU")
    if isinstance(compiled, CompileReport):
        mapped = f"{len(compiled.mapped)} of {len(compiled.graph.ops)} ops run on the Edge TPU"
        return [(title, f"{compiled.outputs[0]}: {mapped}")]
    if placement is None:
        return []
    if isinstance(placement, EdgekitError):
        return [(title, f"not asked: {placement}")]
    figures = [("", ", ".join(f"{figure.text} {figure.title}" for figure in placement.figures))]
    judged = f"{placement_verdict(placement)} ({placement.judge or 'predicted'})"
    named = without_doubt(placement)
    if named:
        figures = [("", f"--corrections {named} writes what has no precedent as ops that have one")]
        return [(title, judged), *figures]
    return [(title, judged), *(figures if placement.figures else [])]


def _next(written: Written) -> str:
    return written.compiled.outputs[0] if isinstance(written.compiled, CompileReport) else str(written.path)
