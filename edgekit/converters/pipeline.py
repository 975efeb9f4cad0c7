"""convert(): from a trained model's file to a verified `.tflite` that describes itself."""

import logging
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from threadpoolctl import threadpool_limits

from edgekit.calibration import Samples, load_ranges
from edgekit.calibration.class_matching import match_samples
from edgekit.calibration.distribution import RangeFit, worst_fits
from edgekit.converters.export.find_preprocessing import Finding
from edgekit.converters.export.reference import check_with_keras, float_reference, resolve_preprocessing
from edgekit.converters.images import Data, JudgedOn, choose_images
from edgekit.converters.manifest import Artefact, Provenance, provenance
from edgekit.converters.naming import named
from edgekit.converters.quantization.backend import float_ops, with_smaller_weights
from edgekit.converters.quantization.corrections import AUTO
from edgekit.converters.quantization.float_ops import refuse_float_ops
from edgekit.converters.quantization.risks import Risks, assess_risks
from edgekit.converters.quantization.search.choose import choose, forms
from edgekit.converters.quantization.search.effort import EFFORTS
from edgekit.converters.quantization.search.explain import explain
from edgekit.converters.quantization.search.search import Candidate, Outcome
from edgekit.converters.recipe import Recipe, sized
from edgekit.converters.sources.source import DirectSource, Source
from edgekit.converters.surgery.student import Student, make_student
from edgekit.evaluation import Verdict, compare
from edgekit.evaluation.cost import Cost, cost
from edgekit.evaluation.sufficiency import Sufficiency, sufficiency
from edgekit.progress import Progress, silent
from edgekit.tflite import Graph, read_graph
from edgekit.tflite.metadata import Metadata, write_metadata
from edgekit.tflite.model import Model
from edgekit.tflite.signatures import signed

#: What a user who says nothing gets.
DEFAULT = Recipe()

_LOG = logging.getLogger("edgekit.converters")


@dataclass(frozen=True)
class Conversion:
    """What `convert` made and found.

    Attributes:
      artefact: the model that describes itself.
      source: what it was made from.
      preprocessing: how images are prepared, and how that was found out.
      risks: what to expect of such a model in int8, as it was logged before the work; None where nothing speaks
        against it.
      verdict: the int8 model against its float original; None where it was not asked for.
      enough: whether more calibration images would change the ranges; None for synthetic ones, for ranges from a
        file, and where there are too few to tell.
      skipped: name → reason of the images that could not be used.
      judged_on: the images of the verdict.
      student: what a surgery made of the original, and how the two compare; None without surgery. `source` and
        `verdict` are then the student's.
      fits: the ranges that leave the least SQNR, the worst first; () where there are none.
      cost: what the float model and the result take, side by side; None where no verdict was asked for.
    """

    artefact: Artefact
    source: Source
    preprocessing: Finding
    risks: Risks | None
    verdict: Verdict | None
    enough: Sufficiency | None
    skipped: dict[str, str]
    judged_on: JudgedOn
    student: Student | None = None
    fits: tuple[RangeFit, ...] = ()
    cost: Cost | None = None

    @property
    def alarms(self) -> tuple[str, ...]:
        """What makes the figures unbelievable, in sentences; () where nothing does."""
        contradicted = self.preprocessing.contradicted
        return (*((contradicted,) if contradicted else ()), *(self.verdict.alarms if self.verdict else ()))

    def unmet(self, max_drop: float | None, min_agreement: float | None) -> str | None:
        """Which of these demands the verdict does not meet, in words; None where it meets them.

        After a surgery, the int8 model has to meet them against the original.
        """
        verdict = self.student.int8 if self.student else self.verdict
        return verdict.unmet(max_drop, min_agreement) if verdict else None


def convert(
    source: Source,
    data: Data = None,
    *,
    recipe: Recipe = DEFAULT,
    verify: bool = True,
    verify_data: Data = None,
    check_export: bool = False,
    progress: Progress = silent,
) -> Conversion:
    """Converts a trained classifier, to full int8 unless the recipe says otherwise, and judges the result.

    Args:
      source: from `load_source`.
      data: representative images, as `open_samples` takes them; None for synthetic ones.
      recipe: see Recipe.
      verify: whether to judge the result.
      verify_data: images to judge it on. Without them a part of `data` is kept aside for that; without `data`, or
        where it has three images or fewer, synthetic ones other than those of the calibration.
      check_export: compare a float model that was exported without Keras with what Keras computes. Other ones are
        compared with its source anyway.
      progress: called as work goes on.

    Raises:
      EdgekitError: of the kind that fits, see `edgekit.errors`.
    """
    ready = prepare(
        source, data, recipe, verify=verify, verify_data=verify_data, check_export=check_export, progress=progress
    )
    return finish(ready, recipe, search(ready, recipe, progress), progress)


