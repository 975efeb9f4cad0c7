"""Phones: what their delegates make of a model, and what is known of such models there.

`judge_android` judges by the GPU delegate, `judge_ios` by the Core ML delegate; `REMARKS` is one dated table of what
documents and published measurements say of whole models. docs/phones.md is written from here:
python -m edgekit.targets.phones > docs/phones.md
"""

from typing import Callable, List, NamedTuple, Tuple

from edgekit.documented import markdown_table
from edgekit.edgetpu.placement.case import EIGHT_BITS
from edgekit.edgetpu.placement.placement import Placement
from edgekit.targets.coreml import COREML
from edgekit.targets.delegates import INSTEAD, Delegate, Source, folded, judge_delegate, rule_rows
from edgekit.targets.gpu import GPU
from edgekit.tflite.graph import Graph

ANDROID, IOS = "android", "ios"


class Remark(NamedTuple):
    """Something known of models on phones.

    Attributes:
      targets: where it holds.
      what: what is known, a sentence or two.
      do: what to do.
      when: whether it concerns a model.
      source: where it was read.
    """

    targets: Tuple[str, ...]
    what: str
    do: str
    when: Callable[[Graph], bool]
    source: Source


def judge_android(graph: Graph) -> Placement:
    """Which ops of a model LiteRT's GPU delegate takes, with what is known of such models on Android."""
    return judge_delegate(graph, GPU, _notes(graph, ANDROID))


def judge_ios(graph: Graph) -> Placement:
    """The same for the Core ML delegate on iOS; a note says what the GPU (Metal) would take."""
    metal = judge_delegate(graph, GPU)
    told = f"The GPU delegate (Metal) would take {metal.mapped} of {len(graph.ops)} ops."
    return judge_delegate(graph, COREML, (*_notes(graph, IOS), told))


def _notes(graph: Graph, target: str) -> Tuple[str, ...]:
    return tuple(
        " ".join(filter(None, (each.what, each.do, f"({each.source.title}; read {each.source.read})")))
        for each in REMARKS
        if target in each.targets and each.when(graph)
    )


# What a remark looks at.


def _int8(graph: Graph) -> bool:
    """Values are computed in 8 bits."""
    return any(tensor.dtype in EIGHT_BITS for op in graph.ops for tensor in graph.op_outputs(op))


def _dynamic(graph: Graph) -> bool:
    """Weights are in 8 bits, values in float."""
    weights = (tensor for op in graph.ops for tensor in graph.op_inputs(op) if tensor.is_constant)
    return not _int8(graph) and any(tensor.dtype == "int8" and tensor.elements > 1 for tensor in weights)


def _float32(graph: Graph) -> bool:
    """Weights are in float32."""
    return not _int8(graph) and not _dynamic(graph) and not any(folded(graph, op) for op in graph.ops)


def _odd_channels(graph: Graph) -> bool:
    """Half of the convolutions, or more, have channels that are no multiple of 4."""
    widths = [tensor.shape[-1] for op in graph.ops if op.opcode == "CONV_2D" for tensor in graph.op_outputs(op)]
    return bool(widths) and 2 * sum(width % 4 != 0 for width in widths) >= len(widths)


_MOVING = ("BATCH_TO_SPACE_ND", "SPACE_TO_BATCH_ND", "SPACE_TO_DEPTH", "DEPTH_TO_SPACE", "TRANSPOSE")


def _moves(graph: Graph) -> bool:
    """Four ops or more only move values."""
    return sum(op.opcode in _MOVING for op in graph.ops) >= 4


_LITE = Source("Pixel 4, 4 threads: EfficientNet-Lite's page in tensorflow/tpu", "2026-11")
_GPU_PAGE = Source("TensorFlow Lite's page on the GPU delegate", "2026-11")

