"""What every command shares: its options, its way to fail, its two kinds of output."""

import contextlib
import functools
import json
import logging
import sys
from typing import Callable, Iterator, List, NoReturn, Optional, TextIO, TypeVar

import click

from edgekit.cli.usual import origins
from edgekit.errors import EdgekitError, OutOfMemoryError
from edgekit.memory import blamed
from edgekit.progress import Progress, silent
from edgekit.terminal import PROSE_LINES, echo, printable, terminal_width, wrapped

Command = TypeVar("Command", bound=Callable[..., object])


def command_options(function: Command) -> Command:
    """Adds `--json` and `-v`, and turns EdgekitError into one or two lines and an exit code.

    The decorated command receives `as_json: bool` and `verbose: bool`.
    """

    @functools.wraps(function)
    def run(*args: object, as_json: bool, **kwargs: object) -> object:
        if kwargs.get("verbose"):
            for line in origins(click.get_current_context()):
                echo(line, err=True)
        try:
            return function(*args, as_json=as_json, **kwargs)
        except EdgekitError as error:
            fail(error, as_json)

    wrapped = click.option(
        "-v", "--verbose", is_flag=True, help="Show each step, and what the tools underneath print."
    )(run)
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")(wrapped)  # type: ignore[return-value]


def fail(error: EdgekitError, as_json: bool) -> NoReturn:
    """Prints an error as the user asked for it and exits with its code."""
    error = error if isinstance(error, OutOfMemoryError) else blamed(error)
    if as_json:
        echo_json({"error": error.kind, "message": error.message, "hint": error.hint})
    else:
        echo(error.message, title="Error: ", colour="red", bold=True, err=True)
        if error.hint:
            echo(error.hint, err=True)
    sys.exit(error.exit_code)


def echo_json(value: object) -> None:
    """Prints a value as one JSON document; NaN and infinities, which JSON lacks, become null."""
    click.echo(json_text(value))


def json_text(value: object) -> str:
    """A value as a JSON document, without NaN and infinities."""
    return json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False)


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value


@contextlib.contextmanager
def progress_bar(stream: TextIO, *, as_json: bool, verbose: bool) -> Iterator[Progress]:
    """A progress function that draws one line on a terminal, below what the library remarks meanwhile.

    Nothing is drawn elsewhere, nor among what tools print with `-v`; of remarks, machines read in the document.
    """
    if as_json:
        yield silent
    elif verbose or not stream.isatty():
        with _remarks(logging.StreamHandler(stream), _Remark(stream)):
            yield _steps(stream) if verbose else silent
    else:
        with _bar(stream) as progress:
            yield progress


def _steps(stream: TextIO) -> Progress:
    """A progress function that writes each step as it begins."""
    begun: List[str] = []

    def progress(stage: str, done: int, total: Optional[int]) -> None:
        if begun[-1:] != [stage]:
            begun.append(stage)
            stream.write(f"{printable(stage)} …\n")

    return progress


class _Remark(logging.Formatter):
    """A remark as a paragraph of the terminal's width; of a long one `most` lines."""

    def __init__(self, stream: TextIO, most: Optional[int] = None) -> None:
        super().__init__("%(message)s")
        self._width, self._most = terminal_width(stream), most

    def format(self, record: logging.LogRecord) -> str:
        text = printable(super().format(record))
        return "\n".join(wrapped(line, width=self._width, most=self._most) for line in text.split("\n"))


@contextlib.contextmanager
def _bar(stream: TextIO) -> Iterator[Progress]:
    from rich.console import Console
    from rich.logging import RichHandler
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:<28}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    console = Console(file=stream)
    above = RichHandler(console=console, show_time=False, show_level=False, show_path=False)
    # What other tools print is not for the user: it must not be brought above the bar.
    with Bar(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as bar:
        task = bar.add_task("Starting", total=None)
        with _remarks(above, _Remark(stream, PROSE_LINES)):
            yield lambda stage, done, total: bar.update(
                task, description=escape(printable(stage)), completed=done, total=total
            )


@contextlib.contextmanager
def _remarks(handler: logging.Handler, formatter: logging.Formatter) -> Iterator[None]:
    """Shows what edgekit logs, from INFO on, by this handler alone."""
    logger = logging.getLogger("edgekit")
    handler.setFormatter(formatter)
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate
