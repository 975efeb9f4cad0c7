"""How many small faults the tests notice: a seeded sample of mutants of the core, by package.

    python benchmarks/mutation.py [--seed 7] [--count 76] [--package tflite] [--package edgekit/image.py] [--map FILE]

Cosmic Ray's operators make the mutants: a comparison, a sign, `and`/`or`, a number or a boolean is changed, one at a
time. Modules take turns, so that a long table of numbers does not fill the sample; the same seed on the same code
gives the same sample.

First all tests run once on a copy of the project, without those marked `slow`, and note which functions they call
(`benchmarks/reach.py`): minutes, or nothing where `--map` names a file of an earlier run. Tests that fail without any
mutant take no further part. Then each mutant is written into the copy, and the tests that call its function run: those
of the file named after its module, then those of its package, then all others, each time the fastest first, up to
`--seconds` of the time that they took. A mutant outside of functions, a table's row, meets the tests that reach its
module or one that imports it. It is killed where a test fails, or where the tests take four times as long as without it
and a minute more. The copy is removed at the end. Survivors are printed as `file:line  old → new`.

What is not mutated, because no test should notice it (`_decides_nothing`): annotations; the text of a message, which is
an f-string with a space in it; assertions, `strict=` of zip among them; decorators; `__all__`; `repr=` of a field; the
line that asks for `__main__`; and numbers that decide about time and memory alone: what a name stands for that ends in
`_s`, `_S` or `timeout` (time-outs), `threads`, `BATCH` or `maxsize`.
"""

import argparse
import ast
import compileall
import contextlib
import importlib
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from py_compile import PycInvalidationMode

import pytest
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

PROJECT = Path(__file__).resolve().parents[1]
FORK = multiprocessing.get_context("fork")
#: Loaded once, for all runs of the tests.
LIBRARIES = (
    "numpy PIL.Image flatbuffers tflite.Model ai_edge_litert.interpreter hypothesis rich.console click h5py scipy"
)


@dataclass(frozen=True)
class Package:
    """A part of the core: patterns of its files, and where its own tests are."""

    modules: tuple[str, ...]
    tests: str


CORE = {
    "tflite": Package(("edgekit/tflite/**/*.py",), "tests/tflite"),
    "preprocess": Package(("edgekit/preprocess.py", "edgekit/image.py", "edgekit/labels/**/*.py"), "tests/test_"),
    "edgetpu": Package(("edgekit/edgetpu/**/*.py",), "tests/edgetpu"),
    "calibration": Package(("edgekit/calibration/**/*.py",), "tests/calibration"),
    "devices": Package(("edgekit/devices/**/*.py",), "tests/devices"),
    "evaluation": Package(("edgekit/evaluation/**/*.py",), "tests/evaluation"),
    "quantization": Package(("edgekit/converters/quantization/**/*.py",), "tests/converters/quantization"),
    "export": Package(
        ("edgekit/converters/export/fold.py", "edgekit/converters/export/find_preprocessing.py"),
        "tests/converters/export",
    ),
}

