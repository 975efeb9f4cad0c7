"""Fuzzes edgekit with damaged files and requests: python -m tests.fuzz.run [--count 5000] [--seed 1] [--kinds model,…]

Every case is made from the seed and its number, and is run through the command line, the library or a real server in a
worker process. Reported are crashes (the process ended), tracebacks and unexpected errors, hangs, and memory; the
files of such cases are kept in --keep. Exit code 1 where there were any.
"""

import argparse
import json
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from typing import Dict, Iterator, List, Optional

from tests.fuzz.worker import SHARES

#: Seconds for one case: twice what a first run of a model may take, so that its own bound is the one that is met.
PATIENCE_S = 120.0

_LIMIT = "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_AS, (12 << 30,) * 2); "
_LIMIT += "sys.argv = sys.argv[1:]; runpy.run_module('tests.fuzz.worker', run_name='__main__', alter_sys=True)"


def fuzz(seed: int, numbers: List[int], kinds: List[str], keep: Optional[Path] = None) -> Iterator[Dict[str, object]]:
    """The result of each case, as `worker.Worker.run` gives it; a worker that ends or hangs is started anew."""
    left = list(numbers)
    while left:
        with tempfile.TemporaryDirectory() as folder:
            for result in _one_worker(seed, left, kinds, Path(folder)):
                left.remove(int(str(result["number"])))
                if result["problem"] and keep is not None:
                    _keep(keep / f"{seed}-{result['number']}", Path(folder), result)
                yield result


def _one_worker(seed: int, numbers: List[int], kinds: List[str], folder: Path) -> Iterator[Dict[str, object]]:
    """Results until the numbers or the worker end; the last one tells how it ended."""
    command = [sys.executable, "-c", _LIMIT, "worker", str(seed), str(folder), ",".join(kinds)]
    with open(folder / "stderr.txt", "w") as stderr, subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True
    ) as process:
        lines = _lines(process)
        try:
            for number in numbers:
                result = _result(process, lines, number)
                if result["kind"] == "?":
                    result["problem"] = (
                        f"{result['problem']}\n{(folder / 'stderr.txt').read_text(errors='replace')[-1500:]}"
                    )
                yield result
                if result["kind"] == "?":
                    return
        finally:
            process.kill()


def _result(process: "subprocess.Popen[str]", lines: "queue.Queue[Optional[str]]", number: int) -> Dict[str, object]:
    """What the worker says of a case, or of kind "?" what became of the worker."""
    assert process.stdin is not None
    problem = ""
    try:
        process.stdin.write(f"{number}\n")
        process.stdin.flush()
        for line in iter(lambda: lines.get(timeout=PATIENCE_S), None):
            said: Dict[str, object] = json.loads(line)
            if said.get("number") == number:
                return said
        problem = f"CRASH: the process ended with {process.wait()}"
    except queue.Empty:
        problem = f"HANG: no answer within {PATIENCE_S:g} seconds"
    except BrokenPipeError:
        problem = f"CRASH: the process ended with {process.wait()}"
    return {"number": number, "kind": "?", "what": "?", "ended": "?", "seconds": 0.0, "problem": problem}


def _lines(process: "subprocess.Popen[str]") -> "queue.Queue[Optional[str]]":
    lines: queue.Queue[Optional[str]] = queue.Queue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("{"):
                lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    return lines


def _keep(target: Path, folder: Path, result: Dict[str, object]) -> None:
    shutil.rmtree(target, ignore_errors=True)
    case = folder / "case"
    shutil.copytree(case, target) if case.is_dir() else target.mkdir(parents=True)
    (target / "problem.txt").write_text(json.dumps(result, indent=1).replace("\\n", "\n"))


def main() -> None:
    """Parses the command line, runs, and prints problems as they come and a table at the end."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", default=",".join(SHARES))
    parser.add_argument("--keep", type=Path)
    arguments = parser.parse_args()
    numbers = list(range(arguments.first, arguments.first + arguments.count))
    ends: Counter[str] = Counter()
    problems, slowest = 0, 0.0
    for result in fuzz(arguments.seed, numbers, arguments.kinds.split(","), arguments.keep):
        ends[f"{result['kind']:<9} {result['what']:<9} {result['ended']}"] += 1
        slowest = max(slowest, float(str(result["seconds"])))
        if result["problem"]:
            problems += 1
            print(
                f"--- case {result['number']} of seed {arguments.seed} ({result['kind']})\n{result['problem']}",
                flush=True,
            )
    for end, count in sorted(ends.items()):
        print(f"{count:6} {end}")
    print(f"{len(numbers)} cases, {problems} problems, the slowest took {slowest:.1f} s")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
