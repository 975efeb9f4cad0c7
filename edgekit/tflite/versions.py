"""Op versions: bringing a model to the lowest ones that mean the same, and to what an older compiler knows.

An op's version tells an interpreter which types and features it must know. Quantizers leave versions too low
(litert-quantizer: 1 everywhere) or, from newer converters, too high for the Edge TPU compiler of 2021.
"""

from typing import Mapping, Optional, Tuple

from edgekit.errors import UnsupportedModelError, UsageError
from edgekit.tflite.attached import read_files, with_files
from edgekit.tflite.editor import Editor
from edgekit.tflite.graph import Graph, Op
from edgekit.tflite.op_rules import lowest_version, op_input, per_channel
from edgekit.tflite.reader import read_graph

#: Releases of `edgetpu_compiler`, in the order of the columns below.
COMPILERS = ("2.1", "14.1", "15.0", "16.0")

#: op → the highest version that each release can read: TensorFlow's `kernels/register.cc` at the time of the release
#: (March, June and November 2020, July 2021). For 16.0 the exact revision is not known: where TensorFlow 2.4 and 2.7
#: differ, the higher version stands, unless users saw it refused (CONV_2D 6 and QUANTIZE 3: google-coral/edgetpu
#: issues 631 and 879; TRANSPOSE_CONV 4: issue 845). Ops that are not listed have had one version only, or are not
#: mapped anyway.
_NEWEST: Mapping[str, Tuple[int, int, int, int]] = {
    "ADD": (2, 2, 4, 4),
    "ARG_MAX": (2, 2, 2, 3),
    "ARG_MIN": (2, 2, 2, 3),
    "AVERAGE_POOL_2D": (2, 3, 3, 3),
    "BATCH_TO_SPACE_ND": (2, 3, 3, 3),
    "CONCATENATION": (2, 3, 3, 3),
    "CONV_2D": (3, 4, 5, 5),
    "DEPTHWISE_CONV_2D": (3, 5, 6, 6),
    "DEPTH_TO_SPACE": (1, 1, 1, 2),
    "DEQUANTIZE": (4, 4, 4, 5),
    "DIV": (1, 2, 2, 2),
    "EXP": (1, 1, 1, 1),
    "FULLY_CONNECTED": (6, 8, 9, 9),
    "LEAKY_RELU": (1, 2, 2, 2),
    "LOG": (1, 1, 1, 1),
    "LOGISTIC": (2, 3, 3, 3),
    "MAXIMUM": (2, 4, 4, 4),
    "MAX_POOL_2D": (2, 3, 3, 3),
    "MEAN": (2, 2, 3, 3),
    "MINIMUM": (2, 4, 4, 4),
    "MIRROR_PAD": (2, 2, 2, 2),
    "MUL": (3, 4, 4, 5),
    "PACK": (2, 3, 3, 3),
    "PAD": (2, 2, 3, 4),
    "PADV2": (2, 2, 3, 4),
    "QUANTIZE": (2, 2, 2, 2),
    "REDUCE_MAX": (2, 2, 2, 3),
    "REDUCE_MIN": (2, 2, 2, 3),
    "RELU": (2, 2, 2, 3),
    "RELU6": (2, 2, 2, 3),
    "RESIZE_BILINEAR": (2, 3, 3, 4),
    "RESIZE_NEAREST_NEIGHBOR": (2, 3, 4, 4),
    "RSQRT": (1, 1, 1, 2),
    "SLICE": (3, 3, 4, 5),
    "SOFTMAX": (2, 3, 3, 3),
    "SPACE_TO_BATCH_ND": (2, 3, 3, 3),
    "SPLIT": (3, 4, 4, 4),
    "SPLIT_V": (1, 2, 2, 2),
    "SQRT": (1, 1, 1, 1),
    "SQUARED_DIFFERENCE": (1, 1, 1, 2),
    "SQUEEZE": (1, 1, 1, 2),
    "STRIDED_SLICE": (3, 4, 4, 6),
    "SUB": (2, 3, 5, 5),
    "TANH": (2, 3, 3, 3),
    "TILE": (1, 2, 2, 3),
    "TRANSPOSE": (3, 4, 5, 5),
    "TRANSPOSE_CONV": (2, 3, 3, 3),
    "UNPACK": (3, 4, 4, 4),
}

#: The number of the last builtin operator in each release's schema.
_LAST_BUILTIN = (124, 126, 128, 142)


