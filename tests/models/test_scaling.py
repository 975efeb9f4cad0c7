import pytest

from edgekit.errors import UsageError
from edgekit.models.architecture import macs, plan
from edgekit.models.family import FAMILY, blocks
from edgekit.models.scaling import ALPHA, BASELINES, BETA, GAMMA, find_member, scaled


def shape(variant):
    return [(block.filters, block.inner, block.kernel, block.stride) for block in blocks(variant)]


@pytest.mark.parametrize(("phi", "name"), [(0, "b0"), (0.5, "b1"), (1, "b2"), (2, "b3"), (3.25, "b4")])
def test_published_members_lie_on_the_scale(phi, name):
    found = scaled(FAMILY["b0"], phi)
    assert shape(found) == shape(FAMILY[name])
    assert abs(found.size - FAMILY[name].size) <= (4 if phi <= 2 else 28)


def test_the_papers_constraint_holds():
    assert pytest.approx(2, rel=0.05) == ALPHA * BETA**2 * GAMMA**2


def test_a_unit_about_doubles_the_work():
    counts = [macs(plan(scaled(FAMILY["b0"], phi / 2), 1000)) for phi in range(-4, 15)]
    # Rounding of channels, blocks and sizes takes a single step off its factor.
    assert all(1.3 < after / before < 2.4 for before, after in zip(counts, counts[2:]))
    assert (counts[-1] / counts[0]) ** (1 / 9) == pytest.approx(2, rel=0.1)


@pytest.mark.parametrize("baseline", BASELINES)
@pytest.mark.parametrize("phi", [-5, -0.3, 0.75, 1.5, 10])
def test_sizes_and_channels_are_multiples_of_eight(baseline, phi):
    found = scaled(FAMILY[baseline], phi)
    assert found.size % 8 == 0 and all(block.filters % 8 == 0 for block in blocks(found))
    names = [layer.name for layer in plan(found, 2)]
    assert len(names) == len(set(names))


def test_names_say_baseline_and_coefficient():
    found = find_member("lite0", 1.5)
    assert (found.name, found.title) == ("lite0-phi1.5", "EfficientNetLite0 φ=1.5")
    assert find_member(found.name) == found
    assert find_member("edgetpu-s").title == "EfficientNet-EdgeTPU-S"


@pytest.mark.parametrize(("name", "phi"), [("b1", 1), ("lite4", 0.5), ("b0-phi1", 1), ("b0", 11), ("b0", -6)])
def test_other_requests_are_refused(name, phi):
    with pytest.raises(UsageError):
        find_member(name, phi)
