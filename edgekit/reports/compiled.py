"""The compiled files' part of `edgekit inspect`: what the Edge TPU gets, and what stays on the CPU."""

from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import click

from edgekit.edgetpu.compiler.log import size_text
from edgekit.edgetpu.compiler.package import CompiledModel, EdgeTpuOp, Layer, mapped_ops
from edgekit.errors import ModelError
from edgekit.reports.text import columns
from edgekit.tflite.graph import Graph, Op
from edgekit.tflite.reader import read_graph

_SUFFIX = "_edgetpu"


def find_twin(path: str) -> Optional[Graph]:
    """The model that a compiled file was made from, where it lies beside it by its usual name and can be read."""
    compiled = Path(path)
    twin = compiled.with_name(compiled.stem[: -len(_SUFFIX)] + compiled.suffix)
    if not compiled.stem.endswith(_SUFFIX) or not twin.is_file():
        return None
    try:
        return read_graph(twin)
    except ModelError:
        return None


def compiled_to_json(compiled: CompiledModel, twin: Optional[Graph] = None) -> Dict[str, Any]:
    """A compiled model as a JSON-ready document; with its twin, the ops that each side runs."""
    document: Dict[str, Any] = {
        "min_runtime": compiled.min_runtime,
        "cached_bytes": compiled.cached_bytes,
        "streamed_bytes": compiled.streamed_bytes,
        "edgetpu_ops": [_op_to_json(op) for op in compiled.edgetpu_ops],
        "cpu_ops": [{"index": op.index, "opcode": op.custom or op.opcode} for op in compiled.cpu_ops],
    }
    if twin is not None:
        document["mapped"] = [op.index for op in mapped_ops(compiled, twin)]
        document["twin_ops"] = len(twin.ops)
    return document


def print_compiled(compiled: CompiledModel, twin: Optional[Graph] = None) -> None:
    """Prints a compiled model on one screen."""
    for label, value in _facts(compiled, twin):
        click.echo(f"  {label:<14}{value}")
    rows = [row for op in compiled.edgetpu_ops for row in _rows(op)]
    header = ("Edge TPU op", "program", "chip", "parameters", "instructions", "scratch")
    click.echo("\n" + "\n".join(columns(header, rows)))


def _facts(compiled: CompiledModel, twin: Optional[Graph]) -> List[Tuple[str, str]]:
    facts = [
        ("compiled for", f"Edge TPU runtime {compiled.min_runtime} or newer"),
        (
            "parameters",
            f"{size_text(compiled.cached_bytes)} loaded once, {size_text(compiled.streamed_bytes)} each time",
        ),
    ]
    for op in compiled.edgetpu_ops:
        facts += [("input", _describe(layer)) for layer in op.packages[0].inputs]
        facts += [("output", _describe(layer)) for layer in op.packages[0].outputs]
    if twin is not None:
        facts.append(("from", f"{len(mapped_ops(compiled, twin))} of the {len(twin.ops)} ops of the model beside it"))
    facts.append(("on the CPU", _counted(compiled.cpu_ops) or "nothing"))
    return facts


def _describe(layer: Layer) -> str:
    return f"{'x'.join(map(str, layer.shape))}  {size_text(layer.bytes)}  {layer.name}"


def _counted(ops: Tuple[Op, ...]) -> str:
    names = [op.custom or op.opcode for op in ops]
    return ", ".join(f"{name} x{names.count(name)}" for name in dict.fromkeys(names))


def _rows(op: EdgeTpuOp) -> List[Tuple[str, ...]]:
    return [
        (
            str(op.index),
            program.type.lower().replace("_", " "),
            program.chip or "-",
            size_text(program.parameter_bytes),
            size_text(program.instruction_bytes),
            size_text(program.scratch_bytes),
        )
        for program in op.packages[0].executables
    ]


def _op_to_json(op: EdgeTpuOp) -> Dict[str, Any]:
    return {
        "index": op.index,
        "chips": list(op.chips),
        "packages": [
            {
                "min_runtime": package.min_runtime,
                "compiler_version": package.compiler_version,
                "cached_bytes": package.cached_bytes,
                "streamed_bytes": package.streamed_bytes,
                "scratch_bytes": package.scratch_bytes,
                "executables": [
                    {
                        "type": program.type,
                        "chip": program.chip,
                        "parameter_bytes": program.parameter_bytes,
                        "instruction_bytes": program.instruction_bytes,
                        "scratch_bytes": program.scratch_bytes,
                    }
                    for program in package.executables
                ],
                "inputs": [_layer_to_json(layer) for layer in package.inputs],
                "outputs": [_layer_to_json(layer) for layer in package.outputs],
            }
            for package in op.packages
        ],
    }


def _layer_to_json(layer: Layer) -> Dict[str, Any]:
    return {"name": layer.name, "bytes": layer.bytes, "shape": list(layer.shape)}
