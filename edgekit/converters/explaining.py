"""explain(): which parts of images speak for a class, by one model or by several side by side."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from os import fspath
from pathlib import Path

import numpy as np

from edgekit.calibration.folder import drawing_order, list_folder
from edgekit.calibration.samples import open_samples
from edgekit.converters.export.reference import PROBES, float_reference, resolve_preprocessing
from edgekit.converters.finished import if_finished
from edgekit.converters.sources.open import load_source
from edgekit.converters.sources.source import Source
from edgekit.errors import ImageError, UnsupportedModelError, UsageError
from edgekit.evaluation.activation import Explainer, Places, correlation
from edgekit.image import decode
from edgekit.preprocess import InputSpec, fit, normalize
from edgekit.progress import Progress, silent
from edgekit.tflite.model import Model

#: Images of a folder, unless told otherwise: what one looks through.
IMAGES = 20
#: Images to find the preprocessing by need no more pixels along a side.
_PROBE_SIDE = 512
#: Rows and columns of the grid on which maps of different shapes are compared.
_FINE = 64


@dataclass(frozen=True)
class ActivationMap:
    """What a model sees in one image.

    Attributes:
      model: the model's name, as in `Explanation.models`.
      pixels: uint8 (height, width, channels): the image at the size of the model's input.
      values: float64 (rows, columns): how much each part speaks for the class, in score units.
      places: where in the image these parts are.
      score: the probability of the class that is explained, 0–1.
      predicted: name of the class that this model finds most probable.
      correlation: Pearson's, of `values` with those of the first model; None for the first, and where one of both maps
        is the same everywhere.
    """

    model: str
    pixels: np.ndarray = field(repr=False)
    values: np.ndarray = field(repr=False)
    places: Places = field(repr=False)
    score: float
    predicted: str
    correlation: float | None = None


@dataclass(frozen=True)
class ExplainedImage:
    """One image through the eyes of all models.

    Attributes:
      image: its file.
      index, label: the class that is explained: the one asked for, else the first model's prediction.
      maps: one for each model, in order.
    """

    image: str
    index: int
    label: str
    maps: tuple[ActivationMap, ...]


@dataclass(frozen=True)
class Explanation:
    """What `explain` found.

    Attributes:
      models: names, the first one's first.
      ways: for each model how its maps were made: "cam", "grad-cam" or "occlusion", see `evaluation.activation.maps`.
      images: those that could be decoded.
      skipped: image → why it could not.
    """

    models: tuple[str, ...]
    ways: tuple[str, ...]
    images: tuple[ExplainedImage, ...]
    skipped: dict[str, str]

    def correlations(self, model: int) -> tuple[float, ...]:
        """The correlations of a model's maps with the first one's, without those that are None."""
        found = (image.maps[model].correlation for image in self.images)
        return tuple(value for value in found if value is not None)


def explain(
    model: str | Path,
    images: str | Path | Iterable[str | Path],
    *,
    against: Sequence[str | Path] = (),
    label: str | None = None,
    preprocess: str | None = None,
    trust: bool = False,
    progress: Progress = silent,
) -> Explanation:
    """Computes activation maps: which parts of each image speak for its class.

    Args:
      model: a `.tflite`, float or quantized, or a trained model that `load_source` opens.
      images: files, and folders, which stand for some of their images, see `chosen_files`.
      against: further models, whose maps are made for the same classes and compared with the first one's.
      label: name, or number from 0 on, of the class to explain; None for the first model's prediction on each image.
      preprocess: scaling of pixels where a model does not tell it.
      trust: let the models' files run their own code (Lambda and custom layers).
      progress: called as work goes on.

    Raises:
      ImageError: not one image can be decoded.
      UsageError: no model has the class.
      EdgekitError: a model cannot be opened, of the kind that fits.
    """
    files = chosen_files([images] if isinstance(images, (str, Path)) else images)
    _refuse_undecodable(files)
    paths = [Path(model), *map(Path, against)]
    names = _names(paths)
    models = _opened(paths, files, preprocess, trust=trust, progress=progress)
    classes, explainers = _Classes(models, names, label), [Explainer(model) for model in models]
    explained, skipped = [], {}
    for done, file in enumerate(files, 1):
        try:
            explained.append(_explained(file, explainers, classes, names))
        except ImageError as error:
            skipped[file] = error.message
        progress("Explaining", done, len(files))
    return Explanation(names, tuple(one.way for one in explainers), tuple(explained), skipped)


def _names(paths: Sequence[Path]) -> tuple[str, ...]:
    """The files' names, with their folders where that tells them apart."""
    short = tuple(path.name for path in paths)
    return short if len(set(short)) == len(short) else tuple(map(str, paths))


def chosen_files(given: Iterable[str | Path], count: int = IMAGES) -> list[str]:
    """The files; in a folder's place up to `count` of its images, always the same, evenly from class folders.

    Raises DataError where a folder holds no image.
    """
    files: list[str] = []
    for path in map(Path, given):
        if not path.is_dir():
            files.append(fspath(path))
            continue
        listing = list_folder(path)
        drawn = drawing_order(listing.names, listing.labels, 0)[:count]
        files += [fspath(path / listing.names[index]) for index in sorted(drawn)]
    return files


