"""Writes edgekit/edgetpu/placement/precedents.csv from recorded pairs of source and compiled models.

    python scripts/precedents.py FOLDER [FOLDER …]

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


def main() -> None:
    """Writes the table."""
    models = [model for folder in sys.argv[1:] for model in read_models(Path(folder))]
    if not models:
        sys.exit(__doc__)
    rows = sorted((*trait, *seen) for trait, seen in precedents_of(models).items())
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    print(f"{len(rows)} rows of {len(models)} models")


if __name__ == "__main__":
    main()
