"""Places to run a model: as records what each takes, and by judges what becomes of a model there.

target: the records. judges: which accelerator is judged by what. ethos_u, coral_npu: judges that run a foreign
compiler; tool: how these are run. delegates, gpu, coreml, phones: what delegates of phones take, by rules of their own.
"""

from edgekit.targets.target import PRECISIONS, TARGETS, Target

__all__ = ["PRECISIONS", "TARGETS", "Target"]
