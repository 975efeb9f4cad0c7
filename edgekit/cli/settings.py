"""Options that travel together: a command takes them as one value instead of a dozen parameters."""

import functools
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Callable, Optional, Type, TypeVar

import click

from edgekit.labels import read_labels

if TYPE_CHECKING:
    from edgekit.devices import Classifier

Command = TypeVar("Command", bound=Callable[..., Any])


def gather(settings: Type[Any], name: str) -> Callable[[Command], Command]:
    """Hands a command those of its options that are fields of a dataclass as one value, its parameter `name`."""

    def decorate(function: Command) -> Command:
        @functools.wraps(function)
        def run(**options: Any) -> Any:
            gathered = settings(**{field.name: options.pop(field.name) for field in fields(settings)})
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
    command: Any = gather(ModelChoice, "choice")(function)
    for parameter in (
        click.option("--preprocess", help=f"Scaling of pixels, in place of the model's own: {_SCALINGS}."),
        click.option("--labels", type=click.Path(), help="Text file of class names, in place of the model's own."),
        click.option("--device", default="auto", show_default=True, help=_DEVICES),
        click.argument("model", type=click.Path()),
    ):
        command = parameter(command)
    return command  # type: ignore[no-any-return]


def opener(choice: ModelChoice, *, threads: Optional[int] = None) -> "Callable[[], Classifier]":
    """A function that opens the model; its labels are read at once. Raises DataError where they cannot be."""
    from edgekit.devices import Classifier

    names = read_labels(choice.labels) if choice.labels else None
    return functools.partial(
        Classifier, choice.model, device=choice.device, threads=threads, labels=names, preprocess=choice.preprocess
    )
