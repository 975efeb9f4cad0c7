"""Where the names of a model's classes come from, and whether they fit it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Sequence, Tuple, Union

from edgekit.errors import DataError
from edgekit.files import read_text
from edgekit.labels.formats import BACKGROUND, parse_labels

#: What tools call the file that they leave beside a model.
_BESIDE = ("labels.txt", "class_names.txt", "classes.txt", "class_indices.json")
#: First names that stand for none of the classes, as models of TensorFlow's have.
_BACKGROUND = (BACKGROUND, "_background_", "__background__", "???", "n/a", "none of the above")
#: Outputs of models trained on ImageNet, without and with one for the background.
_IMAGENET = (1000, 1001)
#: What is said of a model whose classes have no names.
NAMELESS = "none, so that predictions are numbers: give a file of names, one a line, with --labels"


@dataclass(frozen=True)
class Names:
    """The names of a model's classes.

    Attributes:
      labels: in the order of the outputs; () where there are none.
      origin: where they are from, in words; or that there are none, and how to add them.
      notes: sentences about names that were found and do not fit.
    """

    labels: Tuple[str, ...] = ()
    origin: str = NAMELESS
    notes: Tuple[str, ...] = ()


def find_names(
    model: Optional[Path], classes: int, own: Sequence[str] = (), *, given: Union[str, Path, None] = None
) -> Names:
    """The names of a model's classes: as given, else the model's own, else from a file beside it.

    Args:
      model: its path; None where it is no file.
      classes: how many outputs it has; a single one tells two classes apart.
      own: the names in the file itself. Where these, or a file beside the model, do not fit, a note says so.
      given: a file of names that counts before all others.

    Raises:
      DataError: `given` cannot be read or does not fit.
    """
    if given is not None:
        return Names(read_labels(given, classes), f"from {Path(given).name}")
    notes: Tuple[str, ...] = ()
    if own:
        labels, problem = fitting(own, classes)
        if labels:
            return Names(labels, "the model's own")
        notes = (f"The model's own label file names {problem}: left alone.",)
    beside = _beside(model, classes) if model is not None else Names()
    return Names(beside.labels, beside.origin, (*notes, *beside.notes))


def read_labels(path: Union[str, Path], classes: Optional[int] = None) -> Tuple[str, ...]:
    """The labels in a file, in the order of the model's output, see `formats`.

    Args:
      path: the file.
      classes: how many outputs the model has, where that is known.

    Raises:
      DataError: the file is missing, unreadable, no text, empty, or does not name that many classes.
    """
    try:
        text = read_text(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise DataError(f"No labels can be read from {path}: {reason}.", "Write one name a line.") from error
    labels = parse_labels(text, classes)
    if not any(labels) or "\0" in text:
        raise DataError(f"{path} holds no labels.", "Write one name a line, as UTF-8 text.")
    if classes is None:
        return labels
    found, problem = fitting(labels, classes)
    if not found:
        raise DataError(f"{path} names {problem}.", remedy(labels, classes))
    return found


def fitting(labels: Sequence[str], classes: int) -> Tuple[Tuple[str, ...], str]:
    """(the labels as the outputs want them, or () where they do not fit; how they do not).

    A first line for the background is dropped where the model has no such output.
    """
    wanted = max(2, classes)
    if len(labels) == wanted:
        return tuple(labels), ""
    if classes == len(labels) == 1:
        (name,) = labels
        return (f"not {name}", name), ""
    if len(labels) == wanted + 1 and labels[0].strip().casefold() in _BACKGROUND:
        return tuple(labels[1:]), ""
    return (), f"{len(labels)} classes, the model has {wanted}"


def remedy(labels: Sequence[str], classes: int) -> str:
    """What most likely is wrong with labels that are not as many as the classes."""
    wanted, count = max(2, classes), len(labels)
    if sum(map(bool, labels)) == wanted:
        return "Take the blank lines out."
    if len(set(labels)) == wanted:
        return "Some names are there twice: take them out."
    if count in _IMAGENET and wanted not in _IMAGENET:
        return (
            f"These are as many as ImageNet has: give the names of the {wanted} classes that the model was trained on."
        )
    if wanted in _IMAGENET and count < min(_IMAGENET) - 1:
        return "The model has ImageNet's classes: is it the one that was trained on yours, with a head of its own?"
    if count == wanted + 1:
        return "Is one of its lines a head, or a class that the model was not trained on? Take it out."
    if count == wanted - 1:
        return "If output 0 is the background, as in models of 1001 classes, write «background» as the first line."
    if count == 1:
        return "Write one name a line."
    return "Write one name a line, as many as the model has classes. Is the file for another model?"


def _beside(model: Path, classes: int) -> Names:
    """From `<stem>.labels.txt`, labels.txt, class_names.txt … beside a model; the first that is there counts."""
    for file in (model.with_name(f"{model.stem}.labels.txt"), *(model.with_name(name) for name in _BESIDE)):
        if not file.is_file():
            continue
        try:
            labels, problem = fitting(read_labels(file), classes)
        except DataError:
            return Names(notes=(f"{file.name} beside the model holds no readable labels and was left alone.",))
        if labels:
            return Names(labels, f"from {file.name} beside the model")
        return Names(notes=(f"{file.name} beside the model names {problem}: left alone.",))
    return Names()
