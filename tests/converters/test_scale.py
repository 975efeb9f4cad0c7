"""The family against what an Edge TPU holds and how fast it is."""

import pytest

import edgekit
from edgekit.converters.scale import PHIS, Demand, candidate
from edgekit.edgetpu.estimate import estimate
from edgekit.edgetpu.placement.mapping import map_ops
from edgekit.errors import UsageError
from edgekit.models.family import FAMILY
from edgekit.models.scaling import scaled

MIB = 2**20


@pytest.fixture(scope="module")
def by_name():
    return {each.variant.name: each for each in edgekit.scale(max_latency=8, max_memory=int(7.5 * MIB)).candidates}


def test_all_members_and_all_steps_are_there(by_name):
    assert set(FAMILY) <= set(by_name)
    assert len(by_name) == len(FAMILY) + len(PHIS)
    assert {f"b0-phi{phi:g}" for phi in (0, 0.25, 0.5, 1, 6.75, 7)} <= set(by_name)


# Published by Coral, on a desktop computer with USB 3.
@pytest.mark.parametrize(("name", "milliseconds"), [("edgetpu-s", 5.1), ("edgetpu-m", 8.7), ("edgetpu-l", 21.3)])
def test_latencies_are_near_the_published_ones(by_name, name, milliseconds):
    latency = by_name[name].latency
    assert (
        latency.low < milliseconds < latency.high and latency.expected / 1.35 < milliseconds < latency.expected * 1.35
    )


def test_what_fits_meets_every_bound_and_what_does_not_says_why(by_name):
    for each in by_name.values():
        slow, large = each.latency_ms > 8, each.memory > 7.5 * MIB
        assert each.fits == (not slow and not large)
        assert len(each.misses) == slow + large
        assert slow == any("ms" in miss for miss in each.misses)
        assert large == any("MiB" in miss for miss in each.misses)
    assert {"b0", "lite2", "edgetpu-s"} <= {name for name, each in by_name.items() if each.fits}


def test_without_bounds_what_fits_is_what_stays_on_the_chip():
    found = edgekit.scale()
    assert all(each.fits == (each.estimate.streamed_bytes == 0) for each in found.candidates)


def test_a_bound_on_latency_alone_says_nothing_of_memory():
    found = {each.variant.name: each for each in edgekit.scale(max_latency=13).candidates}
    assert found["b1"].fits and found["b1"].estimate.streamed_bytes > 0


def test_host_classes_and_baseline_count():
    usual, other = edgekit.scale(), edgekit.scale(host="devboard", baseline="lite0", classes=10)
    assert other.between[0].variant.name.startswith("lite0-phi")
    for before, after in zip(usual.members, other.members):
        assert after.parameters < before.parameters
        assert after.latency_ms != before.latency_ms


@pytest.mark.parametrize(
    "arguments",
    [{"host": "usb1"}, {"max_latency": 0}, {"max_latency": float("nan")}, {"max_memory": 0}, {"baseline": "b1"}],
)
def test_bounds_of_nothing_are_refused(arguments):
    with pytest.raises(UsageError):
        edgekit.scale(**arguments)


@pytest.mark.parametrize("baseline", ["b0", "lite0", "edgetpu-s", "v2-b0"])
@pytest.mark.parametrize("phi", [-5, 0.25])
def test_estimates_are_those_of_the_int8_file_and_all_its_ops_map(baseline, phi):
    pytest.importorskip("litert_quantizer")
    from benchmarks.family import quantized

    graph = quantized(scaled(FAMILY[baseline], phi))
    placement = map_ops(graph)
    assert placement.fully_mapped
    assert not [violation for placed in placement.ops for violation in placed.violations]
    found = estimate(graph, placement)
    expected = candidate(scaled(FAMILY[baseline], phi), 1000, Demand())
    # Fresh members of B scale all channels alike, for which no op is needed, and their biases are 0, for which 4 bytes
    # of each output are left out; trained ones need both.
    wanted = expected.estimate
    assert 0.95 * wanted.on_chip_bytes < found.on_chip_bytes <= wanted.on_chip_bytes
    assert 0.95 * wanted.streamed_bytes <= found.streamed_bytes <= wanted.streamed_bytes
    assert found.latency["usb3"].expected == pytest.approx(expected.latency_ms, rel=0.06)
