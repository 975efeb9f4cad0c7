"""How often the predicted placement is the real compiler's: models exactly right, ops right, log tables equal.

    python benchmarks/placement.py ../shared/data/edgetpu [--part work|aside]

The models are parted by repository: the rules were written with the «work» part open; the «aside» part was measured
only when they were done. No flags are recorded for the models: those with several Edge TPU subgraphs are predicted
with the intermediate tensors that their log names, else with `-a`; all others with the compiler's defaults.
"""

import argparse
import csv
import hashlib
import json
import zipfile
from collections import Counter
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional

from edgekit.edgetpu import CompilerOptions, Placement, map_ops
from edgekit.edgetpu.compiler.log import CompilerLog, ModelLog, parse_log
from edgekit.edgetpu.placement.placement import EDGETPU
from edgekit.tflite.graph import Graph
from edgekit.tflite.reader import read_graph

DEFAULT_VERSION = "16.0"


class Model(NamedTuple):
    """A source model with the real placement of each op, and the log of its compilation where there is one."""

    facts: dict
    graph: Graph
    mapped: List[bool]
    log: Optional[CompilerLog]


def is_work(repository: str) -> bool:
    """Whether a repository belongs to the part that was open while the rules were written (about 60 %)."""
    return int(hashlib.sha256(repository.encode()).hexdigest(), 16) % 10 < 6


def read_models(folder: Path, part: str) -> List[Model]:
    every = json.loads((folder / "graphs.json").read_text())
    chosen = [facts for facts in every if is_work(facts["repo"]) == (part == "work")]
    with (folder / "ops.csv").open(newline="") as file:
        rows: Dict[str, List[bool]] = {}
        for row in csv.DictReader(file):
            rows.setdefault(row["model"], []).append(row["mapped"] == "1")
    logs = json.loads((folder / "logs.json").read_text())
    with zipfile.ZipFile(folder / "graphs.zip") as archive:
        graphs = {facts["name"]: read_graph(archive.read(facts["name"] + ".tflite")) for facts in chosen}
    return [Model(f, graphs[f["name"]], rows[f["name"]], find_log(folder, f, graphs, logs)) for f in chosen]


def find_log(folder: Path, facts: dict, graphs: Dict[str, Graph], logs: List[dict]) -> Optional[CompilerLog]:
    """The model's log: of the same repository and name, else the only one with the same number of each op."""
    stem = Path(facts["edgetpu_path"]).stem
    same = [entry for entry in logs if entry["repo"] == facts["repo"]]
    named = [entry for entry in same if Path(entry["path"]).stem == stem]
    for entry in named or same:
        log = parse_log((folder / "logs" / entry["file"]).read_text(errors="replace"))
        counts = Counter()
        for row in table_of(log).elements():
            counts[row[0]] += 1
        if counts == Counter(op.opcode for op in graphs[facts["name"]].ops):
            return log
    return None


def table_of(log: CompilerLog) -> Counter:
    """(op, status) → count of the last model in a log that has a table."""
    tables = [model for model in log.models if model.rows] or [ModelLog()]
    return Counter({(row.opcode, row.status): row.count for row in tables[-1].rows})


def flags(model: Model) -> CompilerOptions:
    """The compiler's flags, as far as the log or the result tells."""
    version = (model.log.version if model.log else None) or model.facts["compiler_version"] or DEFAULT_VERSION
    if model.facts["n_custom_ops"] <= 1:
        return CompilerOptions(compiler_version=version)
    tensors = intermediate_tensors(model.log)
    return CompilerOptions(all_subgraphs=not tensors, intermediate_tensors=tensors, compiler_version=version)


def intermediate_tensors(log: Optional[CompilerLog]) -> tuple:
    mark = "Intermediate tensors:"
    lines = [note for note in (log.notes if log else ()) if note.strip().startswith(mark)]
    return tuple(lines[-1].strip()[len(mark) :].strip().split(",")) if lines else ()


def right_ops(model: Model, placement: Placement) -> int:
    return sum((placed.device == EDGETPU) == mapped for placed, mapped in zip(placement.ops, model.mapped))


def measure(title: str, models: List[Model], verbose: bool) -> None:
    exact = right = total = 0
    for model in models:
        placement = map_ops(model.graph, flags(model))
        ops = right_ops(model, placement)
        exact, right, total = exact + (ops == len(model.mapped)), right + ops, total + len(model.mapped)
        if verbose and ops != len(model.mapped):
            print(f"    {model.facts['name']}: {len(model.mapped) - ops} of {len(model.mapped)} ops wrong")
    print(f"  {title}: {exact} of {len(models)} models exact{share(exact, len(models))}, "
          f"{right} of {total} ops{share(right, total)}")  # fmt: skip


def measure_logs(models: List[Model], verbose: bool) -> None:
    logged = [model for model in models if model.log]
    equal = 0
    for model in logged:
        predicted, real = Counter(map_ops(model.graph, flags(model)).table()), table_of(model.log)
        equal += predicted == real
        if verbose and predicted != real:
            print(f"    {model.facts['name']}: predicted {dict(predicted - real)}, logged {dict(real - predicted)}")
    print(f"  log tables: {equal} of {len(logged)} equal{share(equal, len(logged))}")


def share(part: int, whole: int) -> str:
    return f" ({part / whole:.1%})" if whole else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder with graphs.zip, graphs.json, ops.csv, logs, logs.json")
    parser.add_argument("--part", choices=["work", "aside"], help="one part only")
    parser.add_argument("--verbose", action="store_true", help="name every model that is not exactly right")
    arguments = parser.parse_args()
    for part in [arguments.part] if arguments.part else ["work", "aside"]:
        models = read_models(arguments.folder, part)
        print(f"{part}: {len({model.facts['repo'] for model in models})} repositories")
        measure("default flags", [m for m in models if m.facts["n_custom_ops"] <= 1], arguments.verbose)
        measure("several subgraphs", [m for m in models if m.facts["n_custom_ops"] > 1], arguments.verbose)
        measure_logs(models, arguments.verbose)


if __name__ == "__main__":
    main()
