"""Finding and running `edgetpu_compiler`: one process, one time limit, nothing left behind."""

import contextlib
import os
import platform
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple, Union

from edgekit.edgetpu.compiler_log import CompilerLog, merge_logs, parse_log
from edgekit.errors import CompilerError, UsageError

#: Name of the program, and of the environment variable that may hold its path.
PROGRAM = "edgetpu_compiler"
VARIABLE = "EDGEKIT_EDGETPU_COMPILER"

#: The compiler's own time limit for one compilation, in seconds.
DEFAULT_TIMEOUT_S = 180

# The compiler tells more than a kill does, so its own limit may pass first.
_GRACE_S = 15.0


@dataclass(frozen=True)
class CompilerOptions:
    """The compiler's flags that change its result.

    Attributes:
      all_subgraphs: `-a`: map every supported part instead of the first one only (compiler ≥ 14).
      search: `-d`: where compiling fails, leave off ops from the end until it succeeds.
      segments: `-n`: cut the model into this many files, for a pipeline of as many Edge TPUs.
      min_runtime: `-m`: oldest runtime that must be able to run the result; None leaves the default.
      intermediate: `-i`: names of the tensors at which the Edge TPU's part ends.
      timeout: time limit in seconds.
    """

    all_subgraphs: bool = False
    search: bool = False
    segments: int = 1
    min_runtime: Optional[int] = None
    intermediate: Tuple[str, ...] = ()
    timeout: int = DEFAULT_TIMEOUT_S

    def __post_init__(self) -> None:
        if self.segments < 1 or self.timeout < 1 or (self.min_runtime is not None and self.min_runtime < 1):
            raise UsageError("Segments, time limit and runtime version must be at least 1.")

    def arguments(self) -> List[str]:
        """The flags as the compiler takes them; the table of operations is always asked for."""
        flags = ["-s"]
        flags += ["-a"] if self.all_subgraphs else []
        flags += ["-d"] if self.search else []
        flags += ["-n", str(self.segments)] if self.segments > 1 else []
        flags += ["-m", str(self.min_runtime)] if self.min_runtime is not None else []
        flags += ["-i", ",".join(self.intermediate)] if self.intermediate else []
        # Old compilers have no time limit of their own and stop at a flag they do not know.
        return flags + (["-t", str(self.timeout)] if self.timeout != DEFAULT_TIMEOUT_S else [])


@dataclass(frozen=True)
class Run:
    """One run of the compiler.

    Attributes:
      output: all that it printed.
      log: the output and the log files, parsed.
      code: exit code, negative for a signal; None where the time limit ended it.
    """

    output: str
    log: CompilerLog
    code: Optional[int]


def find_compiler(compiler: Optional[Union[str, Path]] = None) -> Path:
    """The program: as given, as `EDGEKIT_EDGETPU_COMPILER` says, or as found on the PATH.

    Raises CompilerError where it is not there or cannot be executed.
    """
    given = str(compiler) if compiler else os.environ.get(VARIABLE)
    found = shutil.which(given or PROGRAM)
    if found:
        return Path(found).resolve()
    if given:
        raise CompilerError(f"{given} is not a program that can be run.", f"Give the path of {PROGRAM}.")
    raise CompilerError(
        f"{PROGRAM} is not installed on this machine ({platform.system()} {platform.machine()}).", _where_to_get_it()
    )


def _where_to_get_it() -> str:
    hand_off = "`edgekit compile MODEL --handoff FOLDER` writes a container recipe and the exact command."
    if (platform.system(), platform.machine()) in (("Linux", "x86_64"), ("Linux", "AMD64")):
        return f"Install it from Coral's Debian repository; or, without installing: {hand_off}"
    return f"It exists for Linux on x86-64 only; to compile elsewhere: {hand_off}"


def run_compiler(compiler: Path, models: Sequence[Path], options: CompilerOptions) -> Run:
    """Compiles models into the folder of the first one, whose log files it reads afterwards.

    The program and all its children are ended at the time limit and on Ctrl-C.

    Raises:
      CompilerError: the program could not be started.
    """
    folder = models[0].parent
    command = [str(compiler), *options.arguments(), "-o", str(folder), *map(str, models)]
    # A file, not a pipe: a child that outlives its parent would hold a pipe open forever.
    with open(str(folder / "output.txt"), "w+b") as output:
        code = _run(command, output, options.timeout + _GRACE_S)
        output.seek(0)
        text = output.read().decode("utf-8", "replace")
    logs = [parse_log(path.read_text("utf-8", "replace")) for path in sorted(folder.glob("*.log"))]
    log = parse_log(text)
    for logged in logs:
        log = merge_logs(log, logged)
    return Run(text, log, code)


def _run(command: List[str], output: object, limit: float) -> Optional[int]:
    """Exit code of a command in a process group of its own; None where it passed the limit (seconds)."""
    group: Dict[str, bool] = {"start_new_session": True} if os.name == "posix" else {}
    try:
        process = subprocess.Popen(  # type: ignore[call-overload]
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, **group
        )
    except OSError as error:
        raise CompilerError(
            f"{command[0]} could not be started: {error.strerror}.", "It is a program for Linux on x86-64."
        ) from error
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
