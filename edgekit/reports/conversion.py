"""What `edgekit convert` prints: for people and for machines."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgekit.converters import Conversion
from edgekit.converters.surgery.student import Student
from edgekit.edgetpu import map_ops
from edgekit.edgetpu.compiler.compiler import CompileReport
from edgekit.edgetpu.placement.advice import verdict as edgetpu_verdict
from edgekit.errors import CompilerError
from edgekit.evaluation import Verdict
from edgekit.reports.text import percent
from edgekit.terminal import command, echo_facts
from edgekit.tflite import read_graph

#: What became of `--compile`: the compiler's report, its failure, or nothing where it was not asked for.
Compiled = CompileReport | CompilerError | None


def document(
    conversion: Conversion, path: Path, manifest: Path, unmet: str | None, compiled: Compiled
) -> dict[str, Any]:
    """The result as a JSON-ready document."""
    return {
        "model": str(path),
        "manifest": str(manifest),
        "accepted": unmet is None,
        "unmet": unmet,
        "verdict": conversion.model.provenance["verdict"],
        "outlook": asdict(conversion.outlook) if conversion.outlook else None,
        "surgery": _surgery(conversion.student) if conversion.student else None,
        "calibration_images": asdict(conversion.enough) if conversion.enough else None,
        "preprocess": conversion.preprocessing.name,
        "provenance": conversion.model.provenance,
        "notes": list(conversion.source.notes),
        "skipped": [{"image": name, "reason": reason} for name, reason in conversion.skipped.items()],
        "compiled": compiled.outputs[0] if isinstance(compiled, CompileReport) else None,
        **(_failure(compiled) if isinstance(compiled, CompilerError) else {}),
    }


def _surgery(student: Student) -> dict[str, Any]:
    return {**student.to_json(), "seconds": round(student.training.seconds, 1)}


def _failure(error: CompilerError) -> dict[str, Any]:
    return {"compile_error": {"error": error.kind, "message": error.message, "hint": error.hint}}


def tell(conversion: Conversion, path: Path, unmet: str | None, compiled: Compiled) -> None:
    """Prints what was made, how good it is, and what to do next."""
    model, calibration = conversion.model, conversion.model.provenance["calibration"]
    rows = [("Made", f"{path} ({len(model.content) / 1e6:.1f} MB, every op int8)")]
    rows += [("Preprocessing", f"{conversion.preprocessing.name}: {conversion.preprocessing.how}")]
    kind = "synthetic images (give --data for your own)" if calibration["kind"] == "synthetic" else "images"
    rows += [("Calibrated", f"on {calibration['images']} {kind}, ranges by {calibration['method']}")]
    rows += [("", str(conversion.enough))] if conversion.enough else []
    rows += [("Surgery", line) for line in (_student_lines(conversion.student) if conversion.student else [])]
    rows += [("Verdict", line) for line in _verdict_lines(conversion.verdict)]
    rows += [("Edge TPU", _placement(model.content, compiled))]
    rows += [("Note", note) for note in conversion.source.notes]
    rows += [("Skipped", line) for line in _skipped_lines(conversion.skipped)]
    rows += (
        [("Not met", unmet)] if unmet else [("Next", command("edgekit", "classify", _next(path, compiled), "IMAGE"))]
    )
    echo_facts(rows)


def _student_lines(student: Student) -> list[str]:
    replaced = ", ".join(f"{count} x {what}" for what, count in student.replaced.items())
    kind = "synthetic images" if student.kind == "synthetic" else "images"
    lines = [
        f"this is another model than {Path(student.source.path).name} ({student.surgery}: {replaced})",
        f"taught the original's answers on {student.training.images} {kind} in {student.training.seconds:.0f} s",
    ]
    for name, verdict in (("in float", student.verdict), ("in int8", student.int8)):
        if verdict is not None:
            low, high = verdict.interval
            lines.append(
                f"{name} it names the same class as the original on {percent(verdict.agreement)} of "
                f"{verdict.images} (95 % interval {percent(low)} to {percent(high)})" + _accuracies(verdict)
            )
    return [*lines, "the verdict that follows compares its int8 form with its own float form"]


def _accuracies(verdict: Verdict) -> str:
    if verdict.top1_reference is None or verdict.top1_candidate is None:
        return ""
    return f", top-1 {percent(verdict.top1_candidate)} where the original has {percent(verdict.top1_reference)}"


def _verdict_lines(verdict: Verdict | None) -> list[str]:
    if verdict is None:
        return ["not asked for (--no-verify)"]
    low, high = verdict.interval
    kind = "synthetic images" if verdict.source == "synthetic" else "images kept aside"
    lines = [
        f"names the same class as the float model on {percent(verdict.agreement)} of {verdict.images} {kind} "
        f"(95 % interval {percent(low)} to {percent(high)}), SQNR {verdict.sqnr_db:.1f} dB"
    ]
    if verdict.source == "synthetic":
        lines.append("photographs are easier to agree on: judge it on your own with --verify-data")
    if verdict.distinct == 1 < verdict.images:
        lines.append("which says little: the float model names the same class on every one of them")
    if verdict.top1_reference is not None and verdict.top1_candidate is not None:
        lines.append(
            f"top-1 {percent(verdict.top1_reference)} float, {percent(verdict.top1_candidate)} int8 "
            f"on {verdict.labelled} labelled images"
        )
    return lines


def _skipped_lines(skipped: Mapping[str, str]) -> list[str]:
    shown = list(skipped.values())[:3]
    more = [f"and {len(skipped) - len(shown)} more (all of them with --json)"] if len(skipped) > len(shown) else []
    return shown + more


def _placement(content: bytes, compiled: Compiled) -> str:
    if isinstance(compiled, CompileReport):
        return f"{compiled.outputs[0]}: {len(compiled.mapped)} of {len(compiled.graph.ops)} ops run on it"
    return f"{edgetpu_verdict(map_ops(read_graph(content)))} (predicted)"


def _next(path: Path, compiled: Compiled) -> str:
    return compiled.outputs[0] if isinstance(compiled, CompileReport) else str(path)
