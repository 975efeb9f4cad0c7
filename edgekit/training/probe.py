"""The probe: multinomial logistic regression on a backbone's features, its penalty chosen by cross-validation.

scikit-learn fits; here is what it is given and how the answer becomes one dense layer. Classes count alike, however
many images each has. Views of one image, and copies of it, are never on both sides of a fold; folds are judged on
images as they are.

The features of one depth are divided by one number, so that a penalty means the same for every backbone, and keep their
own proportions: each divided by its own spread, cross-validation named half as many leaves again wrongly.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from edgekit.install import not_importable
from edgekit.progress import Progress, silent

#: Inverse penalties that are tried, for a loss that is the mean over images: from strong to weak.
PENALTIES = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
#: The one that is taken where there is nothing to choose by.
_MIDDLE = 30.0
_FOLDS = 5
#: Most images and classes that the choice is made on: more of them do not change it, and take minutes.
_MOST_IMAGES, MOST_CLASSES = 2000, 100
#: Multiplications that a fit may take; with thousands of classes it stops after fewer steps than it would like.
_BUDGET = 2e13
_FEWEST_STEPS, _MOST_STEPS = 30, 300


@dataclass(frozen=True)
class Training:
    """Features to fit on.

    Attributes:
      features: float32 (images, views, features); the first view is the image as it is.
      labels: int (images,).
      groups: int (images,): copies of one image share a number.
      widths: how many of the features are of each depth; () for one depth.
    """

    features: np.ndarray = field(repr=False)
    labels: np.ndarray = field(repr=False)
    groups: np.ndarray = field(repr=False)
    widths: tuple[int, ...] = ()

    def part(self, images: np.ndarray) -> "Training":
        """Some of the images, by their indices."""
        return replace(self, features=self.features[images], labels=self.labels[images], groups=self.groups[images])


@dataclass(frozen=True)
class Choice:
    """What cross-validation chose.

    Attributes:
      views: how many of the views are trained on.
      penalty: the inverse penalty, one of PENALTIES.
      accuracy: part of the images that folds which had not seen them named rightly, 0–1; NaN without folds, and where
        there were too many classes to choose on all.
      loss: mean negative log-likelihood of their classes; likewise.
    """

    views: int
    penalty: float
    accuracy: float
    loss: float


@dataclass(frozen=True)
class Dense:
    """A head: probabilities are softmax(weights · features + bias).

    Attributes:
      weights: float32 (classes, features).
      bias: float32 (classes,).
    """

    weights: np.ndarray = field(repr=False)
    bias: np.ndarray = field(repr=False)

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """float64 (images, classes) of features (images, features)."""
        logits = features.astype(np.float64) @ self.weights.T.astype(np.float64) + self.bias
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        scaled: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
        return scaled


@dataclass(frozen=True)
class Probe:
    """A head that was fitted, and what it was fitted on.

    Attributes:
      given: the images.
      choice: the views and the penalty.
      head: on all of the images.
    """

    given: Training
    choice: Choice
    head: Dense


def fit_head(given: Training, choice: Choice, most_steps: int = _MOST_STEPS) -> Dense:
    """Fits the head, in so many steps at most. Raises MissingDependencyError without scikit-learn."""
    try:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise not_importable("Training", "scikit-learn", "train", error) from error
    rows = given.features[:, : choice.views].reshape(-1, given.features.shape[2])
    labels = np.repeat(given.labels, choice.views)
    mean = rows.mean(axis=0, dtype=np.float64)
    spread = _spread(rows.var(axis=0, dtype=np.float64), given.widths)
    scaled = (rows - mean.astype(np.float32)) / spread.astype(np.float32)
    steps = min(most_steps, step_count(given, choice))
    model = LogisticRegression(C=choice.penalty / len(labels), class_weight="balanced", tol=1e-3, max_iter=steps)
    # More threads make products as small as these slower, tenfold where other work keeps the cores busy.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter(
            "ignore", ConvergenceWarning
        )  # bounded on purpose: the penalty matters, not the last step
        model.fit(scaled, labels)
    return _folded(model.coef_, model.intercept_, mean, spread)


def _spread(variances: np.ndarray, widths: tuple[int, ...]) -> np.ndarray:
    """What to divide features by: the mean variance is then one, and a depth's share of it the root of its width.

    Shares by width leave the narrow depths nothing to say, equal shares say too much of them.
    """
    parts = np.split(variances, np.cumsum(widths)[:-1]) if widths else [variances]
    powers = np.concatenate([np.full(len(part), part.mean() * np.sqrt(len(part))) for part in parts])
    powers[powers == 0] = 1.0  # nothing ever changes
    spread: np.ndarray = np.sqrt(powers * max(float((variances / powers).mean()), 1e-12))
    return spread


def step_count(given: Training, choice: Choice) -> int:
    """Most steps that a fit takes."""
    numbers = len(given.labels) * choice.views * given.features.shape[2]
    return int(np.clip(_BUDGET / (4 * numbers * len(np.unique(given.labels))), _FEWEST_STEPS, _MOST_STEPS))


def _folded(weights: np.ndarray, bias: np.ndarray, mean: np.ndarray, spread: np.ndarray) -> Dense:
    """The layer on features as they are, with their centre and spread in its weights."""
    if len(weights) == 1:  # of two classes scikit-learn gives the second one's log odds
        weights, bias = np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    scaled = weights.astype(np.float64) / spread
    return Dense(scaled.astype(np.float32), (bias - scaled @ mean).astype(np.float32))


def choose(given: Training, views: int, *, seed: int = 0, progress: Progress = silent) -> Choice:
    """The penalty under which folds that were not trained on are predicted best.

    Args:
      given: all images to train on.
      views: how many views of each to train on. It is not chosen here: folds of one collection do not show what crops
        are good for, images of another one. On X-rays, whose test images are others than those to train on, folds lost
        one point by crops, and the test images gained four.
      seed: of the folds, and of the images where there are too many.
    """
    chosen = given.part(_selection(given.labels, seed))
    chosen = replace(chosen, labels=np.unique(chosen.labels, return_inverse=True)[1])
    parts = list(folds(chosen, seed))
    if not parts:
        return Choice(views, _MIDDLE, float("nan"), float("nan"))
    tried: list[Choice] = []
    for penalty in PENALTIES:
        progress("Cross-validating", len(tried), len(PENALTIES))
        tried.append(_validated(chosen, parts, views, penalty))
    best = min(tried, key=lambda choice: choice.loss)
    some = len(np.unique(given.labels)) > MOST_CLASSES  # and to tell some classes apart is easier than all
    return replace(best, accuracy=float("nan")) if some else best


def _validated(given: Training, parts: Sequence[tuple[np.ndarray, np.ndarray]], views: int, penalty: float) -> Choice:
    right, losses = list[float](), list[float]()
    for train, test in parts:
        head = fit_head(given.part(train), Choice(views, penalty, 0.0, 0.0))
        predicted = head.probabilities(given.features[test, 0])
        right += (predicted.argmax(axis=1) == given.labels[test]).tolist()
        losses += (-np.log(np.maximum(predicted[np.arange(len(test)), given.labels[test]], 1e-12))).tolist()
    return Choice(views, penalty, float(np.mean(right)), float(np.mean(losses)))


def folds(given: Training, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(images to train on, images to judge on) of each fold; nothing where a class is too small for two."""
    from sklearn.model_selection import StratifiedGroupKFold

    different = {(label, group) for label, group in zip(given.labels.tolist(), given.groups.tolist(), strict=True)}
    count = min(_FOLDS, *np.unique([label for label, _ in different], return_counts=True)[1].tolist())
    if count < 2:
        return
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    for train, test in splitter.split(given.features[:, 0], given.labels, given.groups):
        if len(np.unique(given.labels[train])) == len(np.unique(given.labels)):
            yield train, test


def _selection(labels: np.ndarray, seed: int) -> np.ndarray:
    """Indices of the images that the choice is made on: all, or some of some classes, class by class."""
    random = np.random.default_rng(seed)
    classes = np.unique(labels)
    if len(classes) > MOST_CLASSES:
        classes = np.sort(random.choice(classes, MOST_CLASSES, replace=False))
    found = np.flatnonzero(np.isin(labels, classes))
    if len(found) > _MOST_IMAGES:
        share = max(_FOLDS, _MOST_IMAGES // len(classes))
        parts = [random.permutation(found[labels[found] == label])[:share] for label in classes]
        found = np.sort(np.concatenate(parts))
    return found
