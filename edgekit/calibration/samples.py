"""Representative data: the images from which ranges are taken and on which results are checked.

`open_samples` turns a folder, an array, an iterable or nothing at all into `Samples`, which can be
iterated again and again, always in the same order, without ever holding all images in memory.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np

from edgekit.calibration.arrays import are_normalized, check_stack, class_indices, read_archive, spool
from edgekit.calibration.folder import drawing_order, list_folder
from edgekit.calibration.scale import pixels, scale_of
from edgekit.calibration.synthetic import dead_leaves
from edgekit.devices.interpreter import allowed_cores
from edgekit.errors import DataError, ImageError, UsageError
from edgekit.preprocess import InputSpec, fit, normalize

#: What `open_samples` takes for images.
Data = str | Path | np.ndarray | Iterable[object] | Callable[[], Iterable[object]] | None


@dataclass(frozen=True)
class Sample:
    """One image as the model will see it, before normalization.

    Attributes:
      name: path relative to the data folder, or "array[12]", "synthetic[3]".
      pixels: uint8 (height, width, channels) in RGB or grey; float32 where `prepared`.
      label: class index where folders or arrays give one, else None.
      prepared: whether `pixels` came from the user as normalized numbers, to be used as they are.
    """

    name: str
    pixels: np.ndarray
    label: int | None
    prepared: bool = False

    def input(self, spec: InputSpec) -> np.ndarray:
        """The model's input, float32 (1, height, width, channels)."""
        pixels = self.pixels if self.prepared else normalize(self.pixels, spec)
        return np.ascontiguousarray(pixels, np.float32)[np.newaxis]


@dataclass(frozen=True)
class Candidate:
    """An image that may be drawn: its name, its class index, and its position in the source."""

    name: str
    label: int | None
    position: int


@dataclass(frozen=True)
class Samples:
    """Images of one size in a fixed order, decoded ahead of the consumer by a few threads.

    Attributes:
      count: how many images an iteration gives, unless too many of them cannot be decoded.
      kind: "data" (a folder), "array" (arrays and iterables) or "synthetic".
      seed: what the drawing of images, or their synthesis, was seeded with.
      class_names: names of the class folders, sorted; () where there are none. Labels that came
        with an array are indices without names.
      origin: what the images came from, for people: a folder's or file's name without its path.
      spec: the input for which the images are sized.
      skipped: name → a sentence that names the image and why it could not be decoded, so far; one
        and the same for everything split or resized from one `open_samples`.
    """

    count: int
    kind: str
    seed: int
    class_names: tuple[str, ...]
    origin: str
    spec: InputSpec
    candidates: Sequence[Candidate] = field(repr=False)
    read: Callable[[int, InputSpec], np.ndarray] = field(repr=False)
    prepared: bool = False
    skipped: dict[str, str] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return self.count

    def unlabelled(self) -> "Samples":
        """The same images without what is known of their classes."""
        return replace(self, class_names=(), candidates=[replace(one, label=None) for one in self.candidates])

    def __iter__(self) -> Iterator[Sample]:
        """Gives `count` images; one that cannot be decoded is noted and replaced by the next in line.

        Raises:
          DataError: not one image can be decoded.
        """
        given = 0
        for candidate, outcome in self._decoded_ahead():
            if isinstance(outcome, ImageError):
                self.skipped[candidate.name] = outcome.message
            else:
                given += 1
                yield Sample(candidate.name, outcome, candidate.label, self.prepared)
        if self.count and not given:
            first = self.skipped[self.candidates[0].name]
            raise DataError(
                f"None of the {len(self.candidates)} images in {self.origin} can be decoded; the first: {first}",
                "Give intact images.",
            )

    def _decoded_ahead(self) -> Iterator[tuple[Candidate, np.ndarray | ImageError]]:
        """(candidate, its pixels or why there are none) in order, until `count` had pixels."""
        missing, waiting = self.count, iter(self.candidates)
        pending: deque[tuple[Candidate, Future[np.ndarray | ImageError]]] = deque()
        threads = min(8, allowed_cores())
        with ThreadPoolExecutor(threads) as pool:
            try:
                while missing:
                    for candidate in islice(waiting, min(missing, 2 * threads) - len(pending)):
                        pending.append((candidate, pool.submit(self._outcome, candidate)))
                    if not pending:
                        return
                    candidate, future = pending.popleft()
                    outcome = future.result()
                    missing -= not isinstance(outcome, ImageError)
                    yield candidate, outcome
            finally:  # the consumer may have stopped early
                for _, future in pending:
                    future.cancel()

    def _outcome(self, candidate: Candidate) -> np.ndarray | ImageError:
        try:
            return self.read(candidate.position, self.spec)
        except ImageError as error:
            return error

    def take(self, count: int) -> "Samples":
        """The first `count` images; all where there are fewer."""
        return replace(self, count=max(0, min(count, self.count)))

    def split(self, first: int) -> tuple["Samples", "Samples"]:
        """(the first `first` images, the rest): no image is ever in both.

        Images beyond `count`, which stand in for broken ones, are dealt to both in turn.
        """
        head = self.take(first)
        chosen, spare = self.candidates[: self.count], self.candidates[self.count :]
        return (
            replace(head, candidates=(*chosen[: head.count], *spare[0::2])),
            replace(self, count=self.count - head.count, candidates=(*chosen[head.count :], *spare[1::2])),
        )

    def as_images(self, spec: InputSpec) -> "Samples":
        """The same samples as images of pixels: normalized arrays are brought back to 0..255.

        Args:
          spec: of the model, whose scale the arrays are on unless they plainly are on 0..1 or -1..1.

        Raises:
          DataError: the arrays are on another scale than the model's.
        """
        if not self.prepared:
            return self
        arrays = (self.read(candidate.position, self.spec) for candidate in self.candidates)
        lows, highs = zip(*((float(array.min()), float(array.max())) for array in arrays), strict=True)
        scale = scale_of(min(lows), max(highs), spec)

        def read(index: int, wanted: InputSpec) -> np.ndarray:
            image = pixels(self.read(index, self.spec), scale)
            return image if wanted.shape == self.spec.shape else fit(image, wanted)

        return replace(self, read=read, prepared=False)

    def resized(self, spec: InputSpec) -> "Samples":
        """The same images for another input.

        Raises:
          DataError: the images are normalized arrays, which cannot be resized.
        """
        if self.prepared and spec.shape != self.spec.shape:
            raise _wrong_size(self.spec.shape, spec)
        return replace(self, spec=spec)


