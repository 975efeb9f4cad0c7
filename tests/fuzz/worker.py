"""One process of the fuzzer: python -m tests.fuzz.worker SEED FOLDER KINDS, the numbers of cases on standard input.

Makes each case from the seed and its number, opens it as the case says, and writes a JSON line before and after. What
ends the process is so known by the case that was begun.
"""

import json
import random
import re
import shutil
import sys
import time
import traceback
import warnings
from pathlib import Path
from typing import Callable, Dict, List, Optional

from click.testing import CliRunner

from edgekit.cli import main as edgekit
from tests.fuzz import cases
from tests.fuzz.later_cases import LATER_KINDS, LATER_SHARES
from tests.fuzz.requests import Server, request
from tests.fuzz.workshop import Workshop

KINDS = {**cases.KINDS, **LATER_KINDS}
SHARES = {**cases.SHARES, **LATER_SHARES}

_KEPT = re.compile(r"(\S+edgekit-error-\S+\.txt)")


class Worker:
    """Runs cases by number."""

    def __init__(self, seed: int, folder: Path, kinds: List[str]) -> None:
        self.seed, self.folder, self.kinds = seed, folder, kinds
        (folder / "sound").mkdir()
        self.shop = Workshop(folder / "sound")
        self.server: Optional[Server] = None

    def run(self, number: int) -> Dict[str, object]:
        """What came of a case: its kind, what was done, how it ended, and what is wrong with that ("" if nothing)."""
        chance = random.Random(f"{self.seed} {number}")
        kind = chance.choices(self.kinds, [SHARES[kind] for kind in self.kinds])[0]
        case = self.folder / "case"
        shutil.rmtree(case, ignore_errors=True)
        case.mkdir()
        if kind == "request":
            return {"kind": kind, "what": kind, **_called(lambda: self._request(chance))}
        action = KINDS[kind](chance, self.shop, case)
        if isinstance(action, list):
            return {"kind": kind, "what": " ".join(action[:1]), **_commanded(action)}
        return {"kind": kind, "what": "call", **_called(action)}

    def _request(self, chance: random.Random) -> None:
        if self.server is None:
            self.server = Server(self.shop)
        request(chance, self.shop, self.server)


def _called(action: Callable[[], object]) -> Dict[str, object]:
    try:
        action()
        return {"ended": "returned", "problem": ""}
    except Exception:
        return {"ended": "raised", "problem": traceback.format_exc()}


def _commanded(argv: List[str]) -> Dict[str, object]:
    done = CliRunner().invoke(edgekit, argv)
    problem = ""
    if done.exc_info and not isinstance(done.exception, (SystemExit, type(None))):
        problem = "".join(traceback.format_exception(*done.exc_info))
    elif done.exit_code not in (0, 1, 2, 3):
        kept = _KEPT.search(done.output.replace("\n", ""))
        problem = f"{argv}: exit code {done.exit_code}\n{done.output[-600:]}"
        problem += Path(kept[1]).read_text() if kept and Path(kept[1]).is_file() else ""
    elif "Traceback (most recent" in done.output or "\x1b" in done.output or len(done.output) > 200_000:
        problem = f"{argv}: a traceback, an escape or too much in the output\n{done.output[-2000:]}"
    return {"ended": done.exit_code, "problem": problem}


def main() -> None:
    """Runs the cases that standard input names, one a line, until it ends."""
    warnings.simplefilter("ignore")
    worker = Worker(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3].split(","))
    say = sys.__stdout__
    assert say is not None
    for line in sys.stdin:
        print(json.dumps({"begun": int(line)}), file=say, flush=True)
        start = time.monotonic()
        result = worker.run(int(line))
        print(json.dumps({"number": int(line), "seconds": time.monotonic() - start, **result}), file=say, flush=True)
    if worker.server is not None:
        worker.server.close()


if __name__ == "__main__":
    main()
