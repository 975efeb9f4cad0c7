"""`edgekit camera`: name what a camera shows, live."""

import signal
import sys
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Callable, List, Optional, Union

import click

from edgekit.cli.common import command_options, echo_json
from edgekit.cli.settings import ModelChoice, gather, model_options, opener, telling
from edgekit.errors import DataError, UsageError
from edgekit.terminal import echo

if TYPE_CHECKING:
    from edgekit.camera import Control, Sighting, Tally, Trigger

#: Does something with what is seen.
Sink = Callable[["Sighting"], None]


@dataclass(frozen=True)
class Reactions:
    """What is done with what is seen: the options of the same names; `trigger` is --on-label, `command` --run."""

    headless: bool
    record: Optional[str]
    trigger: Optional[str]
    command: Optional[str]
    cooldown: float


@click.command()
@model_options
@click.argument("source", default="0")
@click.option("--headless", is_flag=True, help="No preview window; a line for each change instead.")
@click.option("--record", type=click.Path(), help="Append what is seen to this .jsonl or .csv file.")
@click.option("--on-label", "trigger", help="When to run the command of --run, such as 'dog>0.8'.")
@click.option("--run", "command", help="Program and arguments; EDGEKIT_LABEL and EDGEKIT_SCORE tell what was seen.")
@click.option("--cooldown", default=10.0, show_default=True, help="Seconds between two starts of it, at least.")
@click.option("--smooth", default=0.0, show_default=True, help="Share of the scores kept from earlier frames, below 1.")
@gather(Reactions, "reactions")
@command_options
def camera(choice: ModelChoice, source: str, reactions: Reactions, smooth: float, as_json: bool, verbose: bool) -> None:
    """Name what SOURCE shows, with the .tflite MODEL, until Ctrl-C.

    SOURCE is the number of a camera (0 is the first), a stream (rtsp://…), a video file or a folder of images.
    A camera that is lost is looked for until it is back. SIGHUP loads the model's file again.
    """
    from edgekit.camera import Control, checked, open_source, watch

    trigger, control = _trigger(reactions), Control()
    open_checked = checked(opener(choice), trigger)
    open_classifier = open_checked if as_json else telling(open_checked)
    with ExitStack() as stack:
        sinks = _sinks(stack, reactions, trigger)
        frames = open_source(source)
        quiet = reactions.headless or as_json
        sinks.append(_printer(as_json) if quiet else _window(stack, control, Path(choice.model).name))
        _heed_signals(control)
        told = partial(echo, err=True)
        for sighting in watch(frames, open_classifier, control, past=smooth, notify=told):
            for sink in sinks:
                sink(sighting)
    _tell(control.tally, as_json)
    if control.tally.missing:
        sys.exit(DataError.exit_code)


def _trigger(reactions: Reactions) -> "Optional[Trigger]":
    from edgekit.camera import parse_trigger

    if (reactions.trigger is None) != (reactions.command is None):
        raise UsageError("--on-label and --run go together.")
    return parse_trigger(reactions.trigger) if reactions.trigger is not None else None


def _sinks(stack: ExitStack, reactions: Reactions, trigger: "Optional[Trigger]") -> List[Sink]:
    """The command and the recording that were asked for, closed with the stack."""
    from edgekit.camera import Action, Recorder

    found: List[Union[Action, Recorder]] = []
    if trigger is not None and reactions.command is not None:
        found.append(Action(trigger, reactions.command, cooldown=reactions.cooldown))
    if reactions.record:
        found.append(Recorder(reactions.record))
    for sink in found:
        stack.callback(sink.close)
    return [*found]


def _window(stack: ExitStack, control: "Control", title: str) -> Sink:
    """A preview; the loop ends when the user closes it."""
    from edgekit.camera.window import Window

    window = Window(title)
    stack.callback(window.close)

    def show(sighting: "Sighting") -> None:
        window(sighting)
        if not window.open:
            control.stop.set()

    return show


def _heed_signals(control: "Control") -> None:
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, lambda number, frame: control.stop.set())
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, lambda number, frame: control.reload.set())


def _printer(hidden: bool) -> Sink:
    """Prints a line when the best class changes."""
    from edgekit.devices.prediction import spoken

    last = ""

    def show(sighting: "Sighting") -> None:
        nonlocal last
        best = sighting.classes[0]
        if best.label != last and not hidden:
            fps = f"{sighting.fps:.0f} fps, " if sighting.fps else ""
            device = spoken(sighting.prediction.device)
            echo(f"{sighting.frame.name}: {best.label} {best.score:.1%} ({fps}{device})")
        last = best.label

    return show


def _tell(tally: "Tally", as_json: bool) -> None:
    if as_json:
        echo_json(asdict(tally))
        return
    missing = f", {tally.missing} missing at the end" if tally.missing else ""
    echo(
        f"{tally.classified} frames classified, {tally.dropped} dropped for newer ones, "
        f"{tally.corrupt} unreadable{missing}; camera lost {tally.lost} times."
    )