OPERATORS = tuple(
    f"core/{name}"
    for name in (
        *(f"ReplaceComparisonOperator_{pair}" for pair in ("Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt", "Eq_NotEq")),
        *(f"ReplaceComparisonOperator_{pair}" for pair in ("NotEq_Eq", "Is_IsNot", "IsNot_Is", "Lt_Gt", "Gt_Lt")),
        *(f"ReplaceBinaryOperator_{pair}" for pair in ("Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "FloorDiv_Mul")),
        *("ReplaceUnaryOperator_Delete_USub", "ReplaceUnaryOperator_Delete_Not", "ReplaceAndWithOr"),
        *("ReplaceOrWithAnd", "ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "NumberReplacer"),
    )
)


@dataclass(frozen=True)
class Mutant:
    """One small fault: the `occurrence`-th place in `module` that `operator` changes."""

    package: str
    module: str
    operator: str
    occurrence: int
    line: int


def mutants_of(package: str, module: str) -> list[Mutant]:
    """All mutants of a module, in the order of the operators."""
    nodes = list(ast_nodes(get_ast((PROJECT / module).read_text("utf-8"))))
    found = []
    for name in OPERATORS:
        operator = get_operator(name)()
        places = [(node, start[0]) for node in nodes for start, _ in operator.mutation_positions(node)]
        found += [
            Mutant(package, module, name, occurrence, line)
            for occurrence, (node, line) in enumerate(places)
            if not _decides_nothing(node)
        ]
    return found


_SPEED_ALONE = re.compile(r"(_s|_S|timeout|threads|BATCH|maxsize)$")


def _decides_nothing(node) -> bool:
    """Whether no test should notice a change here; the module's docstring lists what."""
    inner, number = node, node.type == "number"
    while node.parent is not None:
        parent = node.parent
        if parent.type in ("parameters", "lambdef") and node.type == "operator":
            return True
        if node.type in ("decorator", "assert_stmt") or (node.type == "fstring" and " " in node.get_code(False)):
            return True
        if node.type == "comparison" and node.children[0].get_code(False) == "__name__":
            return True
        if parent.type in ("tfpdef", "annassign") and node is parent.children[1 + (parent.type == "tfpdef")]:
            return True
        if parent.type == "funcdef" and parent.annotation is node:
            return True
        if _name_given(node) in ("strict", "repr", "__all__"):
            return True
        node = parent
    while inner.parent is not None and inner.parent.type in ("atom", "testlist_comp", "testlist_star_expr"):
        inner = inner.parent
    return number and bool(_SPEED_ALONE.search(_name_given(inner)))


def _name_given(node) -> str:
    """The name of a variable, field, parameter or argument whose whole value this is."""
    parent = node.parent
    if parent.type == "annassign":
        parent = parent.parent
    if parent.type not in ("expr_stmt", "argument", "param") or node is parent.children[0]:
        return ""
    return parent.children[0].get_code(False).partition(":")[0].strip()


def sample(wanted: list[str], seed: int, count: int) -> list[Mutant]:
    """`count` mutants of the packages or modules that are wanted, modules taking turns."""
    chance = random.Random(seed)
    waiting = []
    for package, part in CORE.items():
        modules = sorted({path.relative_to(PROJECT).as_posix() for p in part.modules for path in PROJECT.glob(p)})
        for module in modules:
            mutants = mutants_of(package, module)
            chance.shuffle(mutants)
            if mutants and (not wanted or {package, module} & set(wanted)):
                waiting.append(mutants)
    chance.shuffle(waiting)
    turns = max(map(len, waiting), default=0)
    return [mutants[turn] for turn in range(turns) for mutants in waiting if turn < len(mutants)][:count]


def copy_project(target: Path) -> None:
    """The project without what is hidden; its bytecode is checked by content, since mutants come within a second."""
    shutil.copytree(PROJECT, target, ignore=shutil.ignore_patterns(".*", "__pycache__", "*.egg-info"))
    if (PROJECT.parent / "shared").exists():  # what tests marked `shared` look for
        (target.parent / "shared").symlink_to(PROJECT.parent / "shared")
    compileall.compile_dir(target / "edgekit", quiet=2, invalidation_mode=PycInvalidationMode.CHECKED_HASH)


def run_tests(copy: Path, arguments: list[str], limit_s: float, **variables: str) -> bool:
    """Whether the tests pass within the time limit, in a child process; what they started ends with them."""
    process = FORK.Process(target=_pytest, args=(copy, arguments, variables))
    process.start()
    process.join(limit_s)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.join()
    return process.exitcode == 0


def _pytest(copy: Path, arguments: list[str], variables: dict[str, str]) -> None:
    """Runs pytest in a process that has the libraries loaded, but nothing of the project."""
    os.setsid()
    os.chdir(copy)
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(silence, stream)
    os.environ.update(PYTHONPATH=str(copy), PYTHONDONTWRITEBYTECODE="1", **variables)
    sys.path[0] = str(copy)
    sys.dont_write_bytecode = True
    options = ["-q", "-p", "no:cacheprovider", "-p", "benchmarks.reach", "--hypothesis-seed=0", "-m", "not slow"]
    os._exit(pytest.main([*options, "-W", "ignore:Module already imported", *arguments]))


class Reach:
    """Which tests reach a line, from the record of one run of all of them."""

    def __init__(self, copy: Path, record: dict) -> None:
        self._copy, self._record = copy, record
        self._tests = {name: test for name, test in record.items() if test["passed"] and test["fixtures"] is not None}
        self._by_function, self._by_module = defaultdict(set), defaultdict(set)
        for name, test in self._tests.items():
            for part in (test, *map(record.__getitem__, self._fixtures(name))):
                for function in part["functions"]:
                    self._by_function[function].add(name)
                    self._by_module[function.partition(":")[0]].add(name)

    def _fixtures(self, test: str) -> list[str]:
        return [name for name in self._tests[test]["fixtures"] if name in self._record]

    def of(self, mutant: Mutant) -> set[str]:
        """The tests that call the mutant's function; where none does, or it has none, those of its module."""
        function = function_at(self._copy / mutant.module, mutant.line)
        found = self._by_function[f"{mutant.module}:{function}"]
        return found or set().union(
            *(self._by_module[name] for name in (mutant.module, *self._importers(mutant.module)))
        )

    def _importers(self, module: str) -> list[str]:
        dotted = re.escape(module[: -len(".py")].replace("/", "."))
        package, _, name = dotted.rpartition("\\.")
        pattern = re.compile(rf"^(from|import) {dotted}\b|^from {package} import .*\b{name}\b", re.MULTILINE)
        files = [path for path in (self._copy / "edgekit").rglob("*.py") if pattern.search(path.read_text("utf-8"))]
        return [path.relative_to(self._copy).as_posix() for path in files]

    def stages(self, mutant: Mutant, seconds: float) -> list[tuple[list[str], float]]:
        """Tests to run, nearest first, the fastest first in each stage; and the seconds that a stage took."""
        own = {name for name in self._tests if name.startswith(CORE[mutant.package].tests)}
        near = {name for name in own if Path(file_of(name)).stem == f"test_{Path(mutant.module).stem}"}
        far = self.of(mutant) - near
        return self._within([near, far & own, far - own], seconds)

    def _within(self, stages: list[set[str]], seconds: float) -> list[tuple[list[str], float]]:
        chosen, spent, paid = [], 0.0, set()
        for stage in stages:
            tests, before = [], spent
            for test in sorted(stage, key=lambda name: (self._seconds(name, set()), name)):
                cost = self._seconds(test, paid)
                if spent + cost <= seconds:
                    tests.append(test)
                    spent += cost
                    paid |= {name for name in self._fixtures(test) if self._record[name]["shared"]}
            chosen.append((tests, spent - before))
        return [(tests, cost) for tests, cost in chosen if tests]

    def _seconds(self, test: str, paid: set[str]) -> float:
        fixtures = sum(self._record[name]["seconds"] for name in self._fixtures(test) if name not in paid)
        return self._tests[test]["seconds"] + fixtures


def file_of(test: str) -> str:
    """The file of a test's id."""
    return test.partition("::")[0]


def function_at(path: Path, line: int) -> str:
    """The qualified name of the outermost function that holds a line, or nothing."""

    def search(body: list[ast.stmt], prefix: str) -> str:
        for node in body:
            start = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))])
            if start <= line <= node.end_lineno:
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    return prefix + node.name
                if isinstance(node, ast.ClassDef):
                    return search(node.body, f"{prefix}{node.name}.")
        return ""

    return search(ast.parse(path.read_text("utf-8")).body, "")


