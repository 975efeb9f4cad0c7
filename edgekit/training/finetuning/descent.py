"""The tail's weights by gradient descent in Keras: AdamW, a warm-up and a cosine, smoothed labels, weighted classes.

Nothing random is drawn that its place does not decide: the order of an epoch's images comes from seed and epoch. So the
state between two steps is weights, AdamW's moments and a few counts, and a run that goes on from it does what it would
have done.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from edgekit.training.finetuning.checkpoint import load_state, save_state
from edgekit.training.finetuning.gradient import adamw, compiled, load_tail
from edgekit.training.finetuning.passes import Passes
from edgekit.training.finetuning.tail import Tail, Weights

#: Seconds between two states on disk: what a kill may cost, apart from the epoch's evaluation.
SECONDS = 20.0
_JUDGED_AT_ONCE = 64


@dataclass(frozen=True)
class Schedule:
    """How is trained.

    Attributes:
      epochs: over which the learning rate falls to 0.
      rate: the highest learning rate, reached after one epoch.
      decay: AdamW's weight decay; biases have none.
      smoothing: share of each label that is spread over all classes.
      batch: images for each step.
      patience: a run ends when for so many epochs no more of the images kept aside were named rightly. Their loss would
        end it early: smoothed labels make scores less sure of themselves while more of them become right.
      blend: how far to go from the weights that a run starts from to those it ends with, 0–1: what lies between is
        better than either on images that trained nothing (Wortsman et al. 2022, arXiv 2109.01903).
      seed: of the order of the images.
    """

    epochs: int = 12
    rate: float = 4e-4
    decay: float = 0.05
    smoothing: float = 0.1
    batch: int = 32
    patience: int = 5
    blend: float = 0.75
    seed: int = 0

    def rate_at(self, step: int, steps: int) -> float:
        """The learning rate of a step, where an epoch has so many."""
        if step < steps:
            return self.rate * (step + 1) / steps
        part = (step - steps) / max(1, (self.epochs - 1) * steps)
        return float(self.rate * 0.5 * (1 + np.cos(np.pi * part)))


@dataclass(frozen=True)
class Lesson:
    """What one run trains on.

    Attributes:
      name: of its state on disk.
      passes: over the images.
      labels: int (images,).
      train, aside: indices of the images to train on, and of those that are judged after each epoch.
      start: the tail's weights.
    """

    name: str
    passes: Passes = field(repr=False)
    labels: np.ndarray = field(repr=False)
    train: np.ndarray = field(repr=False)
    aside: np.ndarray = field(repr=False)
    start: Weights = field(repr=False)


@dataclass(frozen=True)
class Epoch:
    """What came of an epoch; figures of images kept aside are NaN where there are none.

    Attributes:
      loss: mean over the images trained on, of smoothed labels.
      aside_loss: mean negative log-likelihood of the images kept aside.
      aside_top1: part of them that was named rightly, 0–1.
    """

    loss: float
    aside_loss: float
    aside_top1: float


@dataclass(frozen=True)
class Run:
    """A run's state between two steps.

    Attributes:
      epoch, step: of the next step.
      total: sum of the losses of this epoch's steps so far.
      history: of the epochs that are over.
      tensors: the model's weights, then AdamW's variables, as Keras lists them.
    """

    epoch: int
    step: int
    total: float
    history: tuple[Epoch, ...]
    tensors: tuple[np.ndarray, ...] = field(repr=False)

    def ended(self, epochs: int, patience: int) -> bool:
        """Whether there is nothing more to do."""
        return self.epoch >= epochs or 0 < best_epoch(self.history) <= self.epoch - patience


class Descent:
    """A tail in Keras, with its optimizer; runs take turns on it."""

    def __init__(self, tail: Tail, schedule: Schedule, classes: int) -> None:
        """Raises MissingDependencyError without TensorFlow, or where Keras uses something else."""
        self._schedule, self._classes = schedule, classes
        self._names = [name for name, weights in tail.weights.items() if weights]
        self._model = load_tail(tail)
        self._optimizer = adamw(self._model, schedule.rate, schedule.decay)
        self._fresh = tuple(variable.numpy() for variable in self._optimizer.variables)
        self._step, self._scores = compiled(self._model, self._optimizer, tail.shapes)

    def run(self, lesson: Lesson, epochs: int, tick: Callable[[int], None]) -> tuple[Weights, tuple[Epoch, ...]]:
        """Trains, or goes on from the state on disk, beside the passes.

        Args:
          epochs: after which it stops, however many the schedule has.
          tick: called with the number of steps done.

        Returns:
          The blended weights after the last epoch, and what came of each.
        """
        path, saved = lesson.passes.folder / f"{lesson.name}.npz", time.monotonic()
        state = self._resumed(lesson, path)
        steps = step_count(len(lesson.train), self._schedule.batch)
        self._load(state.tensors)
        while not state.ended(epochs, self._schedule.patience):
            state = self._stepped(state, lesson, steps)
            over = state.step == steps
            state = self._judged(state, lesson, steps) if over else state
            if over or time.monotonic() - saved >= SECONDS:
                save_state(path, _packed(replace(state, tensors=self._tensors())))
                saved = time.monotonic()
            tick(state.epoch * steps + state.step)
        self._load(self._blended(lesson))
        return self._weights(), state.history

    def _stepped(self, state: Run, lesson: Lesson, steps: int) -> Run:
        random = np.random.default_rng([self._schedule.seed, len(lesson.train), state.epoch])
        order = random.permutation(lesson.train)[state.step * self._schedule.batch :][: self._schedule.batch]
        order = np.sort(order)  # as they lie on disk
        labels, weights = lesson.labels[order], class_weights(lesson.labels[lesson.train], self._classes)
        targets = np.full((len(order), self._classes), self._schedule.smoothing / self._classes, np.float32)
        targets[np.arange(len(order)), labels] += 1 - self._schedule.smoothing
        rows = lesson.passes.rows(1 + state.epoch % lesson.passes.count)[order].astype(np.float32)
        rate = self._schedule.rate_at(state.epoch * steps + state.step, steps)
        self._optimizer.learning_rate.assign(np.float32(rate))
        loss = float(self._step(rows, targets, weights[labels]).numpy())
        return replace(state, step=state.step + 1, total=state.total + loss)

    def _judged(self, state: Run, lesson: Lesson, steps: int) -> Run:
        rows, loss, right, trained = lesson.passes.rows(0), 0.0, 0, self._tensors()
        self._load(self._blended(lesson))
        for at in range(0, len(lesson.aside), _JUDGED_AT_ONCE):  # a few at a time: there may be thousands of classes
            images = lesson.aside[at : at + _JUDGED_AT_ONCE]
            found = judged(self._scores(rows[images].astype(np.float32)).numpy(), lesson.labels[images])
            loss, right = loss + found[0], right + found[1]
        self._load(trained)
        aside = len(lesson.aside) or float("nan")
        epoch = Epoch(state.total / steps, loss / aside, right / aside)
        return replace(state, epoch=state.epoch + 1, step=0, total=0.0, history=(*state.history, epoch))

    def _resumed(self, lesson: Lesson, path: Path) -> Run:
        stored = load_state(path)
        if stored is not None:
            return _unpacked(stored)
        return Run(0, 0, 0.0, (), (*self._start(lesson), *self._fresh))

    def _start(self, lesson: Lesson) -> list[np.ndarray]:
        return [value for name in self._names for value in lesson.start[name]]

    def _blended(self, lesson: Lesson) -> tuple[np.ndarray, ...]:
        """Between the weights that the run starts from and those it has come to; AdamW's variables as they are."""
        start, tensors = self._start(lesson), self._tensors()
        share = np.float32(self._schedule.blend)
        between = [first + share * (last - first) for first, last in zip(start, tensors)]
        return (*between, *tensors[len(start) :])

    def _load(self, tensors: tuple[np.ndarray, ...]) -> None:
        for variable, value in zip([*self._model.weights, *self._optimizer.variables], tensors, strict=True):
            variable.assign(value)

    def _tensors(self) -> tuple[np.ndarray, ...]:
        return tuple(variable.numpy() for variable in [*self._model.weights, *self._optimizer.variables])

    def _weights(self) -> Weights:
        return {name: tuple(self._model.get_layer(name).get_weights()) for name in self._names}


