"""Arm's Ethos-U: Vela compiles the model, and what it leaves on the CPU is read from the file that it writes."""

import csv
import re
import textwrap
from pathlib import Path
from typing import Dict, Iterator, Mapping, NamedTuple, Optional, Tuple

from edgekit.edgetpu.placement.placement import (
    CPU,
    Accelerator,
    CompilerOptions,
    Figure,
    OpPlacement,
    Placement,
    Violation,
)
from edgekit.errors import CompilerError, EdgekitError, UsageError
from edgekit.sizes import size_text
from edgekit.targets.tool import Ran, Tool, cause, producers, ran, refused_ops
from edgekit.tflite.graph import Graph, Op
from edgekit.tflite.reader import read_graph

ETHOS_U = Accelerator("ethos-u", "Ethos-U", ("run on the Ethos-U", "runs on the Ethos-U"), "Ethos-U")

VELA = Tool("Vela", "ethos-u-vela", "ethosu.vela", "ethos-u")

#: Accelerator → its sizes in multiply-adds per cycle, as Vela's `--accelerator-config` joins them.
_SIZES: Mapping[str, Tuple[int, ...]] = {
    "ethos-u55": (32, 64, 128, 256),
    "ethos-u65": (256, 512),
    "ethos-u85": (128, 256, 512, 1024, 2048),
}
CONFIGURATIONS = tuple(f"{name}-{size}" for name, sizes in _SIZES.items() for size in sizes)
DEFAULT_CONFIGURATION = "ethos-u55-256"

#: How Vela names the op that stands for what it compiled.
_COMPILED = "ethos-u"


def judge_ethos_u(graph: Graph, configuration: Optional[str] = None) -> Placement:
    """What Vela makes of a model.

    Args:
      configuration: one of CONFIGURATIONS; None for the first that boards had.

    Raises:
      UsageError: there is no such configuration.
      MissingDependencyError: Vela is not installed.
      CompilerError: it hung, crashed, or left what cannot be read.
    """
    chosen = configuration or DEFAULT_CONFIGURATION
    if chosen not in CONFIGURATIONS:
        raise UsageError(f"There is no Ethos-U {chosen!r}.", f"Choose one of: {', '.join(CONFIGURATIONS)}.")
    words = ["--accelerator-config", chosen, "--output-dir", "out", "model.tflite"]
    name = f"Vela {VELA.version}"
    with ran(VELA, graph, words) as found:
        refusal = _refusal(name, found) if found.code else None
        compiled = None if refusal else _compiled(name, found.folder)
        summary = {} if refusal else _summary(found.folder)
        ops = _placed(graph, compiled, _reasons(found.output)) if compiled else refused_ops(graph)
    return Placement(
        ops,
        subgraphs=sum(op.custom == _COMPILED for op in compiled.ops) if compiled else 0,
        ends_at=None,
        refusal=refusal,
        options=CompilerOptions(),
        accelerator=ETHOS_U,
        judge=f"{name}, {chosen}",
        figures=tuple(_figures(summary)),
        notes=tuple(_notes(summary)),
        handoff=(f"vela --accelerator-config {chosen} MODEL.tflite  (add your chip's --config, --system-config)",),
    )


def _refusal(name: str, found: Ran) -> Tuple[str, str]:
    """Why Vela takes the model in no form. Raises CompilerError where it broke down over it."""
    if "Traceback (most recent call last)" in found.output:
        raise CompilerError(f"{name} broke down on this model: {cause(found.output)}.", "Try another release of it.")
    return cause(found.output).rstrip("."), "Change what it names, and convert again."


def _compiled(name: str, folder: Path) -> Graph:
    for path in (folder / "out").glob("*_vela.tflite"):
        try:
            return read_graph(path)
        except EdgekitError as error:
            raise CompilerError(f"{name} left a model that cannot be read: {error.message}", "Run it again.") from error
    raise CompilerError(f"{name} ended without a model.", "Run `vela MODEL.tflite` to see what it says.")


class _Reason(NamedTuple):
    """What Vela says of an op that it leaves on the CPU: what the op has, and the limit."""

    value: str
    limit: str


_WARNING = re.compile(
    r"^Warning \(supported operators\) operator: .*?, ofm: '(?P<tensor>t\d+)'\s*\n"
    r"Reason: (?P<value>.*)\n(?P<limit>(?:.+\n)*)",
    re.MULTILINE,
)


def _reasons(output: str) -> Dict[str, _Reason]:
    """Tensor → why the op that makes it stays on the CPU."""
    found = _WARNING.finditer(output)
    return {each["tensor"]: _Reason(_said(each["value"]), _said(each["limit"])) for each in found}


