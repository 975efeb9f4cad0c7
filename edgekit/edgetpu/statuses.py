"""The compiler's own texts about single operations, and what each of them means."""

from typing import Mapping

#: Of an operation that runs on the Edge TPU.
MAPPED = "Mapped to Edge TPU"

#: The compiler's own texts for operations that it leaves on the CPU.
BAD_RANK = "Tensor has unsupported rank (up to 3 innermost dimensions mapped)"
BAD_DTYPE = "Operation is working on an unsupported data type"
NOT_SUPPORTED = "Operation not supported"
BAD_VERSION = "Operation version not supported"
LIMITED = "Operation is otherwise supported, but not mapped due to some unspecified limitation"
OTHER_SUBGRAPH = "More than one subgraph is not supported"

#: Where several apply, the compiler names the first of these.
STATUS_ORDER = (BAD_RANK, BAD_DTYPE, NOT_SUPPORTED, BAD_VERSION, LIMITED)

#: Status in the table of operations → what it means and what to change.
MEANINGS: Mapping[str, str] = {
    MAPPED: "Runs on the Edge TPU.",
    OTHER_SUBGRAPH: (
        "Could run on the Edge TPU, but lies behind an op that cannot: everything after the first break stays on the "
        "CPU. Replace the op that breaks the graph, or allow several subgraphs with --all-subgraphs."
    ),
    LIMITED: (
        "The Edge TPU has this op, but not with these sizes or options; see docs/supported-ops.md for the limits."
    ),
    BAD_DTYPE: (
        "The operation works on a type other than int8 and uint8. For float32, quantize the whole model "
        "(`edgekit convert --int8`); int32, int64 and bool are computed in the program instead."
    ),
    NOT_SUPPORTED: "The Edge TPU has no such op: replace it by supported ones.",
    BAD_VERSION: (
        "The model asks for a newer version of the op than the compiler knows: let edgekit write the older one."
    ),
    BAD_RANK: ("A tensor has more than three sizes above 1: fix the batch at 1 and drop extra dimensions."),
    "For example, a fully-connected or softmax layer with 2D output": (
        "The rest of a longer message: the op's output must be one-dimensional, apart from a batch of 1."
    ),
}


def explain_status(status: str) -> str:
    """What a status means; an unknown one is explained by itself."""
    return MEANINGS.get(status, status)
