"""What a model's ops become on a target: one placement for all of them, by rules or by the target's own compiler."""

from typing import Callable, Mapping, NamedTuple, Optional

from edgekit.edgetpu.placement.mapping import map_ops
from edgekit.edgetpu.placement.placement import EDGETPU, CompilerOptions, Placement
from edgekit.errors import UsageError
from edgekit.targets.coral_npu import judge_coral_npu
from edgekit.targets.ethos_u import judge_ethos_u
from edgekit.targets.phones import judge_android, judge_ios
from edgekit.tflite.graph import Graph


class Place(NamedTuple):
    """An accelerator, and how a model is compiled for it.

    Attributes:
      target: a key of JUDGES.
      options: flags of the Edge TPU's compiler.
      configuration: which Ethos-U (`ethos_u.CONFIGURATIONS`); None for the usual one.
    """

    target: str = EDGETPU
    options: CompilerOptions = CompilerOptions()
    configuration: Optional[str] = None


#: Target → its judge. The CPU runs every op.
JUDGES: Mapping[str, Callable[[Graph, Place], Placement]] = {
    EDGETPU: lambda graph, place: map_ops(graph, place.options),
    "ethos-u": lambda graph, place: judge_ethos_u(graph, place.configuration),
    "coral-npu": lambda graph, place: judge_coral_npu(graph),
    "android": lambda graph, place: judge_android(graph),
    "ios": lambda graph, place: judge_ios(graph),
}


def judge(graph: Graph, place: Place) -> Placement:
    """Where a model's ops run, by the word of the target's own compiler where that can be had.

    Raises:
      UsageError: there is no such accelerator.
      MissingDependencyError: the target's compiler is not installed.
      CompilerError: it hung, crashed, or left what cannot be read.
    """
    if place.target not in JUDGES:
        raise UsageError(f"There is no judge for {place.target!r}.", f"Choose one of: {', '.join(JUDGES)}.")
    return JUDGES[place.target](graph, place)
