"""Options that travel together: a command takes them as one value instead of a dozen parameters."""

import functools
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Callable, List, Optional, TypeVar

import click

from edgekit.labels import read_labels
from edgekit.preprocess import CONVENTIONS
from edgekit.terminal import echo

if TYPE_CHECKING:
    from edgekit.devices import Classifier

Command = TypeVar("Command", bound=Callable[..., object])

#: Names that `--device` takes, as a shell completes them; others follow the same pattern.
DEVICES = ("auto", "cpu", "edgetpu", "usb", "usb:0", "usb:1", "pci", "pci:0", "emulated")


def suggest(*names: str) -> Callable[[click.Context, click.Parameter, str], List[str]]:
    """What a shell completes an option's value from, where other values are possible too.

    Behind a comma the next name of a list is completed.
    """

    def complete(ctx: click.Context, parameter: click.Parameter, begun: str) -> List[str]:
        before, comma, last = begun.rpartition(",")
        return [before + comma + name for name in names if name.startswith(last)]

    return complete


def gather(settings: Callable[..., object], name: str) -> Callable[[Command], Command]:
    """Hands a command those of its options that are fields of a dataclass as one value, its parameter `name`."""

    def decorate(function: Command) -> Command:
        @functools.wraps(function)
        def run(**options: object) -> object:
            gathered = settings(**{field.name: options.pop(field.name) for field in fields(settings)})  # type: ignore[arg-type]
            return function(**{name: gathered}, **options)

        return run  # type: ignore[return-value]

    return decorate


@dataclass(frozen=True)
class ModelChoice:
    """The model that a command runs, and what stands in for the model's own word.

    Attributes:
      model: the `.tflite` file.
      device: where it runs, in one of the forms of `edgekit.devices.request.Request`.
      labels: a text file of class names, or None.
      preprocess: how pixels are scaled, or None.
    """

    model: str
    device: str
    labels: Optional[str]
    preprocess: Optional[str]


_DEVICES = "auto, cpu, edgetpu, usb:1, pci:0, emulated, …."
_SCALINGS = "raw, 0..1, -1..1, lite, imagenet, caffe, or mean,std"


def model_options(function: Command) -> Command:
    """Adds MODEL, `--device`, `--labels` and `--preprocess`; the command receives `choice: ModelChoice`."""
    command = gather(ModelChoice, "choice")(function)
    scaling = f"Scaling of pixels, in place of the model's own: {_SCALINGS}."
    for parameter in (
        click.option("--preprocess", help=scaling, shell_complete=suggest(*CONVENTIONS)),
        click.option("--labels", type=click.Path(), help="Text file of class names, in place of the model's own."),
        click.option("--device", default="auto", show_default=True, help=_DEVICES, shell_complete=suggest(*DEVICES)),
        click.argument("model", type=click.Path()),
    ):
        command = parameter(command)
    return command


def telling(open_classifier: "Callable[[], Classifier]") -> "Callable[[], Classifier]":
    """Says, when the model is first opened, where its class names are from and what is amiss with what was given."""
    told: List[str] = []

    def open_and_tell() -> "Classifier":
        classifier = open_classifier()
        if not told:
            told.append(classifier.names.origin)
            for line in (f"Class names: {told[0]}.", *classifier.names.notes):
                echo(line, err=True)
            if classifier.alarm:
                echo(classifier.alarm, title="Alarm: ", colour="yellow", err=True)
        return classifier

    return open_and_tell


def opener(choice: ModelChoice, *, threads: Optional[int] = None) -> "Callable[[], Classifier]":
    """A function that opens the model; its labels are read at once. Raises DataError where they cannot be."""
    from edgekit.devices import Classifier

    if choice.labels:
        read_labels(choice.labels)
    return functools.partial(
        Classifier,
        choice.model,
        device=choice.device,
        threads=threads,
        labels=choice.labels,
        preprocess=choice.preprocess,
    )
