"""Writes edgekit/edgetpu/placement/precedents.csv from recorded pairs of source and compiled models.

    python scripts/precedents.py FOLDER|CSV [FOLDER|CSV …]

In place of a folder a CSV file may be given that `edgekit inspect MODEL --compiled FILE --record CSV` has written.

A folder holds ops.csv (model,index,opcode,…,mapped) and the models: graphs.json with graphs.zip, or models.json with
`.tflite` files. Nothing of a model but the facts of `Trait` and the largest size is written.
"""

import csv
import json
import sys
import zipfile
from collections import defaultdict
from pathlib import Path
from typing import Callable, Dict, Iterable, Iterator, List, NamedTuple, Set, Tuple

from edgekit.edgetpu.placement.case import Case
from edgekit.edgetpu.placement.placement import CompilerOptions
from edgekit.edgetpu.placement.precedents import COLUMNS, TABLE, Precedent
from edgekit.edgetpu.placement.traits import Trait, elements_of, trait_of
from edgekit.tflite.graph import Graph
from edgekit.tflite.reader import read_graph

#: Known from compiled models that are not among the recorded ones: the largest mapped, by notes and reports.
NOTED = {
    Trait("MEAN", "int8", 4, "vc", "over -3 -2"): 62_720,
    Trait("RESIZE_BILINEAR", "int8", 4, "vc", ""): 2_097_152,
    Trait("SOFTMAX", "int8", 2, "v", ""): 16_384,
}


class Model(NamedTuple):
    """A source model: where it is from, its graph, for each op whether it was mapped, and whether `-a` was given."""

    repository: str
    name: str
    graph: Graph
    mapped: List[bool]
    all_subgraphs: bool


def read_models(folder: Path) -> Iterator[Model]:
    """The models of a folder with their truth."""
    mapped: Dict[str, List[bool]] = defaultdict(list)
    with (folder / "ops.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            mapped[row["model"]].append(row["mapped"] == "1")
    listed, read = _contents(folder)
    for entry in listed:
        name, several = str(entry["name"]), int(str(entry["n_custom_ops"])) > 1  # flags are not always recorded
        graph = read_graph(read(f"{name}.tflite"))
        yield Model(str(entry["repo"]), name, graph, mapped[name], several or entry.get("flags") == "-a")


def _contents(folder: Path) -> Tuple[List[Dict[str, object]], Callable[[str], bytes]]:
    if (folder / "graphs.json").exists():
        archive = zipfile.ZipFile(folder / "graphs.zip")
        return json.loads((folder / "graphs.json").read_text()), archive.read
    return json.loads((folder / "models.json").read_text()), lambda name: (folder / name).read_bytes()


def precedents_of(models: Iterable[Model], noted: bool = True) -> Dict[Trait, Precedent]:
    """For each trait of an op that was mapped the most elements, and how many repositories have it."""
    largest: Dict[Trait, int] = dict(NOTED) if noted else {}
    repositories: Dict[Trait, Set[str]] = defaultdict(set)
    for model in models:
        for op, mapped in zip(model.graph.ops, model.mapped):
            if mapped:
                case = Case(model.graph, op, CompilerOptions())
                trait = trait_of(case)
                largest[trait] = max(largest.get(trait, 0), elements_of(case))
                repositories[trait].add(model.repository)
    return {trait: Precedent(size, max(1, len(repositories[trait]))) for trait, size in largest.items()}


def with_record(known: Dict[Trait, Precedent], path: Path) -> Dict[Trait, Precedent]:
    """The table with the mapped ops of a record added, which counts as one repository."""
    largest: Dict[Trait, int] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["mapped"] == "1":
                trait = Trait(row["opcode"], row["dtypes"], int(row["rank"]), row["inputs"], row["options"])
                largest[trait] = max(largest.get(trait, 0), int(row["elements"]))
    added = dict(known)
    for trait, size in largest.items():
        before = known.get(trait, Precedent(0, 0))
        added[trait] = Precedent(max(size, before.elements), before.repositories + 1)
    return added


def main() -> None:
    """Writes the table."""
    given = [Path(argument) for argument in sys.argv[1:]]
    if not given:
        sys.exit(__doc__)
    models = [model for path in given if path.is_dir() for model in read_models(path)]
    known = precedents_of(models)
    for path in given:
        if not path.is_dir():
            known = with_record(known, path)
    rows = sorted((*trait, *seen) for trait, seen in known.items())
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    print(f"{len(rows)} rows of {len(models)} models")


if __name__ == "__main__":
    main()
