"""Running `edgetpu_compiler`: one process, one time limit, nothing left behind."""

from dataclasses import dataclass
from pathlib import Path
from typing import IO, List, Optional, Sequence

from edgekit.child import run_child
from edgekit.edgetpu.compiler.log import CompilerLog, merge_logs, parse_log
from edgekit.edgetpu.placement.placement import CompilerOptions
from edgekit.errors import CompilerError, UsageError

#: The compiler's own time limit for one compilation, in seconds.
DEFAULT_TIMEOUT_S = 180

# The compiler tells more than a kill does, so its own limit may pass first.
_GRACE_S = 15.0


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


def arguments(options: CompilerOptions, timeout: int = DEFAULT_TIMEOUT_S) -> List[str]:
    """The options and the time limit (seconds) as the compiler's flags; the table of ops is always asked for.

    Raises UsageError for numbers below 1.
    """
    runtime = options.min_runtime_version
    if any(number is not None and number < 1 for number in (options.num_segments, timeout, runtime)):
        raise UsageError("Segments, time limit and runtime version must be at least 1.")
    flags = ["-s"]
    flags += ["-a"] if options.all_subgraphs else []
    flags += ["-d"] if options.search_delegate else []
    flags += ["-n", str(options.num_segments)] if options.num_segments > 1 else []
    flags += ["-m", str(runtime)] if runtime is not None else []
    flags += ["-i", ",".join(options.intermediate_tensors)] if options.intermediate_tensors else []
    # Old compilers have no time limit of their own and stop at a flag they do not know.
    return flags + (["-t", str(timeout)] if timeout != DEFAULT_TIMEOUT_S else [])


def run_compiler(compiler: Sequence[str], models: Sequence[Path], flags: Sequence[str], *, timeout: int) -> Run:
    """Compiles models into the folder of the first one, whose log files it reads afterwards.

    `compiler` are the words that start it (`supply.started`). The program and all its children are ended at the time
    limit (seconds) and on Ctrl-C.

    Raises:
      CompilerError: the program could not be started.
    """
    folder = models[0].parent
    command = [*compiler, *flags, "-o", str(folder), *map(str, models)]
    with open(str(folder / "output.txt"), "w+b") as output:
        code = _run(command, output, timeout + _GRACE_S)
        output.seek(0)
        text = output.read().decode("utf-8", "replace")
    logs = [parse_log(path.read_text("utf-8", "replace")) for path in sorted(folder.glob("*.log"))]
    log = parse_log(text)
    for logged in logs:
        log = merge_logs(log, logged)
    return Run(text, log, code)


def _run(command: List[str], output: "IO[bytes]", limit: float) -> Optional[int]:
    """Exit code of a command; None where it passed the limit (seconds)."""
    try:
        return run_child(command, output, limit)
    except OSError as error:
        raise CompilerError(
            f"{command[0]} could not be started: {error.strerror}.", "It is a program for Linux on x86-64."
        ) from error
