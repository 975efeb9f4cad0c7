"""Coral NPU: its compilers take TOSA, so an op must be legalized to TOSA; the judge is Arm's converter for TFLite."""

import re
from pathlib import Path
from typing import Dict, FrozenSet, Iterable, Iterator, List, Mapping, Optional, Set, Tuple

from edgekit.edgetpu.outside import NPU_COMPILER, offers
from edgekit.edgetpu.placement.placement import CPU, Accelerator, CompilerOptions, OpPlacement, Placement, Violation
from edgekit.errors import CompilerError
from edgekit.targets.tool import Ran, Tool, cause, producers, ran, refused_ops
from edgekit.tflite.graph import Graph, Op

CORAL_NPU = Accelerator(
    "coral-npu",
    "Coral NPU",
    ("legalize to TOSA, which Coral NPU's compilers take", "legalizes to TOSA, which Coral NPU's compilers take"),
    "TOSA",
    "tfl dialect",
    "In the tfl dialect",
    eight_bits=False,
)

CONVERTER = Tool("tosa-converter-for-tflite", "tosa-converter-for-tflite", "tosa_converter_for_tflite.cli", "coral-npu")

_STAYS = "stays in the tfl dialect"


def judge_coral_npu(graph: Graph) -> Placement:
    """Which ops of a model legalize to TOSA, and why the others do not.

    Raises:
      MissingDependencyError: the converter is not installed.
      CompilerError: it hung, crashed, or left what cannot be read.
    """
    name = f"{CONVERTER.title} {CONVERTER.version}"
    words = ["model.tflite", "--text", "--emit-debug-info", "-o", "model.mlir"]
    with ran(CONVERTER, graph, words) as found:
        refused = _refused(graph, found) if found.code else None
        left = frozenset() if refused else _left(name, graph, found.folder / "model.mlir")
    ops = refused_ops(graph) if refused else tuple(_placed(graph, op, op.index in left) for op in graph.ops)
    return Placement(
        ops,
        subgraphs=int(not refused),
        ends_at=None,
        refusal=refused,
        options=CompilerOptions(),
        accelerator=CORAL_NPU,
        judge=name,
        handoff=tuple(_handoff()),
    )


# What the converter wrote.

#: An op of the dialect of TFLite in MLIR's text, and the location at the line's end: `loc(#loc7)` or `loc("t3"(…))`.
_OP = re.compile(r'^\s*(?:%\S+(?:, %\S+)* = )?"?tfl\.(?P<kind>\w+)"?[ (<]')
_LOCATION = re.compile(r"loc\((?P<inner>.*)\)\s*$")
_ALIAS = re.compile(r"^(?P<alias>#loc\d*) = loc\((?P<inner>.*)\)\s*$")
_NAMES = re.compile(r'"(t\d+)"')
_ALIASES = re.compile(r"#loc\d*")
#: Constants and what stands for an input that is left out: values, not ops.
_VALUES = frozenset(("no_value", "pseudo_const", "pseudo_qconst"))


def _left(name: str, graph: Graph, path: Path) -> FrozenSet[int]:
    """The ops that are still TFLite's own. Raises CompilerError where the text is not what the converter writes."""
    places, aliases = _read(_lines(name, path))
    if places is None:
        raise CompilerError(f"{name} left a text without a function.", "Run it again.")
    makers = producers(graph)
    known = [[makers[tensor].index for tensor in _tensors(place, aliases) if tensor in makers] for place in places]
    if not all(known):
        raise CompilerError(f"{name} left ops that it does not say the place of.", "Try another release of it.")
    return frozenset(index for indices in known for index in indices)


def _read(lines: Iterable[str]) -> Tuple[Optional[List[str]], Dict[str, str]]:
    """Where TFLite's ops are, and what the aliases of places stand for; None where no function begins."""
    places: List[str] = []
    aliases: Dict[str, str] = {}
    whole = False
    for line in lines:
        whole = whole or "func.func" in line
        alias, op = _ALIAS.match(line), _OP.match(line)
        if alias:
            aliases[alias["alias"]] = alias["inner"]
        elif op and op["kind"] not in _VALUES:
            places.append(_location(line))
    return (places if whole else None), aliases