def best_epoch(history: Sequence[Epoch]) -> int:
    """After how many epochs most images kept aside were named rightly, the last time; 0 where none were kept aside."""
    found = [epoch.aside_top1 for epoch in history]
    return max((number for number, top1 in enumerate(found, 1) if top1 == max(found)), default=0)


def step_count(images: int, batch: int) -> int:
    """Steps of an epoch: what is left of the last batch waits for another order."""
    return max(1, images // batch)


def class_weights(labels: np.ndarray, classes: int) -> np.ndarray:
    """float32 (classes,): what an image counts so that classes count alike; 1 on average over the images."""
    counts = np.maximum(np.bincount(labels, minlength=classes), 1)
    return (len(labels) / np.count_nonzero(np.bincount(labels)) / counts).astype(np.float32)


def judged(scores: np.ndarray, labels: np.ndarray) -> tuple[float, int]:
    """(negative log-likelihood, how many were named rightly), both sums, of scores before softmax (images, classes)."""
    shifted = scores.astype(np.float64) - scores.max(axis=1, keepdims=True)
    likely = shifted[np.arange(len(labels)), labels] - np.log(np.exp(shifted).sum(axis=1))
    return float(-likely.sum()), int((scores.argmax(axis=1) == labels).sum())


def _packed(state: Run) -> dict[str, np.ndarray]:
    history = np.array([[each.loss, each.aside_loss, each.aside_top1] for each in state.history], np.float64)
    counts = {"epoch": np.array(state.epoch), "step": np.array(state.step), "total": np.array(state.total)}
    tensors = {f"tensor{number}": value for number, value in enumerate(state.tensors)}
    return {**counts, "history": history.reshape(-1, 3), **tensors}


def _unpacked(stored: Mapping[str, np.ndarray]) -> Run:
    history = tuple(Epoch(*map(float, row)) for row in stored["history"])
    tensors = tuple(stored[f"tensor{number}"] for number in range(len(stored) - 4))
    return Run(int(stored["epoch"]), int(stored["step"]), float(stored["total"]), history, tensors)
