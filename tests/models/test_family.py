import pytest

from edgekit.models.family import FAMILY, blocks, round_filters, round_repeats


# (filters, width) → filters of the reference implementation's published models.
@pytest.mark.parametrize(
    ("filters", "width", "expected"),
    [
        (32, 1.0, 32),
        (16, 1.1, 16),
        (24, 1.1, 24),
        (40, 1.1, 48),
        (320, 1.2, 384),
        (24, 1.4, 32),
        (16, 0.1, 8),
        (4, 1, 8),
    ],
)
def test_filters_are_rounded_to_eights(filters, width, expected):
    assert round_filters(filters, width) == expected


def test_rounding_never_takes_more_than_a_tenth():
    for filters in range(8, 400, 8):
        for hundredths in range(100, 210, 7):
            exact = filters * hundredths / 100
            rounded = round_filters(filters, hundredths / 100)
            assert rounded % 8 == 0 and rounded >= 0.9 * exact and rounded - exact < 8


def test_repeats_are_rounded_up():
    assert [round_repeats(n, 1.1) for n in (1, 2, 3, 4)] == [2, 3, 4, 5]
    assert round_repeats(3, 1.0) == 3


@pytest.mark.parametrize(("name", "count"), [("lite0", 16), ("lite1", 21), ("lite2", 21), ("lite3", 24), ("lite4", 30)])
def test_members_have_as_many_blocks_as_the_published_ones(name, count):
    found = list(blocks(FAMILY[name]))
    assert len(found) == len({block.name for block in found}) == count


def test_the_baseline_is_the_papers_table():
    found = list(blocks(FAMILY["lite0"]))
    assert [block.filters for block in found] == [16, 24, 24, 40, 40, *[80] * 3, *[112] * 3, *[192] * 4, 320]
    assert [block.name for block in found if block.stride == 2] == ["block2a", "block3a", "block4a", "block6a"]
    assert {block.name[:6] for block in found if block.kernel == 5} == {"block3", "block5", "block6"}
    assert [block.name for block in found if block.expansion == 1] == ["block1a"]