#: What is known of whole models, the most useful first.
REMARKS: Tuple[Remark, ...] = (
    Remark(
        (ANDROID,),
        "A GPU computes int8 in float. EfficientNet-Lite0 took 6.5 ms in int8 on the CPU, 6.0 in float16 on the GPU.",
        "Use int8 on the CPU, and --float16 for the GPU.",
        _int8,
        _LITE,
    ),
    Remark(
        (ANDROID,),
        "EfficientNet-Lite0 in float took 12 ms on the CPU, on the GPU 9.0 ms in 32 bits and 6.0 ms in 16.",
        "Convert with --float16 for half the size, or --int8 for the CPU.",
        _float32,
        _LITE,
    ),
    Remark(
        (ANDROID,),
        "8-bit weights with float values run on the GPU experimentally, and are computed in float.",
        "Use --float16 for the GPU; these weights save size alone.",
        _dynamic,
        _GPU_PAGE,
    ),
    Remark(
        (ANDROID,),
        "NNAPI refused int8 models when they were compiled, on a Pixel 10 Pro with Android 16; NNAPI is deprecated.",
        "Use the CPU (XNNPACK) for int8.",
        _int8,
        Source("«Quantization and Fast Inference» (Manning), 11.2.2", "2026-11"),
    ),
    Remark(
        (ANDROID,),
        "NNAPI is deprecated since Android 15.",
        "Use the GPU delegate or the CPU.",
        lambda graph: not _int8(graph),
        Source("Android's NNAPI migration guide, of 2025-04", "2026-11"),
    ),
    Remark(
        (ANDROID,),
        "A phone's NPU needs the model compiled for its chip, which edgekit does not do.",
        "Give the model to `apply_plugin` of LiteRT, with the chip maker's plugin.",
        _int8,
        Source("README.md of LiteRT's tools", "2026-11"),
    ),
    Remark(
        (ANDROID, IOS),
        "A GPU computes channels in fours: those of half of the convolutions are no multiple of 4.",
        "Round the numbers of channels up to multiples of 4.",
        _odd_channels,
        _GPU_PAGE,
    ),
    Remark(
        (ANDROID, IOS),
        "Ops that only move values are expensive on a GPU.",
        "Keep one layout (NHWC) throughout.",
        _moves,
        _GPU_PAGE,
    ),
    Remark(
        (IOS,),
        "Core ML uses the Neural Engine from the A12 on (iPhone XS); older phones run the model on the CPU.",
        "",
        lambda graph: not _int8(graph),
        Source("TensorFlow Lite's page on the Core ML delegate", "2026-11"),
    ),
)


# The document.

_HEAD = """# What phones run

Generated by `python -m edgekit.targets.phones`; a test keeps it true. `edgekit inspect MODEL --target android` and
`--target ios` judge a model by these tables, and so does `edgekit convert` for these targets.

A delegate takes the ops of its list that keep to its limits, cut into parts by the interpreter's partitioner; the rest
runs on the CPU, and each cut costs a copy. No phone is asked: `edgekit benchmark MODEL --adb` does that, and compares
the answers.
"""


def page() -> str:
    """The document as Markdown."""
    parts = [_HEAD, _delegate(GPU, "Android and iOS: GPU delegate"), _delegate(COREML, "iOS: Core ML delegate")]
    return "\n".join([*parts, _instead(), _remarks()]).rstrip("\n")


def _delegate(delegate: Delegate, title: str) -> str:
    taken = ", ".join(f"`{name}`" for name in sorted(delegate.ops))
    parts = "the largest part of a model" if delegate.parts == 1 else f"all parts of {delegate.least} ops and more"
    source = f"Source: {delegate.source.title}, read {delegate.source.read}. It takes {parts}."
    lines: List[str] = [f"## {title}\n", f"{source}\n", f"Takes {taken}.\n"]
    return "\n".join([*lines, *markdown_table(("Op", "Limit", "What to do"), rule_rows(delegate)), ""])


def _instead() -> str:
    rows = [(f"`{opcode}`", remedy) for opcode, remedy in sorted(INSTEAD.items())]
    return "\n".join(["## Not taken, and what to use instead\n", *markdown_table(("Op", "What to do"), rows), ""])


def _remarks() -> str:
    rows = [(", ".join(r.targets), r.what, r.do, r.source.title, r.source.read) for r in REMARKS]
    header = ("Target", "Known", "What to do", "Source", "Read")
    return "\n".join(["## Whole models\n", *markdown_table(header, rows), ""])


if __name__ == "__main__":
    print(page())
