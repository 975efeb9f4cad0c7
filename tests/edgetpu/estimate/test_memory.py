"""Which parameters stay on the chip, against what compilers printed for stacks of layers."""

import pytest

from edgekit.edgetpu.estimate.memory import cached, taken
from edgekit.edgetpu.estimate.work import layer_work

TILE = 518_656


def dense(sizes, numbers=2):
    pairs = enumerate(zip(sizes, sizes[1:]))
    return {i: layer_work("FULLY_CONNECTED", (1, 1, a), (1, 1, b), numbers=numbers) for i, (a, b) in pairs}


@pytest.mark.parametrize(("width", "kept"), [(762, 5), (782, 4), (842, 3), (882, 3), (942, 2), (1022, 2)])
def test_dense_layers_take_a_tile_for_each_64_outputs(width, kept):
    """6912 inputs: a group of 64 outputs takes 432.5 KiB of a tile's 506.5, one of the next layers 64 × (width + 8).

    With 12 groups (762) 4 tiles are left, with room for 10 groups of 49 KiB, and one more each beside the large ones:
    52 for 48. With 13 (782) 3 × 10 + 13 are for 4 × 13: compiler 16 printed one layer streamed, then two, then three.
    """
    works = dense([6912] + [width] * 5 + [10])
    wide = [index for index in cached(works) if works[index].output[2] == width]
    assert len(wide) == kept


def test_a_layer_of_which_one_tile_would_need_two_groups_is_streamed():
    """17 groups of 64 × 6,920 bytes on 16 tiles: 865 KiB on one of them. Without the 1,042's second group it fits."""
    assert 0 not in cached(dense([6912, 1042, 10])) and 0 in cached(dense([6912, 1024, 10]))


@pytest.mark.parametrize(
    ("width", "printed"), [(100, 0.99), (150, 1.49), (200, 2.0), (250, 2.0), (350, 3.01), (400, 3.46)]
)
def test_deep_stacks_fill_the_first_tiles_alone(width, printed):
    """2 groups of 64 fill 2 of 16 tiles: 2 × 506.5 KiB of 8 MiB are all that 100 and more layers of 100 get."""
    works = dense([12] + [width] * 100 + [1], numbers=1)
    used = sum(works[index].on_chip_bytes for index in cached(works))
    assert used / 2**20 == pytest.approx(printed, rel=0.05)


@pytest.mark.parametrize(("layers", "fits"), [(31, True), (32, False)])
def test_stacks_count_as_deep_from_33_dense_layers_on(layers, fits):
    """31 layers of 4.5 KiB spread over 16 tiles leave 400 KiB free on each; all on the first tile they do not."""
    works = dense([64] * (layers + 1))
    works[99] = layer_work("FULLY_CONNECTED", (1, 1, 6392), (1, 1, 1024), numbers=2)
    assert (99 in cached(works)) == fits


def test_layers_over_images_do_not_make_a_stack_deep():
    works = dense([64] * 32)
    works.update({100 + i: layer_work("CONV_2D", (8, 8, 8), (8, 8, 8)) for i in range(40)})
    works[99] = layer_work("FULLY_CONNECTED", (1, 1, 6392), (1, 1, 1024), numbers=2)
    assert 99 in cached(works)


@pytest.mark.parametrize(
    ("kernel", "side", "stride", "places"),
    [(7, 128, 1, 48), (3, 64, 1, 8), (3, 63, 1, 0), (7, 112, 2, 49 / 4 - 1), (1, 128, 1, 0), (1, 64, 2, 0)],
)
def test_kernels_over_large_images_take_memory_from_the_parameters(kernel, side, stride, places):
    """64 KiB for each place of the kernel beyond the first: 3 MiB for 7×7, as compiler 1 printed 5.01 of 8.02 MiB."""
    work = layer_work("CONV_2D", (side * stride, side * stride, 8), (side, side, 8), kernel=(kernel, kernel))
    assert taken({0: work}) == int(places * 65_536)


def test_no_kernel_takes_all_of_the_memory():
    work = layer_work("DEPTHWISE_CONV_2D", (1920, 1058, 3), (1920, 1058, 3), kernel=(25, 25))
    assert taken({0: work}) == 6 * 2**20
    assert taken({}) == 0


def test_less_free_memory_caches_less():
    work = layer_work("FULLY_CONNECTED", (1, 1, 8096), (1, 1, 1024), numbers=2)
    assert work.on_chip_bytes / 16 == 64 * 8104 == TILE
    assert cached({0: work}) == {0} and cached({0: work}, free=0.999) == frozenset()