@dataclass(frozen=True)
class Prepared:
    """What conversions of one source for several targets have in common.

    Attributes:
      source: what was opened; `made`: that, or the student that a surgery made of it.
      model: the float model of `made`.
      finding: its preprocessing.
      calibration, held_out: images to calibrate and to judge on; `judged_on` says where the latter are from.
      student: of a surgery, or None.
      off_keras: how far the export is off what Keras computes, or None.
      verify: whether to judge.
    """

    source: Source
    made: Source
    model: Model
    finding: Finding
    calibration: Samples
    held_out: Samples
    judged_on: JudgedOn
    student: Student | None
    off_keras: float | None
    verify: bool


@dataclass(frozen=True)
class Searched:
    """How the ranges for int8 were found, and what was to be expected of such a model."""

    outcome: Outcome
    risks: Risks | None


def prepare(
    source: Source,
    data: Data,
    recipe: Recipe,
    *,
    verify: bool,
    verify_data: Data,
    check_export: bool,
    progress: Progress,
) -> Prepared:
    """Opens the images, finds the preprocessing and exports the float model. Arguments as for `convert`."""
    spec = sized(source.spec, recipe)
    calibration, held_out, judged_on = choose_images(data, verify_data, spec, recipe, verify=verify)
    finding = resolve_preprocessing(replace(source, spec=spec), calibration, recipe.preprocess, progress=progress)
    calibration, held_out = calibration.as_images(finding.spec), held_out.as_images(finding.spec)
    student = _student(replace(source, spec=finding.spec), calibration, recipe, progress)
    made = student.source if student else source
    model = float_reference(made, finding.spec, calibration, progress=progress)
    difference = None
    if check_export and isinstance(made, DirectSource):
        progress("Comparing the export with Keras", 0, None)
        difference = check_with_keras(made, finding.spec, model, calibration)
    return Prepared(source, made, model, finding, calibration, held_out, judged_on, student, difference, verify)


def search(ready: Prepared, recipe: Recipe, progress: Progress, known: Searched | None = None) -> Searched | None:
    """The ranges that an int8 recipe asks for: those `known` of another target, or searched. Raises as `convert`."""
    if recipe.precision != "int8":
        return None
    if not recipe.allow_float:
        refuse_float_ops(ready.model.graph, ready.made)
    if known is not None:
        return known
    risks = _risks(ready.made, ready.model, recipe)
    # Two threads share small matrices so poorly that they take five times as long as one; and on another machine
    # they would add up in another order, to other bytes.
    with threadpool_limits(limits=1, user_api="blas"):
        return Searched(_search(ready.model, ready.calibration, recipe, progress), risks)


def finish(ready: Prepared, recipe: Recipe, searched: Searched | None, progress: Progress) -> Conversion:
    """Makes the model that a recipe describes and judges it; `searched` counts for int8. Raises as `convert`."""
    source, finding, model, made = ready.source, ready.finding, ready.model, ready.made
    progress("Quantizing", 0, None)
    outcome = searched.outcome if searched else None
    graph = _int8(recipe, outcome) if outcome else with_smaller_weights(model.graph, recipe.precision)
    smaller = replace(model, graph=graph)
    verdict = _judge(source, model, smaller, ready.held_out, progress) if ready.verify else None
    student = _judged_student(ready, smaller, progress) if ready.verify else ready.student
    settings = {**asdict(recipe), "io": recipe.io_type, "ranges": Path(recipe.ranges).name}
    record = provenance(source, settings, finding, (ready.calibration, outcome) if outcome else None, verdict)
    record |= {"export": {"way": made.way, "off_keras": ready.off_keras}}
    record |= {"float_ops": dict(Counter(float_ops(graph)))}
    record |= {"surgery": student.to_json()} if student else {}
    made = named(made, ready.calibration, verdict)
    described = read_graph(write_metadata(signed(graph.content), _metadata(made, model, record)))
    noted = replace(made, notes=(*made.notes, *(explain(outcome.steps) if outcome else ())))
    skipped = {**ready.calibration.skipped, **(ready.held_out.skipped if ready.verify else {})}
    ranges = outcome.best.ranges if outcome else None
    artefact = Artefact(replace(smaller, graph=described, labels=made.labels), ranges, record)
    enough = _sufficiency(outcome, ready.calibration, recipe, source.classes) if outcome else None
    risks = searched.risks if searched else None
    fits = _worst_fits(outcome.best) if outcome else ()
    taken = cost(model, smaller) if ready.verify else None
    return Conversion(artefact, noted, finding, risks, verdict, enough, skipped, ready.judged_on, student, fits, taken)