def _said(text: str) -> str:
    """A reason in one line, without the copy's names of tensors."""
    parts = [" ".join(line.lstrip(" -").split()) for line in text.splitlines()]
    joined = " ".join(f"{part};" if not part.endswith((".", ":")) else part for part in parts if part)
    return textwrap.shorten(re.sub(r" ?\(t\d+\)", "", joined).rstrip(";."), 220, placeholder=" …")


def _placed(graph: Graph, compiled: Graph, reasons: Mapping[str, _Reason]) -> Tuple[OpPlacement, ...]:
    """Where each op runs: those that are still in the compiled file run on the CPU."""
    makers = producers(graph)
    left = {makers[name].index for name in _left(compiled) if name in makers}
    return tuple(_op(op, op.index in left, reasons) for op in graph.ops)


def _left(compiled: Graph) -> Iterator[str]:
    for op in compiled.ops:
        if op.custom != _COMPILED:
            yield from (tensor.name for tensor in compiled.op_outputs(op))


def _op(op: Op, on_cpu: bool, reasons: Mapping[str, _Reason]) -> OpPlacement:
    if not on_cpu:
        return OpPlacement(op, ETHOS_U.name, "compiled by Vela", subgraph=0)
    told = [reasons[f"t{index}"] for index in op.outputs if f"t{index}" in reasons]
    reason = told[0] if told else _Reason("Vela leaves it on the CPU and does not say why", "")
    if reason.value == "Unsupported opType":
        reason = _Reason(f"The Ethos-U has no {op.custom or op.opcode}", "")
    limit = f"{reason.limit}." if reason.limit else ""
    found = Violation("vela", limit, reason.value, _remedy(op, reason), "documented", "left on the CPU")
    return OpPlacement(op, CPU, found.status, (found,))


#: What a reason says → what to do.
_REMEDIES: Tuple[Tuple[str, str], ...] = (
    ("Float", "Quantize the whole model: `edgekit convert --target ethos-u`."),
    (r"Int32|Int64|Bool", "Compute this in the program."),
    ("has no ", "Use ops of `vela --supported-ops-report` instead, or compute this in the program."),
    ("", "Change its sizes or options to keep to this limit."),
)


def _remedy(op: Op, reason: _Reason) -> str:
    if op.opcode == "DEQUANTIZE":
        return "Convert with int8 output (`--io int8`), and dequantize in the program."
    return next(remedy for pattern, remedy in _REMEDIES if re.search(pattern, reason.value))


def _summary(folder: Path) -> Dict[str, str]:
    """Vela's own table of one row; {} where it left none."""
    for path in (folder / "out").glob("*_summary_*.csv"):
        return next(csv.DictReader(path.read_text("utf-8", "replace").splitlines()), {})
    return {}


#: Column, in KiB → its name in JSON and for people.
_MEMORY: Mapping[str, Tuple[str, str]] = {
    "sram_memory_used": ("sram_bytes", "SRAM"),
    "dram_memory_used": ("dram_bytes", "DRAM"),
    "on_chip_flash_memory_used": ("on_chip_flash_bytes", "on-chip flash"),
    "off_chip_flash_memory_used": ("off_chip_flash_bytes", "off-chip flash"),
}


def _figures(summary: Mapping[str, str]) -> Iterator[Figure]:
    for column, (key, title) in _MEMORY.items():
        used = 1024 * _number(summary, column)
        if used:
            yield Figure(key, title, used, size_text(round(used)))
    cycles, seconds = _number(summary, "cycles_total"), _number(summary, "inference_time")
    if cycles:
        yield Figure("cycles", "cycles", cycles, f"{cycles:,.0f}")
    if seconds:
        clock = _number(summary, "core_clock") / 1e6
        yield Figure("inference_ms", "one inference", 1e3 * seconds, f"{1e3 * seconds:.3g} ms at {clock:.0f} MHz")


def _number(summary: Mapping[str, str], column: str) -> float:
    """A figure; 0 where it is not told. Raises CompilerError where it is no number."""
    text = summary.get(column) or "0"
    try:
        return float(text)
    except ValueError as error:
        raise CompilerError(f"Vela wrote {text[:40]!r} as {column}, which is no number.", "Run it again.") from error


def _notes(summary: Mapping[str, str]) -> Iterator[str]:
    system, memory = summary.get("system_config"), summary.get("memory_mode")
    if system and memory:
        yield f"by Vela's model of {system} with {memory}; a chip with other memory differs"
