"""The numbers of the chip, against what is published of them."""

import pytest

from edgekit.edgetpu.estimate.profiles import EDGE_TPU


def test_the_chip_makes_4_trillion_operations_a_second():
    """Coral's data sheet says 4 TOPS, a product and a sum being two; and about 8 MB of memory."""
    products = EDGE_TPU.tiles * EDGE_TPU.lanes * EDGE_TPU.words
    assert 2 * products / EDGE_TPU.array_ns / 1000 == pytest.approx(2.048)
    assert 7.9e6 < EDGE_TPU.on_chip_bytes < 8.4e6
    assert EDGE_TPU.on_chip_bytes == pytest.approx(16 * 506.5 * 1024, abs=1)
    assert EDGE_TPU.activation_bytes == 3 * 2**20 and EDGE_TPU.piece_bytes == 2**19
    assert (EDGE_TPU.halo_bytes, EDGE_TPU.most_halo_bytes) == (2**16, 6 * 2**20)
