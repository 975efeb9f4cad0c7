"""`edgekit camera`: name what a camera shows, live."""

import signal
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, Callable, List, Optional

import click

from edgekit.cli.common import command_options, echo_json
from edgekit.errors import UsageError


@click.command()
@click.argument("model", type=click.Path())
@click.argument("source", default="0")
@click.option("--headless", is_flag=True, help="No preview window; a line for each change instead.")
@click.option("--record", type=click.Path(), help="Append what is seen to this .jsonl or .csv file.")
@click.option("--on-label", "trigger", help="When to run the command of --run, such as 'dog>0.8'.")
@click.option("--run", "command", help="Program and arguments; EDGEKIT_LABEL and EDGEKIT_SCORE tell what was seen.")
@click.option("--cooldown", default=10.0, show_default=True, help="Seconds between two starts of it, at least.")
@click.option("--smooth", default=0.0, show_default=True, help="Share of the scores kept from earlier frames, below 1.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, edgetpu, usb:1, pci:0, emulated, ….")
@click.option("--labels", type=click.Path(), help="Text file of class names, in place of the model's own.")
@click.option("--preprocess", help="Scaling of pixels, in place of the model's own.")
@command_options
def camera(
    model: str,
    source: str,
    headless: bool,
    record: Optional[str],
    trigger: Optional[str],
    command: Optional[str],
    cooldown: float,
    smooth: float,
    device: str,
    labels: Optional[str],
    preprocess: Optional[str],
    as_json: bool,
    verbose: bool,
) -> None:
    """Name what SOURCE shows, with the .tflite MODEL, until Ctrl-C.

    SOURCE is the number of a camera (0 is the first), a stream (rtsp://…), a video file or a folder of pictures.
    A camera that is lost is looked for until it is back. SIGHUP loads the model's file again.
    """
    from edgekit.camera import Action, Control, Recorder, open_source, parse_trigger, watch
    from edgekit.devices import Classifier
    from edgekit.labels import read_labels

    if (trigger is None) != (command is None):
        raise UsageError("--on-label and --run go together.")
    names = read_labels(labels) if labels else None
    control = Control()
    with ExitStack() as stack:
        sinks: List[Callable[[Any], None]] = []
        if trigger is not None and command is not None:
            sinks.append(_closing(stack, Action(parse_trigger(trigger), command, cooldown=cooldown)))
        if record:
            sinks.append(_closing(stack, Recorder(record)))
        frames = open_source(source)
        sinks.append(_printer(as_json) if headless or as_json else _window(stack, control, Path(model).name))
        _heed_signals(control)
        sightings = watch(
            frames,
            lambda: Classifier(model, device=device, labels=names, preprocess=preprocess),
            control,
            past=smooth,
            notify=lambda text: click.echo(text, err=True),
        )
        for sighting in sightings:
            for sink in sinks:
                sink(sighting)
    _tell(asdict(control.tally), as_json)


def _closing(stack: ExitStack, sink: Any) -> Callable[[Any], None]:
    stack.callback(sink.close)
    show: Callable[[Any], None] = sink
    return show


def _window(stack: ExitStack, control: Any, title: str) -> Callable[[Any], None]:
    """A preview; the loop ends when the user closes it."""
    from edgekit.camera.window import Window

    window = Window(title)
    stack.callback(window.close)

    def show(sighting: Any) -> None:
        window(sighting)
        if not window.open:
            control.stop.set()

    return show


def _heed_signals(control: Any) -> None:
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, lambda number, frame: control.stop.set())
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, lambda number, frame: control.reload.set())


def _printer(hidden: bool) -> Callable[[Any], None]:
    """Prints a line when the best class changes."""
    last = ""

    def show(sighting: Any) -> None:
        nonlocal last
        best = sighting.classes[0]
        if best.label != last and not hidden:
            fps = f"{sighting.fps:.0f} fps, " if sighting.fps else ""
            device = sighting.prediction.device.upper()
            click.echo(f"{sighting.frame.name}: {best.label} {best.score:.1%} ({fps}{device})")
        last = best.label

    return show


def _tell(tally: Any, as_json: bool) -> None:
    if as_json:
        echo_json(tally)
        return
    click.echo(
        f"{tally['classified']} frames classified, {tally['dropped']} dropped for newer ones, "
        f"{tally['corrupt']} unreadable; camera lost {tally['lost']} times."
    )
