import numpy as np
import pytest

from edgekit.calibration import Observations
from edgekit.calibration.observe import TAILS
from edgekit.evaluation.sufficiency import TOLERANCE, sufficiency


def observations(ends, labels=None):
    """Of images whose tensors' ends are `ends` (images, tensors, 2), whatever the tail."""
    each = np.repeat(np.asarray(ends, np.float32)[..., None], len(TAILS), axis=-1)
    names = tuple(f"{number}.jpg" for number in range(len(each)))
    tensors = {f"t{number}": None for number in range(each.shape[1])}
    return Observations(tensors, len(each), "", each, names, tuple(labels or [None] * len(each)))


def noisy(images, spread, tensors=40, seed=0):
    random = np.random.default_rng(seed)
    ends = np.tile([-1.0, 1.0], (images, tensors, 1))
    return ends + random.normal(scale=spread, size=ends.shape)


def test_the_movement_of_a_mean_is_its_standard_error():
    found = sufficiency(observations(noisy(100, 0.5, tensors=400)), "mean")
    # The larger of two normal errors of 0.5 / 10 each, over a width of 2: its root mean square is 1.28 of one's.
    assert found.movement == pytest.approx(1.28 * 0.05 / 2, rel=0.15)
    assert found.worst > found.movement


def test_images_that_hardly_differ_are_enough():
    found = sufficiency(observations(noisy(20, 0.01)), "mean")
    assert (found.enough, found.add) == (True, 0)
    assert str(found).startswith("enough")


def test_the_number_to_add_brings_the_movement_down_to_the_tolerance():
    few = sufficiency(observations(noisy(16, 0.8)), "percentile")
    assert not few.enough
    assert f"add about {few.add}" in str(few)
    more = sufficiency(observations(noisy(16 + few.add, 0.8)), "percentile")
    assert more.movement == pytest.approx(TOLERANCE, rel=0.2)


def test_extremes_that_grow_are_told_as_such():
    random = np.random.default_rng(1)
    ends = np.abs(random.standard_cauchy((50, 40, 2))) * [-1, 1]
    found = sufficiency(observations(ends), "minmax")
    assert (found.enough, found.add) == (False, 0)
    assert "--ranges percentile" in str(found)


def test_tensors_of_a_fixed_range_do_not_hide_the_others():
    ends = noisy(20, 0.8)
    ends[:, :30] = [0.0, 6.0]
    assert not sufficiency(observations(ends), "mean").enough
    assert sufficiency(observations(np.tile([0.0, 6.0], (20, 5, 1))), "minmax").movement == 0


def test_the_classes_that_set_the_extremes_are_named():
    ends, labels = noisy(40, 0.2), [number % 4 for number in range(40)]
    ends[2::4] *= 4
    found = sufficiency(observations(ends, labels), "mean", ("ant", "bee", "cat", "dog"))
    assert found.classes == ("cat",)


def test_an_image_that_sets_them_alone_is_named():
    ends = noisy(40, 0.2)
    ends[7] *= 10
    found = sufficiency(observations(ends), "mean")
    assert (found.classes, found.kinds) == ((), ("7.jpg",))


@pytest.mark.parametrize(("images", "judged"), [(1, False), (3, False), (4, True), (5, True)])
def test_too_few_images_cannot_be_resampled(images, judged):
    assert (sufficiency(observations(noisy(images, 0.1)), "mean") is not None) == judged


def test_the_same_seed_gives_the_same_answer():
    seen = observations(noisy(30, 0.5))
    assert sufficiency(seen, "mse") == sufficiency(seen, "mse")
    assert sufficiency(seen, "mse").movement != sufficiency(seen, "mse", seed=1).movement


def test_copies_move_nothing_and_are_told():
    ends = noisy(10, 0.3)
    found = sufficiency(observations(np.repeat(ends, 5, axis=0)), "mean")
    alone = sufficiency(observations(ends), "mean")
    assert (found.copies, found.enough) == (40, False)
    assert found.movement == alone.movement
    assert str(found).startswith("not enough: 40 of 50 images are copies of others")


def test_a_few_copies_among_many_are_told_beside_the_rest():
    ends = noisy(40, 0.01)
    ends[1] = ends[0]
    found = sufficiency(observations(ends), "mean")
    assert (found.copies, found.enough) == (1, True)
    assert str(found).endswith("(1 of 40 images are copies of others)")


@pytest.mark.parametrize(
    ("labels", "names", "outputs", "told"),
    [
        ([0, 1] * 10, ("ant", "bee", "cat"), 3, "there is no image of cat"),
        ([0, 1] * 10, ("ant", "bee"), 5, "there are images of 2 of the model's 5 classes"),
        ([0] * 20, ("ant",), 100, "there are images of 1 of the model's 100 classes"),
        ([0, 1] * 10, ("ant", "bee"), 2, ""),
        ([0, 1] * 10, ("ant", "bee"), 1, ""),
        ([0, 1] * 10, ("ant", "bee"), 1000, ""),  # more classes than images: some are missing in any set
        ([None] * 20, (), 5, ""),
    ],
)
def test_missing_classes_are_told_before_a_set_is_called_enough(labels, names, outputs, told):
    found = sufficiency(observations(noisy(20, 0.01), labels), "mean", names, outputs=outputs)
    assert (found.missing, found.enough) == (told, not told)
    assert not told or str(found).startswith(f"not enough: {told}; another 20")
