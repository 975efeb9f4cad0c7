"""train(): from a folder of images to a verified int8 `.tflite` that names their classes, without TensorFlow."""

import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgekit.calibration.samples import Data
from edgekit.converters import Conversion, Recipe, convert, load_source
from edgekit.converters.manifest import Provenance
from edgekit.devices.admission import vouch
from edgekit.errors import UsageError
from edgekit.evaluation.accuracy import measure
from edgekit.evaluation.answers import Subject
from edgekit.evaluation.intervals import wilson_interval
from edgekit.preprocess import InputSpec
from edgekit.progress import Progress, silent
from edgekit.tflite import read_graph, read_metadata
from edgekit.tflite.metadata import Metadata, write_metadata
from edgekit.tflite.model import Model
from edgekit.training.base import DEFAULT_BASE, open_base
from edgekit.training.cache import FeatureCache, usual_cache
from edgekit.training.curve import learning_curve
from edgekit.training.dataset import Dataset, Example, as_labelled, as_samples, open_dataset
from edgekit.training.features import extract_features
from edgekit.training.finetuning.finetune import Tuned, finetune, forget, way
from edgekit.training.finetuning.gradient import import_keras
from edgekit.training.finetuning.tail import tail_of
from edgekit.training.head import Backbone, backbone, with_head
from edgekit.training.plan import AUGMENTATIONS, VIEWS, TrainingPlan
from edgekit.training.probe import Choice, Probe, Training, choose, fit_head
from edgekit.training.reading import PLAIN, View
from edgekit.training.saving import check_float
from edgekit.training.trained import Trained

#: Most numbers of a training set's features: two gigabytes. Beyond it there are fewer views.
MOST_NUMBERS = 500_000_000
#: Most scores, of all classes for each view of all images: scikit-learn holds three or four copies of them.
MOST_SCORES = 150_000_000

PLAN = TrainingPlan()


def train(
    images: str | Path,
    plan: TrainingPlan = PLAN,
    *,
    cache: FeatureCache | None = None,
    progress: Progress = silent,
) -> Trained:
    """Trains a classifier on images of known class and converts it to full int8.

    Args:
      images: a folder with a sub-folder for each class, divided into train and test or not.
      plan: see TrainingPlan.
      cache: where features are kept between runs; None for edgekit's own folder.
      progress: called as work goes on.

    Raises:
      DataError: the images cannot be used, see `dataset.open_dataset`.
      MissingDependencyError: scikit-learn or the quantizer is not installed.
      EdgekitError: of the kind that fits, see `edgekit.errors`.
    """
    started, kept = time.monotonic(), usual_cache() if cache is None else cache
    if plan.finetune:
        import_keras()
    base = _base(images, plan, progress)
    _check(base, plan)
    dataset = open_dataset(
        Path(images), base.spec, labels_csv=plan.labels_csv, test=plan.test, seed=plan.seed, progress=progress
    )
    network, truth = backbone(base), np.array([each.label for each in dataset.test])
    given = _training(network, dataset.train, plan, kept, progress)
    judged = extract_features(network, dataset.test, (PLAIN,), kept, stage="Features to judge on", progress=progress)
    kept.prune()
    choice = choose(given, given.features.shape[1], seed=plan.seed, progress=progress)
    head = fit_head(given, choice)
    right = head.probabilities(judged[:, 0]).argmax(axis=1) == truth
    curve = learning_curve(given, choice, (judged[:, 0], truth), right, seed=plan.seed, progress=progress)
    tuned = _tuned(base, dataset, Probe(given, choice, head), plan, kept, progress)
    record = _record(dataset, plan, choice, tuned)
    made = tuned.model if tuned and tuned.model else with_head(base, head.weights, head.bias, dataset.class_names)
    floating = _float_file(made, plan, record)
    conversion = _recorded(_converted(floating, base.spec, dataset, plan, progress), record)
    content, labelled = conversion.artefact.model.graph.content, as_labelled(dataset.test, dataset.class_names)
    int8 = measure(Subject(content), labelled, progress=progress)
    top1, interval = float(right.mean()), wilson_interval(int(right.sum()), len(right))
    if tuned and tuned.kept:
        found = measure(Subject(floating), labelled, progress=progress)
        top1, interval = found.top1, found.top1_interval
    forget(tuned)
    seconds = time.monotonic() - started
    return Trained(conversion, floating, dataset, choice, top1, interval, int8, base.spec, curve, seconds, tuned)


