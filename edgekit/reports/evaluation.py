"""An evaluation as text and as files: JSON values, confusion matrix as CSV, JUnit XML for continuous integration."""

import csv
import io
from collections.abc import Iterator, Sequence

from edgekit.evaluation.accuracy import ClassAccuracy, Evaluation, Mistake, Outcome, label_of
from edgekit.evaluation.answers import BEST
from edgekit.labels.finding import NAMELESS
from edgekit.reports.junit import Case, junit
from edgekit.reports.text import Facts, columns, interval_text, percent, with_interval

#: Rows of the table of classes and of the list of confusions; the files hold all.
_CLASSES, _CONFUSIONS = 20, 5


def evaluation_facts(found: Evaluation, unmet: str | None = None) -> Facts:
    """Titles and texts, in the order in which they are read."""
    yield "Top-1", f"{with_interval(found.top1, found.top1_interval)} on {found.images} images"
    if len(found.labels) > BEST or any(o.truth >= BEST for o in found.confusion):
        yield "Top-5", f"{with_interval(found.top5, found.top5_interval)} on {found.images} images"
    yield "Classes", found.mapping
    yield "Class names", found.names_from if found.labels else NAMELESS
    for note in found.notes:
        yield "Note", note
    for alarm in found.alarms:
        yield "Alarm", alarm
    for name, reason in list(found.skipped.items())[:3]:
        yield "Skipped", f"{name}: {reason}"
    if len(found.skipped) > 3:
        yield "Skipped", f"and {len(found.skipped) - 3} more (all of them with --json)"
    if unmet:
        yield "Not met", unmet


def evaluation_tables(found: Evaluation) -> Iterator[str]:
    """The classes, the worst of them where there are many, and what is confused most."""
    worst = sorted(found.classes, key=lambda c: (c.top1, -c.images, c.index))
    shown = found.classes if len(worst) <= _CLASSES else worst[:_CLASSES]
    yield "By class" if len(worst) <= _CLASSES else f"The worst {_CLASSES} of {len(worst)} classes"
    yield from columns(("class", "top-1", "95 % CI", "specificity", "precision", "images"), [*map(_class_row, shown)])
    wrong = [o for o in found.confusion if o.truth != o.answer]
    if wrong:
        yield "\nMost confused"
    for o in wrong[:_CONFUSIONS]:
        truth, answer = (label_of(index, found.labels) for index in (o.truth, o.answer))
        yield f"  {truth} taken for {answer}: {o.images}"


def _class_row(c: ClassAccuracy) -> tuple[str, ...]:
    rates = ("–" if rate is None else percent(rate) for rate in (c.specificity, c.precision))
    return (c.label, percent(c.top1), interval_text(c.interval), *rates, str(c.images))


def class_to_json(c: ClassAccuracy) -> dict[str, object]:
    """One class of an evaluation."""
    rates = {"top1": c.top1, "interval": list(c.interval), "specificity": c.specificity, "precision": c.precision}
    return {"index": c.index, "label": c.label, "images": c.images, **rates}


def outcome_to_json(o: Outcome, labels: Sequence[str]) -> dict[str, object]:
    """One entry of a confusion matrix."""
    names = {"truth": label_of(o.truth, labels), "answer": label_of(o.answer, labels)}
    return {**names, "images": o.images, "truth_index": o.truth, "answer_index": o.answer}


def evaluation_to_json(evaluation: Evaluation) -> dict[str, object]:
    """A JSON-ready dictionary of everything an evaluation found."""
    labels = evaluation.labels
    return {
        "images": evaluation.images,
        "top1": evaluation.top1,
        "top1_interval": list(evaluation.top1_interval),
        "top5": evaluation.top5,
        "top5_interval": list(evaluation.top5_interval),
        "mapping": evaluation.mapping,
        "offset": evaluation.offset,
        "classes": [class_to_json(c) for c in evaluation.classes],
        "confusion": [outcome_to_json(o, labels) for o in evaluation.confusion],
        "mistakes": [_mistake_to_json(mistake, labels) for mistake in evaluation.mistakes],
        "alarms": list(evaluation.alarms),
        "labels_from": evaluation.names_from if labels else NAMELESS,
        "skipped": [{"image": name, "reason": reason} for name, reason in evaluation.skipped.items()],
    }


def _mistake_to_json(m: Mistake, labels: Sequence[str]) -> dict[str, object]:
    image = m.image.encode("utf-8", "backslashreplace").decode("utf-8")
    return {"image": image, "truth": label_of(m.truth, labels), "answer": label_of(m.answer, labels)}


def confusion_to_csv(evaluation: Evaluation) -> str:
    """The confusion matrix, one row for each of its entries that is not zero."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["truth_index", "truth", "answer_index", "answer", "images"])
    for o in evaluation.confusion:
        truth, answer = (label_of(index, evaluation.labels) for index in (o.truth, o.answer))
        writer.writerow([o.truth, truth, o.answer, answer, o.images])
    return stream.getvalue()


def to_junit(evaluation: Evaluation, model: str, min_top1: float | None = None) -> str:
    """JUnit XML: a test case for the accuracy, and a skipped one for each image that could not be used.

    Without a demand the first case only records the figures and passes.
    """
    unmet = evaluation.unmet(min_top1)
    low, high = evaluation.top1_interval
    found = f"top-1 {evaluation.top1:.4f} ({low:.4f} to {high:.4f}), top-5 {evaluation.top5:.4f}"
    asked = "top-1" if min_top1 is None else f"top-1 at least {min_top1:.1%}"
    cases = [Case("edgekit.evaluate", asked, f"{found}, {evaluation.images} images", failure=unmet)]
    cases += [Case("edgekit.evaluate.image", name, skipped=reason) for name, reason in evaluation.skipped.items()]
    return junit(f"edgekit evaluate {model}", cases)
