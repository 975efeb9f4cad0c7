"""What is known of the chip and of the computers around it, in numbers: the data behind `estimate`.

The latencies are fitted, the rest is measured; `benchmarks/estimates.py` prints the fit again, and
docs/estimates.md says how well it holds.
"""

from dataclasses import dataclass
from typing import Mapping, Tuple


@dataclass(frozen=True)
class Chip:
    """The Edge TPU.

    Attributes:
      lanes: rows and columns of its array of multiply-accumulate units.
      on_chip_bytes: on-chip memory that the compiler gives to parameters at most: 7.75 MiB was printed as
        used, and 7.82 MiB did not fit any more.
      array_ns: time of one full pass of the array, `lanes` × `lanes` products.
      vector_ns: time of one pass of `lanes` channels, of operations without an array product.
      output_ns: time to fetch one byte of output.
      tile_bytes: size of the pieces in which large outputs are computed; streamed parameters are sent
        again for each piece.
    """

    lanes: int
    on_chip_bytes: int
    array_ns: float
    vector_ns: float
    output_ns: float
    tile_bytes: int


@dataclass(frozen=True)
class Host:
    """A computer with an Edge TPU on some bus.

    Attributes:
      title: for people.
      fixed_ms: time of an inference of nothing.
      byte_ns: time to send one byte of input or parameters.
      spread: the estimate times and divided by this is the interval.
    """

    title: str
    fixed_ms: float
    byte_ns: float
    spread: float


EDGE_TPU = Chip(
    lanes=64, on_chip_bytes=int(7.8 * 2**20), array_ns=4.07, vector_ns=3.04, output_ns=6.26, tile_bytes=512 * 1024
)

HOSTS: Mapping[str, Host] = {
    "usb3": Host("desktop computer, USB 3", fixed_ms=0.56, byte_ns=2.09, spread=1.3),
    "pcie": Host("desktop computer, PCIe", fixed_ms=0.15, byte_ns=2.61, spread=1.6),
    "devboard": Host("Coral Dev Board", fixed_ms=0.49, byte_ns=2.47, spread=1.3),
}

#: Largest values among the models that the estimates were checked on; beyond them is unknown ground.
CHECKED_INPUT_BYTES = 600 * 600 * 3
CHECKED_PARAMETERS = 150_000_000

#: Inception v3 has 15 of them and is estimated well, DenseNet-121 has 58 and is not.
MANY_CONCATENATIONS = 15

#: Kinds of operation that appear in the models that the estimates were checked on.
CHECKED_OPS: Tuple[str, ...] = (
    "ADD",
    "AVERAGE_POOL_2D",
    "CONCATENATION",
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "FULLY_CONNECTED",
    "MAX_POOL_2D",
    "MEAN",
    "MUL",
    "PAD",
    "QUANTIZE",
    "RELU",
    "RESHAPE",
    "RESIZE_BILINEAR",
    "SOFTMAX",
)
