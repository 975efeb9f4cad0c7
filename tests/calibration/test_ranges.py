import functools
import json

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.calibration import METHODS, Ranges, choose_ranges, limited, load_ranges, save_ranges
from edgekit.calibration.histogram import histogram
from edgekit.calibration.observe import Observations, _added, _means, _summary
from edgekit.calibration.ranges import _divergence, widened
from edgekit.errors import DataError, OutputError, UsageError
from edgekit.tflite.quant import choose_qparams, dequantize, quantize

RANGES = Ranges({"input": (0.0, 255.0), "größe/ReLU;conv": (-1e-30, 0.1)}, "minmax", 12, "ab" * 32)

floats = st.floats(-3e38, 3e38)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.text(), st.tuples(floats, floats).map(sorted).map(tuple)))
def test_what_is_saved_is_what_is_loaded(tmp_path_factory, bounds):
    path = tmp_path_factory.getbasetemp() / "ranges.json"
    ranges = Ranges(bounds, "minmax", 3, "cd")
    save_ranges(ranges, path)
    assert load_ranges(path) == ranges


def test_the_file_says_what_it_is(tmp_path):
    save_ranges(RANGES, tmp_path / "ranges.json")
    assert json.loads((tmp_path / "ranges.json").read_text(encoding="utf-8")) == {
        "format": "edgekit-ranges",
        "method": "minmax",
        "images": 12,
        "digest": "ab" * 32,
        "bounds": {"input": [0.0, 255.0], "größe/ReLU;conv": [-1e-30, 0.1]},
    }


@pytest.mark.parametrize("bound", [[1, 1], [0, 0], [-3.4e38, 3.4e38]])
def test_bounds_at_the_limits_are_ranges(tmp_path, bound):
    (tmp_path / "a.json").write_text(json.dumps({"format": "edgekit-ranges", "bounds": {"a": bound}}))
    assert load_ranges(tmp_path / "a.json").bounds == {"a": tuple(bound)}


def test_people_can_edit_it(tmp_path):
    path = tmp_path / "ranges.json"
    save_ranges(RANGES, path)
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) > 10 and '\n "bounds": {\n  "input": [\n' in text
    document = json.loads(text)
    document["bounds"]["input"] = [0, 6]
    path.write_text(json.dumps(document))
    assert load_ranges(path).bounds["input"] == (0.0, 6.0)


def test_what_is_not_about_bounds_may_be_missing(tmp_path):
    path = tmp_path / "ranges.json"
    for images in ("many", None, [], 1.5):
        path.write_text(json.dumps({"format": "edgekit-ranges", "images": images, "bounds": {"a": [0, 1]}}))
        assert (load_ranges(path).bounds, load_ranges(path).images) == ({"a": (0.0, 1.0)}, 0)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "holds no ranges"),
        (b'"edgekit-ranges"', "holds no ranges"),
        (b'{"bounds": {}}', "holds no ranges"),
        (b'{"format": "edgekit-ranges"}', "holds no ranges"),
        (b'{"format": "edgekit-ranges", "bounds": []}', "holds no ranges"),
    ],
)
def test_no_ranges(tmp_path, content, reason):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(DataError, match=reason):
        load_ranges(tmp_path / "a.json")


@pytest.mark.parametrize(
    "bound",
    [
        *("[2, 1]", "[1]", "[0, 1, 2]", "[]", "{}", "5", "null", '"0 1"', '["0", "1"]', "[null, 1]"),
        *(
            "[NaN, 1]",
            "[0, Infinity]",
            "[0, 1e300]",
            "[0, 3.41e38]",
            "[-3.41e38, 0]",
            "[1, 0.99]",
            "[0, 1" + 400 * "0" + "]",
        ),
    ],
)
def test_bounds_that_are_no_range_are_named(tmp_path, bound):
    text = '{"format": "edgekit-ranges", "bounds": {"first": [0, 1], "second": BOUND}}'
    (tmp_path / "a.json").write_text(text.replace("BOUND", bound))
    with pytest.raises(DataError, match=r"'second' is not a pair \[low, high\]"):
        load_ranges(tmp_path / "a.json")


