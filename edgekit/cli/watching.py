"""A command in a process of its own, watched by the one that was started: where it dies, somebody is left to say so.

Native libraries end their process instead of raising: OpenBLAS with exit code 1, C++ without memory with SIGABRT, the
system with SIGKILL. Python is not asked then. The watching process is a copy made before anything heavy is imported
(a millisecond, and no memory of its own); signals go through it, and it ends as its child does.
"""

import contextlib
import os
import signal
import sys
from typing import Iterator, NoReturn, Optional, Set, Tuple

from edgekit.cli.failures import Interruption, UnexpectedError, interruption_told, tell
from edgekit.errors import EdgekitError
from edgekit.memory import limit, short

# What the child writes before it ends in an orderly way, with whatever exit code.
_ORDERLY = b"."

# Signals that people and other programs send to what they started.
_PASSED_ON = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")

# How a process ends that native code or the system ended; by others, such as SIGTERM, somebody asked it to.
_DEATHS = ("SIGABRT", "SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGSYS", "SIGKILL")

# Linux's prctl: which signal to get when the parent ends.
_PR_SET_PDEATHSIG = 1


@contextlib.contextmanager
def watched(as_json: bool) -> Iterator[None]:
    """Runs the block, which ends by SystemExit, in a child process; the calling process exits as the child does.

    Elsewhere than on Linux, or where no process can be started, it runs unwatched.

    Args:
      as_json: whether a machine reads what is said where the child dies.
    """
    child, pipe = _fork()
    if child is None:
        with interruption_told():
            yield
    elif child:
        _exit_as(child, pipe, as_json)
    else:
        try:
            yield
        except SystemExit:
            os.write(pipe, _ORDERLY)
            raise
        except BaseException as error:  # interrupted, or nothing can be said any more: the parent does
            os._exit(130 if isinstance(error, (KeyboardInterrupt, Interruption)) else 1)


def _fork() -> Tuple[Optional[int], int]:
    """The child and where it will be heard of, 0 and where to write in the child, None where there can be none."""
    if not hasattr(signal, "sigwaitinfo") or not sys.platform.startswith("linux"):
        return None, -1
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # a caller may have it ignored, and then nothing can be waited for
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _heard())
    reading, writing = os.pipe()
    try:
        child = os.fork()
    except OSError:
        child = None
    if not child:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    if child == 0:
        _end_with_parent()
    os.close(reading if child == 0 else writing)
    return child, writing if child == 0 else reading


def _heard() -> Set[int]:
    return {int(getattr(signal, name)) for name in (*_PASSED_ON, "SIGCHLD")}


def _end_with_parent() -> None:
    """Whoever kills the parent, which can then pass nothing on, kills the child."""
    with contextlib.suppress(Exception):
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def _exit_as(child: int, pipe: int, as_json: bool) -> NoReturn:
    status, interrupted = _wait(child)
    os.set_blocking(pipe, False)  # what the child started may hold the other end
    try:
        orderly = os.read(pipe, 1) == _ORDERLY
    except OSError:
        orderly = False
    if os.WIFSIGNALED(status):
        _exit_by_signal(os.WTERMSIG(status), as_json)
    code = os.WEXITSTATUS(status)
    if not orderly and code == 130 and interrupted:
        with interruption_told():
            raise Interruption
    if not orderly and code != 0:
        tell(_death(f"exit code {code}", killed=False), as_json)
    sys.exit(code)


def _wait(child: int) -> Tuple[int, bool]:
    """Passes signals on until the child ends: its status, and whether Ctrl-C or the like was heard.

    A terminal's signals go to parent and child alike; those of a process are passed on.
    """
    interrupted = False
    while True:
        heard = signal.sigwaitinfo(_heard())
        interrupted = interrupted or heard.si_signo == signal.SIGINT
        if heard.si_signo != signal.SIGCHLD and heard.si_pid:
            os.kill(child, heard.si_signo)
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status, interrupted


def _exit_by_signal(number: int, as_json: bool) -> NoReturn:
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    if name in _DEATHS:
        tell(_death(name, killed=name == "SIGKILL"), as_json)
    signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
    sys.exit(128 + number)


def _death(how: str, *, killed: bool) -> EdgekitError:
    """What to say of a child that could not: the system kills where memory runs out, libraries die of a limit."""
    if killed or limit():
        return short(f"this: the process ended with {how}")
    return UnexpectedError(
        f"A library underneath ended the process ({how}).",
        "Often memory is short. Where it is not, please report it with what -v prints.",
    )
