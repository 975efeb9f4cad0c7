"""How many small faults the tests notice: a seeded sample of mutants of the core, by package.

    python benchmarks/mutation.py [--seed 7] [--count 76] [--package tflite] [--package edgekit/image.py] [--quick]

Cosmic Ray's operators make the mutants: a comparison, a sign, `and`/`or`, a number or a boolean is changed, one at a
time. Modules take turns, so that a long table of numbers does not fill the sample; the same seed on the same code
gives the same sample. Each mutant is written into a copy of the project, where the test file named after the module
runs, then the tests of its package, then those of what is built on it (`CORE`), without those marked `slow` or
`shared`. It is killed where a test fails, or where they take three times as long as without it and ten seconds more.
The copy is removed at the end. Survivors are printed as `file:line  old → new`.
"""

import argparse
import compileall
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from py_compile import PycInvalidationMode

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

PROJECT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Package:
    """A part of the core.

    Attributes:
      modules: patterns of its files.
      tests: its own tests.
      users: tests of what is built on it, which run where its own notice nothing.
    """

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    users: tuple[str, ...]


CORE = {
    "tflite": Package(
        ("edgekit/tflite/**/*.py",),
        ("tests/tflite",),
        ("tests/edgetpu/placement", "tests/devices", "tests/evaluation"),
    ),
    "preprocess": Package(
        ("edgekit/preprocess.py", "edgekit/image.py", "edgekit/labels/**/*.py"),
        ("tests/test_preprocess.py", "tests/test_image.py", "tests/test_labels.py"),
        ("tests/calibration", "tests/devices/test_classifier.py"),
    ),
    "edgetpu": Package(("edgekit/edgetpu/**/*.py",), ("tests/edgetpu",), ("tests/devices", "tests/reports")),
    "calibration": Package(
        ("edgekit/calibration/**/*.py",), ("tests/calibration",), ("tests/evaluation", "tests/converters/quantization")
    ),
    "devices": Package(("edgekit/devices/**/*.py",), ("tests/devices",), ("tests/serve", "tests/evaluation")),
    "evaluation": Package(
        ("edgekit/evaluation/**/*.py",),
        ("tests/evaluation",),
        ("tests/reports", "tests/converters/quantization/search"),
    ),
    "quantization": Package(
        ("edgekit/converters/quantization/**/*.py",),
        ("tests/converters/quantization",),
        ("tests/converters/test_pipeline.py",),
    ),
    "export": Package(
        ("edgekit/converters/export/fold.py", "edgekit/converters/export/find_preprocessing.py"),
        ("tests/converters/export",),
        ("tests/converters/test_pipeline.py",),
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


def _decides_nothing(node) -> bool:
    """Whether it separates parameters (`*`), or stands in a decorator or in zip's `strict=`, which is an assertion."""
    if node.parent is not None and node.parent.type in ("parameters", "lambdef"):
        return True
    while node is not None and node.type != "decorator":
        if node.type == "argument" and node.children[0].get_code().strip() == "strict":
            return True
        node = node.parent
    return node is not None


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
    compileall.compile_dir(target / "edgekit", quiet=2, invalidation_mode=PycInvalidationMode.CHECKED_HASH)


def nearest_tests(copy: Path, mutant: Mutant) -> tuple[str, ...]:
    """The package's test files that are named after the mutant's module."""
    places = (copy / test for test in CORE[mutant.package].tests)
    files = (file for place in places for file in ([place] if place.is_file() else place.rglob("test_*.py")))
    return tuple(
        sorted(str(file.relative_to(copy)) for file in files if file.stem == f"test_{Path(mutant.module).stem}")
    )


def run_tests(copy: Path, tests: tuple[str, ...], limit_s: float) -> bool:
    """Whether the tests pass within the time limit; what they started ends with them."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
    process = subprocess.Popen(
        [*command, "-m", "not slow and not shared", *tests],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return process.wait(limit_s) == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class Laboratory:
    """A copy of the project in which mutants are tried, and how long each package's tests take without one."""

    def __init__(self, copy: Path, *, quick: bool) -> None:
        self._copy, self._quick = copy, quick
        self._limits_s: dict[tuple[str, ...], float] = {}

    def survives(self, mutant: Mutant, code: str) -> bool:
        """Whether no test notices the mutant."""
        package, nearest = CORE[mutant.package], nearest_tests(self._copy, mutant)
        limit, users = self._limit_s(package.tests), () if self._quick else package.users
        stages = ((nearest, limit), (package.tests, limit), (users, self._limit_s(users) if users else 0.0))
        path = self._copy / mutant.module
        original = path.read_bytes()
        try:
            path.write_text(code, "utf-8")
            return all(run_tests(self._copy, tests, seconds) for tests, seconds in stages if tests)
        finally:
            path.write_bytes(original)

    def _limit_s(self, tests: tuple[str, ...]) -> float:
        if tests not in self._limits_s:
            start = time.monotonic()
            if not run_tests(self._copy, tests, 600.0):
                raise SystemExit(f"{' '.join(tests)}: fails without any mutant.")
            self._limits_s[tests] = 10.0 + 3.0 * (time.monotonic() - start)
        return self._limits_s[tests]


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
    parser.add_argument("--quick", action="store_true", help="run the package's own tests only")
    arguments = parser.parse_args()
    tried: dict[str, list[bool]] = {}
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "project"
        mutants = sample(arguments.package, arguments.seed, arguments.count)
        copy_project(copy)
        laboratory = Laboratory(copy, quick=arguments.quick)
        for number, mutant in enumerate(mutants, 1):
            print(f"\r{number} of {len(mutants)} ", end="", file=sys.stderr, flush=True)
            before = (copy / mutant.module).read_text("utf-8")
            after = mutate_code(before, get_operator(mutant.operator)(), mutant.occurrence)
            survived = laboratory.survives(mutant, after)
            tried.setdefault(mutant.package, []).append(survived)
            if survived:
                print(f"{mutant.module}:{mutant.line}  {changed_line(before, after)}", flush=True)
    print_table(tried)


if __name__ == "__main__":
    main()