def test_no_file_and_a_folder(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        load_ranges(tmp_path / "none.json")
    with pytest.raises(DataError, match="directory"):
        load_ranges(tmp_path)


def test_a_place_that_cannot_be_written(tmp_path):
    with pytest.raises(OutputError):
        save_ranges(RANGES, tmp_path / "none" / "a.json")


def test_no_such_method():
    with pytest.raises(UsageError, match="no range method 'mimax'") as caught:
        choose_ranges(Observations({}, 1, ""), "mimax")
    assert "minmax" in caught.value.hint


def statistics_of(*images):
    """Statistics of one tensor of one channel over images given as float lists."""
    rows = [_summary(np.array(values, np.float32).reshape(-1, 1)) for values in images]
    return _means(functools.reduce(_added, rows), len(rows))


def bounds_of(statistics, method):
    return choose_ranges(Observations({"t": statistics}, 1, ""), method).bounds["t"]


def test_min_max_clips_nothing_and_mean_clips_what_one_image_has():
    statistics = statistics_of([-1, 0, 2], [-3, 1, 10])
    assert bounds_of(statistics, "minmax") == (-3.0, 10.0)
    assert bounds_of(statistics, "mean") == (-2.0, 6.0)


def test_a_lone_outlier_is_clipped_by_percentile():
    values = np.append(np.random.default_rng(0).normal(size=50_000), 60.0)
    low, high = bounds_of(statistics_of(values), "percentile")
    assert -6 < low < -2 and 2 < high < 20


def test_percentile_is_the_mean_of_what_each_image_leaves_beyond():
    images = [np.random.default_rng(seed).normal(size=40_000) * (1 + seed) for seed in range(3)]
    statistics = statistics_of(*images)
    low, high = (np.mean([np.quantile(image, q) for image in images]) for q in (0.0005, 0.9995))
    assert bounds_of(statistics, "percentile") == pytest.approx((low, high), abs=2 * statistics.histogram.width)


@pytest.mark.parametrize(("method", "size"), [("mse", 3000), ("kl", 3000)])
def test_values_of_one_sign_keep_zero_as_a_bound(method, size):
    values = np.random.default_rng(0).uniform(1, 2, size)
    assert bounds_of(statistics_of(values), method)[0] == 0.0
    assert bounds_of(statistics_of(-values), method)[1] == 0.0


def test_least_squares_keeps_all_of_an_even_distribution():
    values = np.linspace(-1, 3, 5000)
    assert bounds_of(statistics_of(values), "mse") == pytest.approx((-1, 3), rel=0.02)


def test_least_squares_finds_the_least_error():
    values = np.append(np.random.default_rng(0).laplace(size=20_000), [15.0, -14.0])
    low, high = bounds_of(statistics_of(values), "mse")

    def error(low, high):
        scale, zero_point = choose_qparams(low, high)
        return np.square(dequantize(quantize(values, scale, zero_point, "int8"), scale, zero_point) - values).mean()

    grid = [error(-a, b) for a in np.linspace(3, 14, 23) for b in np.linspace(3, 15, 25)]
    assert error(low, high) < 1.03 * min(grid) < error(-14, 15)


def test_kl_keeps_the_distribution():
    """Against the divergence computed with scipy, one value at a time, for every cut that is tried."""
    values = np.append(np.random.default_rng(0).normal(size=20_000), [40.0, -30.0])
    statistics = statistics_of(values)
    counted = statistics.histogram
    found = bounds_of(statistics, "kl")
    assert -30 < found[0] < -3 and 4 < found[1] < 40

    def divergence(low, high):
        kept = {i: n for i, (c, n) in enumerate(zip(counted.centres, counted.counts, strict=True)) if low < c < high}
        bins = sorted(kept)
        whole = dict(kept)
        whole[bins[0]] += sum(n for c, n in zip(counted.centres, counted.counts, strict=True) if c <= low)
        whole[bins[-1]] += sum(n for c, n in zip(counted.centres, counted.counts, strict=True) if c >= high)
        level = {i: int((counted.centres[i] - low) / (high - low) * 256) for i in bins}
        spread = []
        for i in bins:
            others = [kept[j] for j in bins if level[j] == level[i] and kept[j]]
            spread.append(sum(others) / len(others) if kept[i] else 1e-3)
        return scipy.stats.entropy([whole[i] for i in bins], spread)

    cuts = [(-30 * share, 40 * share) for share in np.linspace(1, 0, 64, endpoint=False)]
    cuts = [cut for cut in cuts if cut[1] - cut[0] >= 256 * counted.width]
    best = min(divergence(*cut) for cut in cuts)
    assert divergence(*found) == pytest.approx(best, rel=1e-6)
    for cut in cuts[::20]:
        assert _divergence(counted, *cut) == pytest.approx(divergence(*cut), rel=1e-6)


def spread_over(bins, width):
    """As many values in each bin beside zero as chance has it, but at least one."""
    counts = np.random.default_rng(0).integers(1, 50, bins)
    return np.repeat((np.arange(bins) - bins // 2 + 0.5) * width, counts)


def test_256_bins_are_held_by_256_steps_without_loss_and_more_are_not():
    counted = histogram(spread_over(256, 1 / 512).astype(np.float32), 1.0)
    assert counted.width == 1 / 512
    assert _divergence(counted, -0.25, 0.25) == 0.0
    assert _divergence(histogram(spread_over(260, 1 / 512).astype(np.float32), 1.0), -130 / 512, 130 / 512) > 1e-4


@pytest.mark.parametrize("bins", [256, 100])
def test_kl_cuts_outliers_off_down_to_256_bins_and_no_further(bins):
    """Of a range of 1024 bins a quarter is left, where the values lie, though they may take up less."""
    values = np.append(spread_over(bins, 1 / 512), [1.0, -1.0])
    assert bounds_of(statistics_of(values), "kl") == (-0.25, 0.25)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("values", [[0.0], [-2.0, -1.0], [5.0], [1e-30, -1e-30], [1e30, 0.0]])
def test_every_method_gives_a_range_in_order(method, values):
    low, high = bounds_of(statistics_of(values), method)
    assert np.isfinite([low, high]).all() and low <= high


def test_tensors_that_are_not_to_be_clipped_are_not():
    observations = Observations({name: statistics_of([-1, 0, 2], [-3, 1, 10]) for name in "ab"}, 2, "")
    bounds = choose_ranges(observations, "mean", unclipped={"b"}).bounds
    assert bounds == {"a": (-2.0, 6.0), "b": (-3.0, 10.0)}


def test_limits_cut_ranges_and_keep_them_in_order():
    ranges = Ranges({"a": (-9.0, 9.0), "b": (-1.0, 1.0), "c": (7.0, 8.0)}, "minmax", 1, "")
    cut = limited(ranges, {"a": (-6.0, 6.0), "b": (-6.0, float("inf")), "c": (-6.0, 6.0)}).bounds
    assert cut == {"a": (-6.0, 6.0), "b": (-1.0, 1.0), "c": (6.0, 6.0)}
    assert limited(ranges, {"a": (-5.0, 4.0), "c": (9.0, 10.0)}).bounds == {
        "a": (-5.0, 4.0),
        "b": (-1.0, 1.0),
        "c": (9.0, 9.0),
    }


def test_least_squares_is_the_best_of_64_cuts_on_either_side():
    """Each cut's error summed bin by bin: what lies beyond by its distance, what lies within by a step's variance."""
    values = np.append(np.random.default_rng(1).laplace(size=500), [9.0, -6.0])
    statistics = statistics_of(values)
    counted, cuts = statistics.histogram, [1 - n / 64 for n in range(64)]
    filled = [(c, n) for c, n in zip(counted.centres.tolist(), counted.counts.tolist()) if n]

    def error(low, high):
        beyond = sum(n * (low - c) ** 2 for c, n in filled if c < low) + sum(
            n * (c - high) ** 2 for c, n in filled if c > high
        )
        return beyond + ((high - low) / 255) ** 2 / 12 * len(values)

    low, high = bounds_of(statistics, "mse")
    best = min(error(-6.0 * a, 9.0 * b) for a in cuts for b in cuts)
    assert error(low, high) == pytest.approx(best, rel=1e-9)
    assert low / -6.0 in cuts and high / 9.0 in cuts


def test_ranges_are_widened_to_their_margins_and_never_narrowed():
    ranges = Ranges({"a": (-1.0, 1.0), "b": (-9.0, 9.0), "c": (0.0, 1.0)}, "minmax", 1, "")
    wide = widened(ranges, {"a": (-2.0, 3.0), "b": (-2.0, 3.0)}).bounds
    assert wide == {"a": (-2.0, 3.0), "b": (-9.0, 9.0), "c": (0.0, 1.0)}
