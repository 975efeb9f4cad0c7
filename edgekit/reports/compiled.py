"""A compiled model: what the Edge TPU gets, and what stays on the CPU."""

from typing import Dict, Iterator, List, Optional, Tuple, Union

from edgekit.devices.twin import Twin
from edgekit.edgetpu.compiler.package import CompiledModel, EdgeTpuOp, Layer, mapped_ops
from edgekit.edgetpu.parameters import Contents
from edgekit.errors import EdgekitError
from edgekit.reports.graph import op_to_json
from edgekit.reports.text import columns
from edgekit.sizes import size_text
from edgekit.tflite.graph import Op

#: The CPU twin of a compiled model, or why it has none; None where it was not looked for.
Twinned = Union[Twin, EdgekitError, None]


def compiled_to_json(
    compiled: CompiledModel, twin: Twinned = None, contents: Optional[Contents] = None
) -> Dict[str, object]:
    """A compiled model as a JSON-ready document; with its twin, the twin's ops and layers that the Edge TPU runs."""
    document: Dict[str, object] = {
        "min_runtime": compiled.min_runtime,
        "cached_bytes": compiled.cached_bytes,
        "streamed_bytes": compiled.streamed_bytes,
        "edgetpu_ops": [_op_to_json(op) for op in compiled.edgetpu_ops],
        "cpu_ops": [op_to_json(op) for op in compiled.cpu_ops],
    }
    if isinstance(twin, Twin):
        document["cpu_twin"] = str(twin.path)
        document["mapped"] = _mapped(compiled, twin)
        document["twin_ops"] = len(twin.source.ops)
    elif twin is not None:
        document["cpu_twin"], document["cpu_twin_problem"] = None, twin.message
    if contents is not None:
        document["contents"] = _contents_to_json(contents)
    return document


def compiled_lines(compiled: CompiledModel, twin: Twinned = None, contents: Optional[Contents] = None) -> Iterator[str]:
    """A compiled model on one screen."""
    for label, value in _facts(compiled, twin, contents):
        yield f"  {label:<14}{value}"
    rows = [row for op in compiled.edgetpu_ops for row in _rows(op)]
    yield ""
    yield from columns(("Edge TPU op", "executable", "chip", "parameters", "instructions", "scratch"), rows)


def _mapped(compiled: CompiledModel, twin: Twin) -> List[int]:
    """Indices of the source's ops that the Edge TPU runs."""
    return [twin.source_ops[op.index] for op in mapped_ops(compiled, twin.graph)]


def _facts(compiled: CompiledModel, twin: Twinned, contents: Optional[Contents]) -> List[Tuple[str, str]]:
    facts = [
        ("compiled for", f"Edge TPU runtime {compiled.min_runtime} or newer"),
        (
            "parameters",
            f"{size_text(compiled.cached_bytes)} cached on chip, "
            f"{size_text(compiled.streamed_bytes)} streamed at each inference",
        ),
    ]
    for op in compiled.edgetpu_ops:
        facts += [("input", _describe(layer)) for layer in op.packages[0].inputs]
        facts += [("output", _describe(layer)) for layer in op.packages[0].outputs]
    if isinstance(twin, Twin):
        mapped, total = len(_mapped(compiled, twin)), len(twin.source.ops)
        facts.append(("CPU twin", f"{twin.path.name}: {mapped} of its {total} ops run on the Edge TPU here"))
    elif twin is not None:
        facts.append(("CPU twin", f"none. {twin.message} {twin.hint or ''}".rstrip()))
    if contents is not None:
        facts.append(("contents", _contents(contents)))
    facts.append(("on the CPU", _counted(compiled.cpu_ops) or "nothing"))
    return facts


def _contents(contents: Contents) -> str:
    """Which of the twin's layers are in the file, and what share of its parameters they explain."""
    if not contents.layers:
        return "no layer with weights of the CPU twin's to compare"
    total, found = len(contents.layers), len(contents.layers) - len(contents.others)
    share = contents.explained_bytes / max(1, contents.total_bytes)
    text = f"{found} of the CPU twin's {total} layers to the last bit"
    if contents.others:
        named = ", ".join(f"op {layer.op.index} {layer.op.opcode}" for layer in contents.others[:4])
        text += f"; not as in it: {named}{' …' if len(contents.others) > 4 else ''}"
    return f"{text}; {share:.2%} of {size_text(contents.total_bytes)} explained".replace("%", " %")


def _contents_to_json(contents: Contents) -> Dict[str, object]:
    return {
        "same": contents.same,
        "layers": len(contents.layers),
        "others": [
            {"op": layer.op.index, "opcode": layer.op.opcode, "status": layer.status, "changed": dict(layer.changed)}
            for layer in contents.others
        ],
        "explained_bytes": contents.explained_bytes,
        "total_bytes": contents.total_bytes,
    }


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


def _op_to_json(op: EdgeTpuOp) -> Dict[str, object]:
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


def _layer_to_json(layer: Layer) -> Dict[str, object]:
    return {"name": layer.name, "bytes": layer.bytes, "shape": list(layer.shape)}
