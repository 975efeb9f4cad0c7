"""What a real compiler did with a model, seen by comparing the two files; and as rows that tell nothing else of it."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import List, Tuple, Union

from edgekit.edgetpu.compiler.package import mapped_ops, read_compiled
from edgekit.edgetpu.parameters import Contents, check_contents
from edgekit.edgetpu.placement.case import Case
from edgekit.edgetpu.placement.general_rules import has_its_tensors
from edgekit.edgetpu.placement.mapping import map_ops
from edgekit.edgetpu.placement.placement import EDGETPU, CompilerOptions, OpPlacement, Placement
from edgekit.edgetpu.placement.traits import Trait, elements_of, trait_of
from edgekit.errors import ModelFormatError, OutputError
from edgekit.files import read_text, write_text
from edgekit.tflite.graph import Graph
from edgekit.tflite.reader import read_graph

#: The columns of a record: what an op is, how large, whether it was mapped, by which compiler for which runtime.
COLUMNS = (*Trait._fields, "elements", "mapped", "compiler", "runtime")


@dataclass(frozen=True)
class Observed:
    """A model beside its compiled file.

    Attributes:
      graph: the model.
      mapped: indices of its ops that the Edge TPU runs.
      placement: where edgekit predicts them to run.
      contents: whether the compiled file holds the model's layers.
      compiler: version of the compiler, or "" where it left none.
      runtime: lowest Edge TPU runtime that runs the compiled file.
    """

    graph: Graph
    mapped: Tuple[int, ...]
    placement: Placement
    contents: Contents
    compiler: str
    runtime: int

    @property
    def surprises(self) -> Tuple[OpPlacement, ...]:
        """The ops that are elsewhere than predicted."""
        return tuple(
            placed for placed in self.placement.ops if (placed.device == EDGETPU) != (placed.op.index in self.mapped)
        )


def observe(model: Union[str, Path], compiled: Union[str, Path], options: CompilerOptions) -> Observed:
    """Compares a model with the file that was compiled from it; `options` are the flags, for the prediction beside it.

    Raises:
      ModelFormatError: missing or damaged, or `compiled` was made from another model.
    """
    graph, real = read_graph(model), read_compiled(compiled)
    names = {tensor.name for tensor in graph.tensors}
    strange = [t.name for index in real.graph.inputs for t in [real.graph.tensors[index]] if t.name not in names]
    if strange:
        raise ModelFormatError(
            f"{compiled} was not compiled from {model}: its input {strange[0]!r} is not in it.",
            "Give the model that it was compiled from.",
        )
    mapped = tuple(op.index for op in mapped_ops(real, graph))
    packages = (package for op in real.edgetpu_ops for package in op.packages)
    return Observed(
        graph=graph,
        mapped=mapped,
        placement=map_ops(graph, options),
        contents=check_contents(real, graph),
        compiler=next((package.compiler_version for package in packages), ""),
        runtime=real.min_runtime,
    )


def record_rows(observed: Observed) -> List[Tuple[str, ...]]:
    """A row for each op: its trait, its size, whether it was mapped. No names, no numbers of the model."""
    rows = []
    for op in observed.graph.ops:
        case = Case(observed.graph, op, observed.placement.options)
        if not op.custom and has_its_tensors(case) is None:
            what = (*map(str, trait_of(case)), str(elements_of(case)), str(int(op.index in observed.mapped)))
            rows.append((*what, observed.compiler, str(observed.runtime)))
    return sorted(set(rows))


def write_record(path: Union[str, Path], observed: Observed) -> int:
    """Adds a model's rows to a CSV file, each different one once; how many the file then has.

    Raises OutputError where the file cannot be written or holds something else.
    """
    known = _known_rows(Path(path))
    rows = sorted({*known, *record_rows(observed)})
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerows([COLUMNS, *rows])
    write_text(path, stream.getvalue())
    return len(rows)


def _known_rows(path: Path) -> List[Tuple[str, ...]]:
    if not path.exists():
        return []
    rows = [tuple(row) for row in csv.reader(io.StringIO(read_text(path)))]
    if rows[:1] != [COLUMNS]:
        raise OutputError(f"{path} is there already and no record of ops.", "Give another file.")
    return rows[1:]