def _int8(recipe: Recipe, outcome: Outcome) -> Graph:
    best = replace(outcome.best, form=replace(outcome.best.form, allow_float=recipe.allow_float))
    return best.quantized(io=recipe.io_type)


def _worst_fits(best: Candidate) -> tuple[RangeFit, ...]:
    return worst_fits(best.form.model.graph, best.form.observations, best.ranges)


def _judged_student(ready: Prepared, int8: Model, progress: Progress) -> Student | None:
    if ready.student is None:
        return None
    original = float_reference(ready.source, ready.finding.spec, ready.calibration, progress=progress)
    against = [_judge(ready.source, original, each, ready.held_out, progress) for each in (ready.model, int8)]
    return replace(ready.student, verdict=against[0], int8=against[1])


def _student(source: Source, images: Samples, recipe: Recipe, progress: Progress) -> Student | None:
    if recipe.surgery == "none":
        return None
    return make_student(source, recipe.surgery, images, minutes=recipe.surgery_minutes, progress=progress)


def _risks(source: Source, model: Model, recipe: Recipe) -> Risks | None:
    """What to expect, logged at once: what comes now takes minutes on large models."""
    risks = assess_risks(model.graph, source.architecture, ranges=recipe.ranges, corrections=recipe.corrections)
    if risks is not None:
        _LOG.log(logging.INFO if risks.handled else logging.WARNING, "%s", risks)
    return risks


def _search(model: Model, calibration: Samples, recipe: Recipe, progress: Progress) -> Outcome:
    effort = EFFORTS[recipe.effort]
    ranges = load_ranges(recipe.ranges) if Path(recipe.ranges).suffix == ".json" else recipe.ranges
    ranges = effort.ranges if ranges == AUTO else ranges
    asked = [name.strip() for name in recipe.corrections.split(",")]
    corrections = ",".join(effort.corrections if name == AUTO else name for name in asked)
    candidates = forms(model, calibration, corrections, allow_float=recipe.allow_float, progress=progress)
    return choose(candidates, calibration, ranges=ranges, corrections=corrections, effort=effort, progress=progress)


def _sufficiency(outcome: Outcome, calibration: Samples, recipe: Recipe, classes: int) -> Sufficiency | None:
    if calibration.kind == "synthetic" or Path(recipe.ranges).suffix == ".json":
        return None
    observations, method = outcome.best.form.observations, outcome.best.ranges.method
    return sufficiency(observations, method, calibration.class_names, outputs=classes, seed=recipe.seed)


def _judge(source: Source, reference: Model, candidate: Model, images: Samples, progress: Progress) -> Verdict:
    return compare(
        reference,
        candidate,
        images,
        source="synthetic" if images.kind == "synthetic" else "data",
        matching=match_samples(images, source.labels, source.classes),
        progress=progress,
    )


#: Precision → what the model says about itself.
_DESCRIBED = {
    "int8": "Image classifier quantized to int8 by edgekit.",
    "float16": "Image classifier with weights in float16, by edgekit.",
    "dynamic": "Image classifier with weights in int8 and activations in float, by edgekit.",
}


def _metadata(source: Source, model: Model, record: Provenance) -> Metadata:
    return Metadata(
        name=source.architecture or Path(source.path).stem,
        description=_DESCRIBED[str(record["recipe"]["precision"])],
        labels=source.labels,
        input=model.spec,
        output=model.output,
        provenance=record,
    )