def _wrong_size(shape: tuple[int, ...], spec: InputSpec) -> DataError:
    return DataError(
        f"The normalized arrays have shape {shape}, the model takes {spec.shape}.",
        "Give arrays of the model's size, or uint8 pixels, which edgekit resizes.",
    )


def open_samples(data: Data, spec: InputSpec, *, count: int | None = 200, seed: int = 0) -> Samples:
    """Opens representative data.

    Args:
      data: a folder of images; a `.npz` or `.npy` file; an array (N, H, W, C) or (N, H, W); an
        iterable of images or arrays, or a function that returns one; None for synthetic images; Samples, whose
        order stays.
        Arrays hold pixels (uint8, or floats from 0 to 255) or, as floats within about ±4, images
        normalized already.
      spec: the input for which the images are sized.
      count: at most so many images; None for all there are.
      seed: another seed draws other images of a folder or array, and makes other synthetic ones.

    Raises:
      DataError: there is nothing there, or nothing that can be used.
      UsageError: `count` is not positive, or is None where images have no end; or `seed` is negative.
    """
    if count is not None and count < 1:
        raise UsageError(f"{count} sample images were asked for.", "Ask for at least one.")
    if seed < 0:
        raise UsageError(f"The seed is {seed}.", "Give a number that is not negative.")
    if data is None:
        return _synthetic(spec, count, seed)
    if isinstance(data, Samples):
        return data.resized(spec).take(data.count if count is None else count)
    if isinstance(data, (str, Path)):
        return _from_path(Path(data), spec, count, seed)
    if isinstance(data, np.ndarray):
        return _from_stack((data, None), "array", spec, count, seed)
    return _from_iterable(data, spec, count, seed)


def _synthetic(spec: InputSpec, count: int | None, seed: int) -> Samples:
    if count is None:
        raise UsageError("Synthetic images have no end.", "Say how many to make.")
    candidates = tuple(Candidate(f"synthetic[{index}]", None, index) for index in range(count))

    def read(index: int, spec: InputSpec) -> np.ndarray:
        return dead_leaves(seed, index, spec.shape)

    return Samples(count, "synthetic", seed, (), "synthetic images", spec, candidates, read)


def _from_path(path: Path, spec: InputSpec, count: int | None, seed: int) -> Samples:
    if path.suffix.lower() in (".npz", ".npy") and not path.is_dir():
        return _from_stack(read_archive(path), path.name, spec, count, seed)
    if path.is_file():
        hint = "Give the folder that holds the images, or a .npz or .npy file."
        raise DataError(f"'{path}' is a single file, not a folder of images.", hint)
    listing = list_folder(path)

    def read(index: int, spec: InputSpec) -> np.ndarray:
        name = listing.names[index]
        try:
            return fit(path / name, spec)
        except ImageError as error:  # manifests name images, not the folders of somebody's machine
            raise ImageError(error.message.replace(str(path / name), name)) from error

    order = drawing_order(listing.names, listing.labels, seed)
    candidates = tuple(Candidate(listing.names[i], listing.labels[i], i) for i in order)
    planned = len(order) if count is None else min(count, len(order))
    return Samples(planned, "data", seed, listing.class_names, path.resolve().name, spec, candidates, read)


def _from_stack(
    stack: tuple[np.ndarray, np.ndarray | None], origin: str, spec: InputSpec, count: int | None, seed: int
) -> Samples:
    images, labels = stack
    check_stack(images)
    names = [f"array[{index}]" for index in range(len(images))]
    groups = class_indices(labels, len(images))
    order = drawing_order(names, groups, seed)[:count]
    candidates = tuple(Candidate(names[index], groups[index], index) for index in order)
    return _from_arrays(images, candidates, spec, origin=origin, seed=seed)


def _from_iterable(data: object, spec: InputSpec, count: int | None, seed: int) -> Samples:
    spooled = spool(data, count)
    candidates = tuple(Candidate(f"array[{index}]", None, index) for index in range(len(spooled)))
    return _from_arrays(spooled, candidates, spec, origin="iterable", seed=seed)


def _from_arrays(
    images: Sequence[np.ndarray] | np.ndarray,
    candidates: tuple[Candidate, ...],
    spec: InputSpec,
    *,
    origin: str,
    seed: int,
) -> Samples:
    if not candidates:
        raise DataError("The iterable gives no images.", "A generator that was used up gives none: pass a new one.")
    prepared = are_normalized(images[candidate.position] for candidate in candidates)

    def read(index: int, spec: InputSpec) -> np.ndarray:
        image = images[index]
        if prepared:
            return np.asarray(image, np.float32).reshape(spec.shape)
        return fit(np.clip(np.rint(image), 0, 255).astype(np.uint8), spec)

    if prepared:
        for candidate in candidates:
            shape = images[candidate.position].shape
            if shape != spec.shape and (*shape, 1) != spec.shape:
                raise _wrong_size(shape, spec)
    return Samples(len(candidates), "array", seed, (), origin, spec, candidates, read, prepared)
