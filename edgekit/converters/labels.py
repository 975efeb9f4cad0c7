"""Class names that lie beside a model, as tools such as Teachable Machine leave them."""

from pathlib import Path

from edgekit.labels import parse_labels

_NAMES = ("labels.txt", "class_names.txt", "classes.txt")


def labels_beside(path: Path, classes: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(labels, notes) from `<stem>.labels.txt`, labels.txt or class_names.txt beside a model.

    A list of another length than `classes` is left alone, with a note; nothing is ever guessed.
    """
    for file in (path.with_name(f"{path.stem}.labels.txt"), *(path.with_name(name) for name in _NAMES)):
        if not file.is_file():
            continue
        try:
            labels = parse_labels(file.read_text(encoding="utf-8-sig"))
        except (OSError, UnicodeDecodeError):
            return (), (f"{file.name} beside the model is not readable text and was left alone.",)
        if len(labels) == classes or (classes == 1 and len(labels) == 2):
            return labels, ()
        return (), (f"{file.name} beside the model names {len(labels)} classes, the model has {classes}: left alone.",)
    return (), ()