def _refuse_undecodable(files: Sequence[str]) -> None:
    """Raises ImageError where not one image can be decoded, before models are opened."""
    problems = []
    for file in files:
        try:
            decode(file, least=_PROBE_SIDE)
            return
        except ImageError as error:
            problems.append(error.message)
    first = problems[0] if problems else "no file was given."
    raise ImageError(f"None of the {len(files)} images can be decoded; the first: {first}", "Give intact images.")


def _images(files: Sequence[str]) -> Iterator[np.ndarray]:
    """What can be decoded, one after the other, large photographs at a part of their size."""
    for file in files:
        with suppress(ImageError):
            yield np.asarray(decode(file, least=_PROBE_SIDE))


def _opened(
    paths: Sequence[Path], files: Sequence[str], preprocess: str | None, *, trust: bool, progress: Progress
) -> list[Model]:
    """Each model ready to run: a quantized one as it is, another as the float model that a conversion begins with."""
    known = {path: if_finished(path, preprocess) for path in paths}
    finished = {path: model for path, model in known.items() if model is not None}
    like = next((model.spec for model in finished.values()), None)
    models = []
    for path in paths:
        if path not in finished:
            progress(f"Opening {path.name}", 0, None)
            source = _source(path, like, trust=trust)
            samples = open_samples(_images(files), source.spec, count=PROBES)
            spec = resolve_preprocessing(source, samples, preprocess, progress=progress).spec
            reference = float_reference(source, spec, samples, progress=progress)
            finished[path] = replace(reference, labels=source.labels)
        models.append(finished[path])
    return models


def _source(path: Path, like: InputSpec | None, *, trust: bool) -> Source:
    """A trained model; one that leaves its images' size open takes those of another model."""
    try:
        return load_source(path, trust=trust)
    except UnsupportedModelError:
        if like is None:
            raise
        return load_source(path, trust=trust, size=(like.height, like.width))


class _Classes:
    """The class to explain, among the outputs of every model."""

    def __init__(self, models: Sequence[Model], names: Sequence[str], label: str | None) -> None:
        """Raises UsageError where there is no class of that name."""
        self._models, self._names = models, names
        self._labels = next((model.labels for model in models if model.labels), ())
        self._chosen = None if label is None else self._index(label)

    def of(self, predicted: int) -> int:
        """The class to explain where the first model predicts this one."""
        return predicted if self._chosen is None else self._chosen

    def name(self, index: int, model: int = 0) -> str:
        """What a model's output stands for."""
        labels = self._models[model].labels or self._labels
        return labels[index] if index < len(labels) else f"class {index}"

    def place(self, index: int, model: int, outputs: int) -> int:
        """A class of the first model among the outputs of another: by its name, else by its number.

        Raises UsageError where that model has no such class.
        """
        name, own = self.name(index), self._models[model].labels
        place = index
        if own and self._models[0].labels:
            place = own.index(name) if name in own else outputs
        if place >= outputs:
            raise UsageError(
                f"{self._names[model]} has no class {name!r}.", "Compare models of one task." if model else None
            )
        return place

    def _index(self, label: str) -> int:
        names = [name.casefold() for name in self._labels]
        if label.casefold() in names:
            return names.index(label.casefold())
        if label.isdecimal():
            return int(label)
        known = f"It has: {', '.join(self._labels[:10])}{' …' if len(names) > 10 else ''}." if names else None
        raise UsageError(f"The model has no class {label!r}.", known or "Its classes have no names: give a number.")


def _explained(file: str, explainers: Sequence[Explainer], classes: _Classes, names: Sequence[str]) -> ExplainedImage:
    maps: list[ActivationMap] = []
    index = 0
    for number, (explainer, name) in enumerate(zip(explainers, names, strict=True)):
        spec = explainer.model.spec
        pixels = fit(file, spec)
        seen = explainer.see(normalize(pixels, spec)[np.newaxis])
        predicted = int(np.argmax(seen.probabilities))
        if number == 0:
            index = classes.of(predicted)
        place = classes.place(index, number, len(seen.probabilities))
        values, score = explainer.map(seen, place), float(seen.probabilities[place])
        made = ActivationMap(name, pixels, values, explainer.places, score, classes.name(predicted, number))
        maps.append(replace(made, correlation=_alike(maps[0], made)) if maps else made)
    return ExplainedImage(file, index, classes.name(index), tuple(maps))


def _alike(first: ActivationMap, second: ActivationMap) -> float | None:
    """The correlation of two maps; of maps of different shapes on a fine grid over the image."""
    if first.values.shape == second.values.shape:
        return correlation(first.values, second.values)
    return correlation(*(each.places.spread(each.values, _FINE, _FINE) for each in (first, second)))