def minimal_versions(graph: Graph) -> Tuple[int, ...]:
    """For each op, in order, the lowest version that knows the types and features it uses."""
    return tuple(lowest_version(graph, op) for op in graph.ops)


def set_op_versions(graph: Graph, *, compiler_version: Optional[str] = "16.0") -> Graph:
    """The model with each op at the lowest version that means the same; deterministic.

    A model whose versions are right comes back unchanged. Label files and other metadata, also those in a zip
    appended to the file, are kept. Only the main subgraph's ops are changed.

    Args:
      graph: the model.
      compiler_version: the `edgetpu_compiler` release that must be able to read the result, such as "16.0";
        None checks nothing.

    Raises:
      UnsupportedModelError: an op needs a version that this compiler does not know; the message names it.
      UsageError: an unknown compiler release.
      MissingDependencyError: the workstation's `ai-edge-litert` is not installed.
    """
    versions = minimal_versions(graph)
    if compiler_version is not None:
        _check(graph, versions, compiler_version)
    if versions == tuple(op.version for op in graph.ops):
        return graph
    editor = Editor(graph)
    editor.set_versions(versions)
    files = read_files(graph.content)
    return read_graph(with_files(editor.content(), files)) if files else editor.finish()


def lower_versions(editor: Editor, *, compiler_version: Optional[str] = "16.0") -> None:
    """The same within an editor, for the ops that it has now."""
    graph = editor.as_graph()
    versions = minimal_versions(graph)
    if compiler_version is not None:
        _check(graph, versions, compiler_version)
    if versions != tuple(op.version for op in graph.ops):
        editor.set_versions(versions)


def refusal(graph: Graph, op: Op, version: int, compiler_version: str) -> Optional[Tuple[str, str]]:
    """(why a compiler cannot read `op` at `version`, what to do about it), or None where it can.

    Raises UsageError for a release of which nothing is known.
    """
    release = _release(compiler_version)
    name = op.custom or op.opcode
    if op.opcode == "FULLY_CONNECTED" and per_channel(op_input(graph, op, 1)):
        return (
            f"{name} has one weight scale per channel, which older interpreters read as one for all",
            "Quantize dense layers per tensor: `edgekit convert` does; TensorFlow's converter does with "
            "_experimental_disable_per_channel_quantization_for_dense_layers = True.",
        )
    if not is_known(op.opcode, compiler_version):
        return f"{name} is newer than this compiler", "Express it in older operations."
    newest = _NEWEST[op.opcode][release] if op.opcode in _NEWEST else version
    if version <= newest:
        return None
    reason = f"{name} needs version {version} for the types or features it uses, and the compiler knows {newest}"
    return reason, _REMEDIES.get(op.opcode, "Use 8-bit activations of rank 4 at most, and no newer feature of the op.")


def is_known(opcode: str, compiler_version: str) -> bool:
    """Whether a compiler has the op in its schema; a file with any other is not read at all."""
    return _builtin_number(opcode) <= _LAST_BUILTIN[_release(compiler_version)]


def _release(compiler_version: str) -> int:
    """The column of a release, found by its major number: "16", "16.0" and "16.0.384591198" are the same."""
    majors = [release.split(".")[0] for release in COMPILERS]
    major = compiler_version.split(".")[0]
    if major not in majors:
        raise UsageError(
            f"Nothing is known of edgetpu_compiler {compiler_version!r}.", f"Known releases: {', '.join(COMPILERS)}."
        )
    return majors.index(major)


_REMEDIES = {
    "CONV_2D": "Replace the grouped convolution by a depthwise or an ordinary one.",
    "QUANTIZE": "Quantize this tensor with one scale for all channels.",
    "TRANSPOSE_CONV": "Use 8-bit activations and no fused activation: put it behind as an operation of its own.",
    "RESIZE_BILINEAR": "Resize without half_pixel_centers, or take compiler 14 or newer.",
    "RESIZE_NEAREST_NEIGHBOR": "Resize without half_pixel_centers, or take compiler 14 or newer.",
}


def _check(graph: Graph, versions: Tuple[int, ...], compiler_version: str) -> None:
    for op, version in zip(graph.ops, versions):
        found = refusal(graph, op, version, compiler_version)
        if found:
            reason, remedy = found
            raise UnsupportedModelError(
                f"edgetpu_compiler {compiler_version} cannot read op {op.index}: {reason}.", remedy
            )


def _builtin_number(opcode: str) -> int:
    from tflite import BuiltinOperator

    operators = getattr(BuiltinOperator, "BuiltinOperator", BuiltinOperator)
    return int(getattr(operators, opcode, 0))
