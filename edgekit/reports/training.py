"""A training: its facts as text, its JSON document."""

import math
from collections.abc import Iterator
from pathlib import Path

from edgekit.converters.remedies import remedies
from edgekit.converters.several import ForTarget
from edgekit.reports.conversion import Written, conversion_facts
from edgekit.reports.evaluation import class_to_json, evaluation_tables, outcome_to_json
from edgekit.reports.text import Facts, percent, with_interval
from edgekit.targets.judges import Place, judge
from edgekit.training import Trained
from edgekit.training.curve import Curve
from edgekit.training.finetuning.finetune import Tuned

_SKIPPED = 3


def training_to_json(trained: Trained, path: Path, manifest: Path, floating: Path | None) -> dict[str, object]:
    """The result as a JSON-ready document.

    `images` counts those trained on and those judged on; `classes` and `confusion` are the int8 model's.
    """
    dataset, int8 = trained.dataset, trained.int8
    return {
        "model": str(path),
        "manifest": str(manifest),
        "float": str(floating) if floating else None,
        "top1": trained.top1,
        "top1_interval": list(trained.interval),
        "top1_int8": int8.top1,
        "top1_int8_interval": list(int8.top1_interval),
        "images": len(dataset.train) + len(dataset.test),
        "images_trained": len(dataset.train),
        "images_judged": len(dataset.test),
        "divided": dataset.divided,
        "classes": [class_to_json(each) for each in int8.classes],
        "confusion": [outcome_to_json(each, int8.labels) for each in int8.confusion],
        "curve": _curve_to_json(trained.curve),
        "way": trained.way,
        "finetuning": _tuning_to_json(trained.tuned) if trained.tuned else None,
        "training": trained.conversion.artefact.provenance["training"],
        "cross_validation": {"top1": trained.choice.accuracy, "loss": trained.choice.loss},
        "ranges": [fit.to_json() for fit in trained.conversion.fits],
        "alarms": list(trained.alarms),
        "remedies": list(remedies(trained.conversion)),
        "seconds": round(trained.seconds, 1),
        "verdict": trained.conversion.artefact.provenance["verdict"],
        "notes": [*dataset.notes, *trained.conversion.source.notes],
        "skipped": [{"image": name, "reason": reason} for name, reason in dataset.skipped.items()],
    }


def _curve_to_json(curve: Curve) -> dict[str, object]:
    def row(images: int, top1: float, interval: tuple[float, float]) -> dict[str, object]:
        return {"images": images, "top1": top1, "interval": list(interval)}

    twice = curve.doubled
    return {
        "points": [row(each.images, each.top1, each.interval) for each in curve.points],
        "twice_as_many": row(twice.images, twice.top1, twice.interval) if twice else None,
    }


def _tuning_to_json(tuned: Tuned) -> dict[str, object]:
    epochs = [
        {"loss": each.loss, "loss_aside": each.aside_loss, "top1_aside": each.aside_top1} for each in tuned.history
    ]
    return {**tuned.to_json(), "history": epochs}


def training_facts(trained: Trained, path: Path, floating: Path | None) -> Facts:
    """What was trained, how good it is, what more images would bring, and what was made."""
    dataset, int8 = trained.dataset, trained.int8
    yield "Images", f"{len(dataset.train)} to train on, {len(dataset.test)} to judge on ({dataset.divided})"
    yield "Trained", f"{_how(trained)}, in {trained.seconds:.0f} s"
    if trained.tuned:
        yield "Fine-tuning", about_tuning(trained.tuned)
    judged = f"on {len(dataset.test)} images that trained nothing"
    yield "Top-1", f"float {with_interval(trained.top1, trained.interval)} {judged}"
    yield "", f"int8 {with_interval(int8.top1, int8.top1_interval)} on the same"
    for alarm in trained.alarms:
        yield "Alarm", alarm
    for line in _curve_lines(trained.curve):
        yield "More images", line
    for note in dataset.notes:
        yield "Note", note
    for name, reason in list(dataset.skipped.items())[:_SKIPPED]:
        yield "Skipped", f"{name}: {reason}"
    if len(dataset.skipped) > _SKIPPED:
        yield "Skipped", f"and {len(dataset.skipped) - _SKIPPED} more (all of them with --json)"
    if floating:
        yield "Float model", str(floating)
    graph = trained.conversion.artefact.model.graph
    made = Written(ForTarget("edgetpu", trained.conversion), path, placement=judge(graph, Place()))
    yield from conversion_facts(trained.conversion, made)


def training_tables(trained: Trained) -> Iterator[str]:
    """The int8 model by class, and what it confuses most."""
    return evaluation_tables(trained.int8)


def _how(trained: Trained) -> str:
    views = trained.choice.views
    known = "" if math.isnan(trained.choice.accuracy) else f" ({percent(trained.choice.accuracy)} in cross-validation)"
    base = Path(str(trained.conversion.artefact.provenance["training"]["base"])).name
    tuned = trained.tuned
    if tuned and tuned.kept:
        return f"fine-tuned, {tuned.share:.0%} of {base}'s multiply-adds, {tuned.epochs} epochs"
    return f"logistic regression on features of {base}, {views} view{'s' if views > 1 else ''} of each image{known}"


def about_tuning(tuned: Tuned) -> str:
    """Whether fine-tuning was kept, and why."""
    if not tuned.aside:
        return "not kept: the images are too few to tell whether it is better"
    against = f"{percent(tuned.top1)}, the probe {percent(tuned.probe)} of {tuned.aside} images kept aside in turns"
    return f"{'kept' if tuned.kept else 'not kept'}: named {against}"


def _curve_lines(curve: Curve) -> Iterator[str]:
    yield "top-1 by images: " + ", ".join(f"{each.images} {percent(each.top1)}" for each in curve.points)
    if curve.doubled:
        twice = curve.doubled
        yield f"twice as many ({twice.images}) would bring about {with_interval(twice.top1, twice.interval)}"
