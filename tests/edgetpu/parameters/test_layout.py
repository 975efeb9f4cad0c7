import numpy as np
import pytest

from edgekit.edgetpu.parameters.layer import LayerParameters
from edgekit.edgetpu.parameters.layout import layouts


@pytest.mark.parametrize(
    ("kernel", "inputs", "blocks"),
    [(3, 200, {200, 4, 8, 16, 32, 64, 128}), (3, 64, {64, 4, 8, 16, 32}), (1, 200, {200})],
)
def test_inputs_under_a_kernel_are_done_in_one_block_or_in_a_power_of_two_of_them(kernel, inputs, blocks):
    weights = np.ones((8, kernel, kernel, inputs), np.uint8)
    layer = LayerParameters(weights, False, 0, np.zeros(8, np.int32), None, False, 8)
    assert {layout.block for layout in layouts(layer)} == blocks
    assert next(iter(layouts(layer))).block == inputs, "the likeliest first"