def _lines(name: str, path: Path) -> Iterator[str]:
    """Line by line: constants make the text several times as large as the model."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            yield from file
    except OSError as error:
        raise CompilerError(f"{name} ended without a result.", "Run it by hand to see what it says.") from error


def _location(line: str) -> str:
    found = _LOCATION.search(line[line.rfind(" loc(") + 1 :])
    return found["inner"] if found else ""


def _tensors(place: str, aliases: Mapping[str, str]) -> Tuple[str, ...]:
    """Names of tensors in a location, through its aliases."""
    seen: Set[str] = set()
    names: List[str] = []
    todo = [place]
    while todo:
        inner = todo.pop()
        names += _NAMES.findall(inner)
        new = [alias for alias in _ALIASES.findall(inner) if alias not in seen]
        seen.update(new)
        todo += [aliases.get(alias, "") for alias in new]
    return tuple(names)


# Why.

_ERROR = re.compile(r'^loc\((?:.*?"(?P<tensor>t\d+)")?.*?\): error: (?P<text>.*)$', re.MULTILINE)


def _refused(graph: Graph, found: Ran) -> Tuple[str, str]:
    """Why the converter does not take the model: (what, what to do)."""
    error = _ERROR.search(found.output)
    text = error["text"] if error else cause(found.output)
    op = producers(graph).get(error["tensor"]) if error and error["tensor"] else None
    why = re.sub(r"^'tfl\.\w+' op ", "", text).strip().rstrip(".")[:200]
    if "doesn't match function result type" in text:
        return "Its uint8 outputs lose their type on the way to TOSA", "Convert it with `--io int8`."
    where = f"Op {op.index} {op.opcode}: " if op else ""
    return f"{where}{why}", "Change or replace that op." if op else "Change what it names, and convert again."


#: Ops of which the converter (2026.2.0) legalizes none, float or int8, each tried alone → what to do instead.
_NO_FORM: Mapping[str, str] = {
    "EMBEDDING_LOOKUP": "Look it up in the program.",
    "LOCAL_RESPONSE_NORMALIZATION": "Use batch normalization, which folds into the convolution before.",
    "NON_MAX_SUPPRESSION_V4": "End the model before it, and select boxes in the program.",
    "NON_MAX_SUPPRESSION_V5": "End the model before it, and select boxes in the program.",
    "TOPK_V2": "End the model before it, and take the largest scores in the program.",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "Unroll it into dense layers (Keras: `unroll=True`), or use convolutions.",
}
#: Ops that have a form in float but not in int8.
_FLOAT_ONLY: Mapping[str, str] = {"LOG_SOFTMAX": "End the model at the logits, and take the logarithm in the program."}


def _placed(graph: Graph, op: Op, stays: bool) -> OpPlacement:
    if not stays:
        return OpPlacement(op, CORAL_NPU.name, "legalized to TOSA", subgraph=0)
    value, limit, remedy = _why(graph, op)
    return OpPlacement(op, CPU, _STAYS, (Violation("tosa", limit, value, remedy, "seen", _STAYS),))


def _why(graph: Graph, op: Op) -> Tuple[str, str, str]:
    """What an op has that TOSA has not, the limit, what to do."""
    tensors = (*graph.op_inputs(op), *graph.op_outputs(op))
    if op.custom:
        return f"{op.custom} is a custom op", "TOSA has builtin ops only.", "Replace it, or compute it in the program."
    if op.opcode in _NO_FORM:
        return f"The converter has no TOSA form of {op.opcode}", "", _NO_FORM[op.opcode]
    if any(tensor.is_dynamic for tensor in tensors):
        return "A tensor's size is open", "TOSA wants sizes that are known.", "Export the model with a batch size of 1."
    types = ", ".join(sorted({tensor.dtype for tensor in tensors if not tensor.is_constant}))
    if op.opcode in _FLOAT_ONLY and "int8" in types:
        return f"The converter has a TOSA form of {op.opcode} in float alone", "", _FLOAT_ONLY[op.opcode]
    said = f"The converter has no TOSA form of {op.opcode} with these sizes, options and types ({types})"
    return said, "", "Replace it by ops that legalize, or move it to the end of the model."


# How to go on.


def _handoff() -> Iterator[str]:
    yield "pip install tosa-converter-for-tflite"
    yield "tosa-converter-for-tflite MODEL.tflite --bytecode -o MODEL.tosa.mlirbc"
    for offer in offers(NPU_COMPILER):
        yield f"then {offer.name}, for {offer.fits}: {offer.note} ({offer.date})"
