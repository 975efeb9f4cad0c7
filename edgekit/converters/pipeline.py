"""convert(): from a trained model's file to a verified `.tflite` that describes itself."""

import logging
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from threadpoolctl import threadpool_limits

from edgekit.calibration import Samples, load_ranges
from edgekit.calibration.class_matching import match_samples
from edgekit.converters.export.find_preprocessing import Finding
from edgekit.converters.export.reference import check_with_keras, float_reference, resolve_preprocessing
from edgekit.converters.images import Data, JudgedOn, choose_images
from edgekit.converters.manifest import Artefact, Provenance, provenance
from edgekit.converters.naming import named
from edgekit.converters.quantization.backend import float_ops
from edgekit.converters.quantization.corrections import AUTO
from edgekit.converters.quantization.float_ops import refuse_float_ops
from edgekit.converters.quantization.risks import Risks, assess_risks
from edgekit.converters.quantization.search.choose import choose, forms
from edgekit.converters.quantization.search.effort import EFFORTS
from edgekit.converters.quantization.search.explain import explain
from edgekit.converters.quantization.search.search import Outcome
from edgekit.converters.recipe import Recipe, sized
from edgekit.converters.sources.source import DirectSource, Source
from edgekit.converters.surgery.student import Student, make_student
from edgekit.evaluation import Verdict, compare
from edgekit.evaluation.sufficiency import Sufficiency, sufficiency
from edgekit.progress import Progress, silent
from edgekit.tflite import read_graph
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
      artefact: the int8 model that describes itself.
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
    """Converts a trained classifier to full int8 and judges the result.

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
    if not recipe.allow_float:
        refuse_float_ops(model.graph, made)
    risks = _risks(made, model, recipe)
    # Two threads share small matrices so poorly that they take five times as long as one; and on another machine they
    # would add up in another order, to other bytes.
    with threadpool_limits(limits=1, user_api="blas"):
        outcome = _search(model, calibration, recipe, progress)
    progress("Quantizing", 0, None)
    int8 = replace(model, graph=outcome.best.quantized(io=recipe.io))
    verdict = _judge(source, model, int8, held_out, progress) if verify else None
    if student and verify:
        original = float_reference(source, finding.spec, calibration, progress=progress)
        against = [_judge(source, original, candidate, held_out, progress) for candidate in (model, int8)]
        student = replace(student, verdict=against[0], int8=against[1])
    settings = {**asdict(recipe), "ranges": Path(recipe.ranges).name}
    record = provenance(source, settings, finding, (calibration, outcome), verdict)
    record |= {"export": {"way": made.way, "off_keras": difference}}
    record |= {"float_ops": dict(Counter(float_ops(int8.graph)))}
    record |= {"surgery": student.to_json()} if student else {}
    made = named(made, calibration, verdict)
    described = read_graph(write_metadata(signed(int8.graph.content), _metadata(made, model, record)))
    noted = replace(made, notes=(*made.notes, *explain(outcome.steps)))
    skipped = {**calibration.skipped, **(held_out.skipped if verify else {})}
    artefact = Artefact(replace(int8, graph=described, labels=made.labels), outcome.best.ranges, record)
    enough = _sufficiency(outcome, calibration, recipe, source.classes)
    return Conversion(artefact, noted, finding, risks, verdict, enough, skipped, judged_on, student)


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
    corrections = effort.corrections if recipe.corrections == AUTO else recipe.corrections
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


def _metadata(source: Source, model: Model, record: Provenance) -> Metadata:
    return Metadata(
        name=source.architecture or Path(source.path).stem,
        description="Image classifier quantized to int8 by edgekit.",
        labels=source.labels,
        input=model.spec,
        output=model.output,
        provenance=record,
    )
