"""How often ops that are called certain are right, on repositories that the table of precedents does not know.

    python -m benchmarks.precedents FOLDER [FOLDER …]

Each repository in turn is set aside: the table is made of all others (scripts/precedents.py), and every op of its
models is predicted with it. The rules were written with some of these open: what this measures is the table.
"""

import argparse
from collections import defaultdict
from pathlib import Path
from typing import Dict, List, NamedTuple, Sequence

from edgekit.edgetpu import CompilerOptions, map_ops
from edgekit.edgetpu.placement.case import Case
from edgekit.edgetpu.placement.placement import EDGETPU
from edgekit.edgetpu.placement.precedents import Precedents, unlike_any
from scripts.precedents import Model, precedents_of, read_models


class Row(NamedTuple):
    """One repository set aside: its models, those exactly right, its ops by certainty, and how many were right."""

    repository: str
    models: int
    exact: int
    certain: int
    certain_right: int
    doubtful: int
    doubtful_right: int


def calibrate(folders: Sequence[Path]) -> List[Row]:
    """A row for each repository."""
    repositories: Dict[str, List[Model]] = defaultdict(list)
    for folder in folders:
        for model in read_models(folder):
            repositories[model.repository].append(model)
    rows = []
    for repository, models in sorted(repositories.items()):
        others = [model for name, found in repositories.items() if name != repository for model in found]
        rows.append(judge(repository, models, precedents_of(others, noted=False)))
    return rows


def judge(repository: str, models: Sequence[Model], known: Precedents) -> Row:
    """Predicts models with a table of precedents."""
    counts = {True: [0, 0], False: [0, 0]}
    exact = 0
    for model in models:
        options = CompilerOptions(all_subgraphs=model.all_subgraphs)
        wrong = 0
        for placed, mapped in zip(map_ops(model.graph, options).ops, model.mapped):
            on_tpu = placed.device == EDGETPU
            unseen = unlike_any(Case(model.graph, placed.op, options), known) if on_tpu else ""
            unsure = any(not violation.certain for violation in placed.violations)
            count = counts[not unseen and not (on_tpu and unsure)]
            count[0] += 1
            count[1] += on_tpu == mapped
            wrong += on_tpu != mapped
        exact += not wrong
    return Row(repository, len(models), exact, *counts[True], *counts[False])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path, help="folders as scripts/precedents.py takes them")
    rows = calibrate(parser.parse_args().folders)
    total = Row("all", *(sum(column) for column in zip(*(row[1:] for row in rows))))
    print("| set aside | models | exact | ops certain | right | ops without precedent | right |")
    print("|---|---|---|---|---|---|---|")
    for row in (*rows, total):
        share = f" ({row.certain_right / row.certain:.1%})" if row.certain else ""
        print(
            f"| {row.repository} | {row.models} | {row.exact} | {row.certain} | {row.certain_right}{share} | "
            f"{row.doubtful} | {row.doubtful_right} |"
        )


if __name__ == "__main__":
    main()
