import numpy as np
import pytest

from edgekit.calibration import Observations, Ranges
from edgekit.calibration.distribution import BINS, distribution, worst_fits
from edgekit.calibration.histogram import NOTHING, histogram
from edgekit.calibration.observe import Ends, Statistics
from edgekit.tflite import read_graph
from edgekit.tflite.names import split_swish
from tests.support.one_op import activation, one_op

RNG = np.random.default_rng(3)
#: A sigmoid, and the name of what it reads.
GRAPH = read_graph(one_op("LOGISTIC", activation(1, 4, dtype="float32")))
SQUASHED = GRAPH.tensors[GRAPH.ops[0].inputs[0]].name


def seen(values):
    nothing = Ends(np.zeros(1), np.zeros(1))
    counted = histogram(values, float(np.abs(values).max()))
    return Statistics(nothing, nothing, nothing, np.zeros(1), counted)


def observed(**tensors):
    return Observations({name: seen(values) for name, values in tensors.items()}, 1, "")


@pytest.mark.parametrize("low", [-7.0, 0.0, 2.5])
@pytest.mark.parametrize("span", [0.01, 3.0, 500.0])
def test_a_distribution_counts_what_numpy_counts_in_the_same_bins(low, span):
    values = RNG.uniform(low, low + span, 5000).astype(np.float32)
    found = distribution(histogram(values, float(np.abs(values).max())))
    edges = found.first + found.width * np.arange(len(found.counts) + 1)
    assert list(found.counts) == np.histogram(values, edges)[0].tolist() and sum(found.counts) == values.size
    assert len(found.counts) <= BINS and found.counts[0] and found.counts[-1]


def test_nothing_has_no_bins():
    assert distribution(NOTHING).to_json() == {"first": 0.0, "width": 1.0, "counts": []}


def test_the_sqnr_of_a_fit_is_that_of_rounding_and_clipping_the_values():
    values = RNG.normal(0.0, 1.0, 200_000).astype(np.float32)
    (fit,) = worst_fits(GRAPH, observed(a=values), Ranges({"a": (-1.5, 2.0)}, "mse", 1, ""))
    step = 3.5 / 255
    noise = values - np.clip(np.rint(values / step), np.rint(-1.5 / step), np.rint(2.0 / step)) * step
    assert fit.sqnr_db == pytest.approx(10 * np.log10(np.square(values).sum() / np.square(noise).sum()), abs=0.1)
    assert fit.clipped == pytest.approx(((values < -1.5) | (values > 2)).mean(), abs=0.002)


def test_the_worst_fit_comes_first_and_what_is_clipped_on_purpose_is_none():
    values = RNG.normal(0.0, 1.0, 5000).astype(np.float32)
    names = ("good", "wide", "cut", split_swish(0, "scaled"), SQUASHED, "constant")
    all_of_it = observed(**{name: values * (name != "constant") for name in names})
    bounds = {
        "good": (-4, 4),
        "wide": (-400, 400),
        "cut": (-0.02, 0.02),
        names[3]: (-0.1, 0.1),
        SQUASHED: (-1, 1),
        "constant": (0, 0),
    }
    fits = worst_fits(GRAPH, all_of_it, Ranges(bounds, "mse", 1, ""))
    assert [fit.tensor for fit in fits] == ["cut", "wide", "good"]
    assert [fit.sqnr_db for fit in fits] == sorted(fit.sqnr_db for fit in fits) and fits[2].clipped < 0.001
    assert len(worst_fits(GRAPH, all_of_it, Ranges(bounds, "mse", 1, ""), most=1)) == 1


@pytest.mark.parametrize(("low", "high"), [(-3.0, -2.0), (2.0, 3.0)])
def test_a_range_on_one_side_of_zero_is_quantized_together_with_zero(low, high):
    """Its 255 steps are those from 0 to 3: a scale and zero point hold 0 exactly."""
    values = RNG.uniform(low, high, 100_000).astype(np.float32)
    (fit,) = worst_fits(GRAPH, observed(a=values), Ranges({"a": (low, high)}, "mse", 1, ""))
    noise = np.rint(values / (3 / 255)) * (3 / 255) - values
    assert fit.sqnr_db == pytest.approx(10 * np.log10(np.square(values).sum() / np.square(noise).sum()), abs=0.1)
    assert (fit.low, fit.high, fit.clipped) == (low, high, 0.0)