def _check(base: Model, plan: TrainingPlan) -> None:
    """Raises UnsupportedModelError, before the work, for what could not be done at its end."""
    check_float(base, plan.float_suffix)
    if plan.finetune:
        tail_of(base)


def _tuned(
    base: Model, dataset: Dataset, probe: Probe, plan: TrainingPlan, cache: FeatureCache, progress: Progress
) -> Tuned | None:
    if not plan.finetune:
        return None
    return finetune(base, dataset, probe, work=_work_folder(cache), seed=plan.seed, progress=progress)


def _work_folder(cache: FeatureCache) -> Path | None:
    """Where a fine-tuning that was killed left what it had."""
    return cache.folder.with_name("finetuning") if cache.folder else None


def _base(images: str | Path, plan: TrainingPlan, progress: Progress) -> Model:
    """The base, with the input that the plan asks for.

    Raises UsageError where its size is another, and what `open_base` raises.
    """
    # The files of a table need not lie in one folder.
    like: Data = Path(images) if plan.labels_csv is None else None
    base = open_base(plan.base, like, preprocess=plan.preprocess, progress=progress)
    spec = base.spec
    if plan.size not in (None, (spec.height, spec.width)):
        raise UsageError(
            f"The base {plan.base} takes {spec.height}×{spec.width} pixels, not {'×'.join(map(str, plan.size))}.",
            f"Give a --base of that size, such as {DEFAULT_BASE}.",
        )
    return replace(base, spec=replace(spec, interpolation=plan.interpolation or spec.interpolation))


def _training(
    network: Backbone, examples: tuple[Example, ...], plan: TrainingPlan, cache: FeatureCache, progress: Progress
) -> Training:
    classes = len({each.label for each in examples})
    room = min(MOST_NUMBERS // (len(examples) * network.width), MOST_SCORES // (len(examples) * classes))
    views: tuple[View, ...] = VIEWS[: min(AUGMENTATIONS[plan.augment], max(1, room))]
    features = extract_features(network, examples, views, cache, progress=progress)
    numbers = {pixels: number for number, pixels in enumerate(sorted({each.pixels for each in examples}))}
    labels, groups = zip(*((each.label, numbers[each.pixels]) for each in examples), strict=True)
    return Training(features, np.array(labels), np.array(groups), network.widths)


def _record(dataset: Dataset, plan: TrainingPlan, choice: Choice, tuned: Tuned | None) -> dict[str, object]:
    """How the model was trained, for its file and its manifest."""
    return {
        "way": way(tuned),
        **({"finetuning": tuned.to_json()} if tuned else {}),
        "base": Path(plan.base).name,
        "images": len(dataset.train),
        "kept_aside": len(dataset.test),
        "divided": dataset.divided,
        "views": [view.name for view in VIEWS[: choice.views]],
        "penalty": choice.penalty,
        "seed": plan.seed,
    }


def _float_file(model: Model, plan: TrainingPlan, record: Mapping[str, object]) -> bytes:
    """The float model, which describes itself and how it was trained."""
    told = Metadata(
        name=plan.name,
        description="Image classifier trained by edgekit.",
        labels=model.labels,
        input=model.spec,
        output=model.output,
        provenance={"training": record},
    )
    return write_metadata(model.graph, told)


def _converted(
    floating: bytes, spec: InputSpec, dataset: Dataset, plan: TrainingPlan, progress: Progress
) -> Conversion:
    vouch(floating)
    with tempfile.TemporaryDirectory(prefix="edgekit-") as folder:
        path = Path(folder, "float.tflite")
        path.write_bytes(floating)
        source = replace(load_source(path), path=f"{plan.name}.float.tflite", architecture=plan.name)
    names, resize = dataset.class_names, f"crop:{spec.crop}" if spec.resize == "crop" else spec.resize
    train, test = (as_samples(side, names, spec, seed=plan.seed) for side in (dataset.train, dataset.test))
    recipe = Recipe(seed=plan.seed, resize=resize, interpolation=spec.interpolation)
    return convert(source, train, recipe=recipe, verify_data=test, progress=progress)


def _recorded(conversion: Conversion, record: Mapping[str, object]) -> Conversion:
    """The conversion with the training in its model's file and manifest."""
    artefact = conversion.artefact
    told = read_metadata(artefact.model.graph)
    assert told is not None  # convert has just written it
    provenance: Provenance = {"training": record, **artefact.provenance}
    graph = read_graph(write_metadata(artefact.model.graph, replace(told, provenance=provenance)))
    made = replace(artefact, model=replace(artefact.model, graph=graph), provenance=provenance)
    return replace(conversion, artefact=made)
