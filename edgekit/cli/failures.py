"""What goes wrong outside of edgekit's own errors, in words: streams that are closed, memory, and the unexpected."""

import contextlib
import errno
import os
import sys
import tempfile
import traceback
from typing import Iterator, NoReturn, Optional

import click

from edgekit.cli.common import fail
from edgekit.errors import EdgekitError, MissingDependencyError
from edgekit.memory import is_short, short
from edgekit.terminal import echo

#: What a shell makes of a program that a closed pipe ended: 128 and SIGPIPE's number.
BROKEN_PIPE = 141

# How printing fails where the disk is full or the terminal is lost. (Files are named where they cannot be written.)
_NOT_PRINTED = (errno.ENOSPC, errno.EIO, errno.EBADF, errno.EFBIG, errno.EDQUOT)


class Interruption(BaseException):
    """Ctrl-C, on its way past click."""


class UnexpectedError(EdgekitError):
    """A fault of edgekit's own, or of a package underneath. Its exit code is that of «internal software error»."""

    exit_code = 70


def open_closed_streams() -> None:
    """Gives standard streams that the caller closed (`>&-`) somewhere to go.

    Otherwise the first file opened takes the free descriptor, and what a native library prints goes into it.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8"))


@contextlib.contextmanager
def interruption_told() -> Iterator[None]:
    """Turns Ctrl-C into a line and the exit code that shells give it."""
    try:
        yield
    except (KeyboardInterrupt, Interruption):
        echo("Interrupted; nothing was written.", err=True)
        sys.exit(130)


@contextlib.contextmanager
def told(as_json: bool) -> Iterator[None]:
    """Turns every failure into a line or two and an exit code; click's own pass."""
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except BrokenPipeError:  # the reader (`| head`) has gone; nothing is left to tell it
        end_output(BROKEN_PIPE)
    except KeyboardInterrupt:  # click would end it with exit code 1
        raise Interruption from None
    except Exception as error:
        if isinstance(error, OSError) and error.filename is None and error.errno in _NOT_PRINTED:
            with contextlib.suppress(OSError):
                echo(f"The answer could not be printed: {error.strerror}.", title="Error: ", err=True)
            end_output(2)
        tell(_in_words(error), as_json)


def tell(error: EdgekitError, as_json: bool) -> NoReturn:
    """Prints an error, if it can be, and exits with its code."""
    try:
        fail(error, as_json)
    except OSError:
        end_output(error.exit_code)


def end_output(code: int) -> NoReturn:
    """Exits, and keeps Python from trying to print the rest when it does."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.close()
    sys.exit(code)


def _in_words(error: Exception) -> EdgekitError:
    if isinstance(error, EdgekitError):
        return error
    if is_short(error):
        return short()
    if isinstance(error, ImportError):
        return MissingDependencyError(
            f"{error.name or 'A package'} cannot be loaded: {_first_line(error)}.", "Install it again."
        )
    return _unexpected(error)


def _unexpected(error: Exception) -> UnexpectedError:
    place = _keep_traceback()
    return UnexpectedError(
        f"Something unexpected went wrong: {type(error).__name__}: {_first_line(error)}",
        f"Please report it with {place}, where the details are." if place else None,
    )


def _keep_traceback() -> Optional[str]:
    """Writes what is being handled to a file that stays, and returns its name; None where none can be written."""
    try:
        descriptor, name = tempfile.mkstemp(prefix="edgekit-error-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(f"{sys.argv}\n{traceback.format_exc()}")
        return name
    except OSError:
        return None


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
