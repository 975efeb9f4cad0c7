import numpy as np
import pytest

from edgekit.calibration import Observations
from edgekit.calibration.observe import TAILS
from edgekit.evaluation.sufficiency import TOLERANCE, Sufficiency, _about, sufficiency


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


def held(owners, images=40):
    """Ends of which the image `owners[n]` alone holds the n-th: lower and upper ones of tensors, in turns."""
    ends = np.tile([-1.0, 1.0], (images, len(owners) // 2, 1))
    for number, owner in enumerate(owners):
        ends[owner, number // 2, number % 2] *= 2
    return ends


def test_an_image_is_named_that_alone_holds_a_tenth_of_the_ends():
    alone = sufficiency(observations(held([0, 0, *range(1, 19)])), "mean")  # two of 20, and one each
    assert alone.kinds == ("0.jpg",)
    assert sufficiency(observations(held(list(range(20)))), "mean").kinds == ()
    assert len(sufficiency(observations(held(list(range(5)) * 4)), "mean").kinds) == 3


@pytest.mark.parametrize(("ends", "named"), [(10, ()), (11, ("cat",))])
def test_a_class_is_named_that_holds_more_than_twice_its_share_of_the_ends(ends, named):
    """Ten of 40 images are cats: a quarter, so that more than half of the 20 ends are more than twice their share."""
    owners = [2 + 4 * (number % 10) for number in range(ends)] + [4 * (number % 10) for number in range(20 - ends)]
    labels = [number % 4 for number in range(40)]
    assert sufficiency(observations(held(owners), labels), "mean", ("ant", "bee", "cat", "dog")).classes == named


def test_no_more_than_three_classes_are_named():
    names = tuple(f"class {number}" for number in range(20))
    found = sufficiency(observations(held(list(range(5)) * 4, 20), list(range(20))), "mean", names)
    assert len(found.classes) == 3 and set(found.classes) < set(names[:5])


@pytest.mark.parametrize(
    ("number", "about"),
    [(0.3, 5), (5, 5), (5.1, 10), (11, 15), (99, 100), (100, 100), (101, 150), (999, 1000), (1001, 1500)],
)
def test_numbers_of_images_are_rounded_up_to_a_figure_and_a_half(number, about):
    assert _about(number) == about


@pytest.mark.parametrize(("method", "tail"), [("minmax", 0.0), ("mean", 0.0), ("percentile", 0.0005), ("mse", 0.0005)])
def test_each_method_is_judged_by_the_tail_that_it_cuts_off(method, tail):
    seen = observations(np.tile([-1.0, 1.0], (10, 5, 1)))
    seen.each[::2, ..., TAILS.index(tail)] *= 3
    assert sufficiency(seen, method).movement > 0
    for other in set(TAILS) - {tail}:
        still = observations(np.tile([-1.0, 1.0], (10, 5, 1)))
        still.each[::2, ..., TAILS.index(other)] *= 3
        assert sufficiency(still, method).movement == 0


MOVED = "another 20 such images would move ranges by 10.0% of their width"


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"enough": True}, f"enough: {MOVED}"),
        ({"enough": True, "copies": 1}, f"enough: {MOVED} (1 of 20 images are copies of others)"),
        ({"copies": 10, "add": 15}, f"add about 15: {MOVED}"),
        ({"copies": 11, "add": 15}, f"not enough: 11 of 20 images are copies of others; {MOVED}"),
        (
            {"missing": "there is no image of cat", "copies": 1},
            f"not enough: there is no image of cat, and 1 of 20 images are copies of others; {MOVED}",
        ),
        ({}, f"extremes, which more images widen further (--ranges percentile settles): {MOVED}"),
        ({"add": 15, "classes": ("ant", "bee"), "kinds": ("7.jpg",)}, f"add about 15, above all ant, bee: {MOVED}"),
        ({"add": 15, "kinds": ("7.jpg",)}, f"add about 15, above all like 7.jpg: {MOVED}"),
    ],
)
def test_what_is_said_of_a_set(facts, told):
    found = Sufficiency(**{"images": 20, "movement": 0.1, "worst": 0.2, "enough": False, "add": 0, **facts})
    assert str(found) == told


@pytest.mark.parametrize(("unseen", "told"), [(3, "c2, c3, c4"), (4, "c2, c3, c4 …")])
def test_of_missing_classes_three_are_named(unseen, told):
    names = tuple(f"c{number}" for number in range(2 + unseen))
    found = sufficiency(observations(noisy(20, 0.01), [0, 1] * 10), "mean", names, outputs=len(names))
    assert found.missing == f"there is no image of {told}"


def test_an_extreme_moves_by_what_it_is_beyond_the_others_where_a_half_lacks_it():
    """One of 20 images reaches three times as far up: half of the halves lack it, and miss 2 of the width's 4."""
    ends = np.tile([-1.0, 1.0], (20, 3, 1)) * np.array([1.0, 10.0, 100.0])[:, None]
    ends[0, :, 1] *= 3
    found = sufficiency(observations(ends), "minmax")
    assert found.movement == found.worst == pytest.approx(0.5 * np.sqrt(0.5), rel=0.2)
