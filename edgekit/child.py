"""One foreign program: started, bounded in time, nothing left behind."""

import contextlib
import os
import signal
import subprocess
from typing import IO, Dict, Optional, Sequence


def run_child(command: Sequence[str], output: "IO[bytes]", limit: float, folder: Optional[str] = None) -> Optional[int]:
    """Runs a command in a process group of its own, which is ended afterwards in any case.

    Args:
      command: the program and its words.
      output: a file that takes all that it prints. No pipe: a child that outlives its parent would hold it open.
      limit: seconds.
      folder: where it runs; None for here.

    Returns:
      Its exit code, negative for a signal; None where the limit ended it.

    Raises:
      OSError: it could not be started.
    """
    group: Dict[str, bool] = {"start_new_session": True} if os.name == "posix" else {}
    process = subprocess.Popen(  # type: ignore[call-overload]
        list(command), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=folder, **group
    )
    try:
        code: int = process.wait(timeout=limit)
        return code
    except subprocess.TimeoutExpired:
        return None
    finally:
        _end_group(process)


def _end_group(process: "subprocess.Popen[bytes]") -> None:
    """Kills what is left of the process and its children: there is nothing that they could still save."""
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()
