"""Finding layers among bytes, against searching every row."""

import random

import pytest

from edgekit.edgetpu.parameters.store import Place, Store

ROW = 64


def rows(*numbers):
    """Rows of 64 equal bytes."""
    return b"".join(bytes([number]) * ROW for number in numbers)


def test_what_is_not_taken_is_found_before_what_is():
    store = Store([rows(1, 2, 3), rows(2, 3, 2, 4)])
    assert store.find(rows(2, 3)) == Place(0, ROW)
    store.take(Place(0, ROW), rows(2, 3))
    assert store.find(rows(2, 3)) == Place(1, 0)
    store.take(Place(1, 0), rows(2, 3))
    assert store.find(rows(2, 3)) == Place(0, ROW) and store.find(rows(2, 4)) == Place(1, 2 * ROW)
    assert store.find(rows(3, 3)) is None and store.find(rows(2)[1:]) is None


def test_bytes_are_explained_once_and_only_where_they_are_as_they_should_be():
    store = Store([rows(1, 2, 3)])
    store.take(Place(0, ROW), rows(2)[:60] + b"\xff" * 4)
    assert store.explained_bytes == 60
    store.take(Place(0, ROW), rows(2))
    store.take(Place(0, ROW), rows(2))
    assert store.explained_bytes == ROW
    assert store.at(Place(0, ROW - 1), 3).tolist() == [1, 2, 2]


@pytest.mark.parametrize("seed", range(5))
def test_gaps_are_both_ends_of_each_part_that_is_not_taken(seed):
    rng = random.Random(seed)
    lengths = [ROW * rng.randrange(1, 12) + rng.choice([0, 0, 10]) for _ in range(3)]
    store, free = Store([bytes(length) for length in lengths]), [[True] * -(-length // ROW) for length in lengths]
    for _ in range(6):
        blob = rng.randrange(3)
        row = rng.randrange(lengths[blob] // ROW)
        store.take(Place(blob, row * ROW), bytes(ROW))
        free[blob][row] = False
    for size in (ROW, 2 * ROW, 3 * ROW):
        expected = set()
        for blob, (length, parts) in enumerate(zip(lengths, free)):
            for first in range(len(parts)):
                last = next((row for row in range(first, len(parts)) if not parts[row]), len(parts))
                end = min(last * ROW, length)
                if parts[first] and (first == 0 or not parts[first - 1]) and end - first * ROW >= size:
                    expected |= {Place(blob, first * ROW), Place(blob, end - size)}
        found = list(store.gaps(size))
        assert set(found) == expected and len(found) == len(expected)