def survives(copy: Path, reach: Reach, mutant: Mutant, code: str, seconds: float) -> bool:
    """Whether no test notices the mutant."""
    path, chosen = copy / mutant.module, copy.parent / "chosen.txt"
    original = path.read_bytes()
    try:
        path.write_text(code, "utf-8")
        for tests, cost in reach.stages(mutant, seconds):
            chosen.write_text("\n".join(tests), "utf-8")
            files = sorted({file_of(test) for test in tests})
            if not run_tests(copy, ["-x", *files], 60.0 + 4.0 * cost, REACH_CHOSEN=str(chosen)):
                return False
        return True
    finally:
        path.write_bytes(original)


def recorded(copy: Path, kept: Path | None) -> dict:
    """What each test reaches: from the file, or from a run, which writes the file."""
    path = (kept or copy.parent / "map.json").absolute()
    if not path.exists():
        run_tests(copy, ["tests"], 7200.0, REACH_RECORD=str(path))
    record = json.loads(path.read_text("utf-8"))
    failed = [name for name, test in record.items() if not test["passed"] and test["fixtures"] is not None]
    print(
        f"{len(record)} tests and fixtures; left out, since they fail or are skipped without any mutant: {len(failed)}"
    )
    return record


def changed_line(before: str, after: str) -> str:
    """`old → new` of the one line in which two texts differ."""
    pairs = zip(before.splitlines(), after.splitlines())
    return " → ".join(next(((old.strip(), new.strip()) for old, new in pairs if old != new), ("?", "?")))


def print_table(tried: dict[str, list[bool]]) -> None:
    """One row a package: mutants, killed, survived."""
    rows = [*tried.items(), ("all", [survived for rows in tried.values() for survived in rows])]
    print(f"\n{'package':24} mutants  killed  survived")
    for package, survived in rows:
        killed = len(survived) - sum(survived)
        print(f"{package:24} {len(survived):7} {killed:7} {sum(survived):9}  {killed / max(len(survived), 1):.0%}")


def main() -> None:
    """Tries a sample, prints survivors as they are found and the table at the end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--count", type=int, default=76)
    parser.add_argument("--package", action="append", default=[], help=f"{', '.join(CORE)}, or a module's path")
    parser.add_argument("--seconds", type=float, default=60.0, help="of tests, for each mutant")
    parser.add_argument("--map", type=Path, help="which tests reach what; written where it is missing")
    arguments = parser.parse_args()
    tried: dict[str, list[bool]] = {}
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "project"
        for library in LIBRARIES.split():
            importlib.import_module(library)
        mutants = sample(arguments.package, arguments.seed, arguments.count)
        copy_project(copy)
        reach = Reach(copy, recorded(copy, arguments.map))
        for number, mutant in enumerate(mutants, 1):
            print(f"\r{number} of {len(mutants)} ", end="", file=sys.stderr, flush=True)
            before = (copy / mutant.module).read_text("utf-8")
            after = mutate_code(before, get_operator(mutant.operator)(), mutant.occurrence)
            if number == 1 and not survives(copy, reach, mutant, before, arguments.seconds):
                raise SystemExit(f"{mutant.module}: its tests fail without any mutant.")
            survived = survives(copy, reach, mutant, after, arguments.seconds)
            tried.setdefault(mutant.package, []).append(survived)
            if survived:
                print(f"{mutant.module}:{mutant.line}  {changed_line(before, after)}", flush=True)
    print_table(tried)


if __name__ == "__main__":
    main()
