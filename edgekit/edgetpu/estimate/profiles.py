"""What is known of the chip and of the computers around it, in numbers: the one table of constants behind `estimate`.

Sizes are read from compiled files and compilers' logs, times are fitted on published latencies;
`python -m benchmarks.estimates` prints the fit and its errors again, docs/estimates.md has them.
"""

from dataclasses import dataclass
from typing import Mapping, Tuple


@dataclass(frozen=True)
class Chip:
    """The Edge TPU.

    Attributes:
      tiles: its processors. 2 groups of 64 outputs filled 1/8 of the memory in stacks of dense layers (compiler 1), and
        so on up to 7 groups and 7/16.
      lanes: outputs that a tile computes at a time.
      words: inputs that each lane takes at a time; tiles × lanes × words are the 4,096 multiply-accumulate units.
      tile_bytes: memory of a tile for parameters, 506.5 KiB: compiler 16 put 506.3 KiB there, and 507 did not fit; it
        prints 16 × 504 KiB as available where no image is in the way.
      activation_bytes: memory of all tiles for activations, 16 × 192 KiB: the most that compiled files use.
      halo_bytes: memory that a convolution takes from the parameters, for each place of its kernel beyond the first.
        3 MiB were missing for a 7×7 kernel at 128×128×32, 0.4 to 1.1 for 3×3 ones, 6.3 for one of 25×25.
      most_halo_bytes: the most that was seen missing.
      array_ns: one pass of the array, tiles × lanes × words products: two cycles of 500 MHz.
      vector_ns: one pass over 64 channels in operations without an array product.
      piece_bytes: large outputs are computed in pieces; streamed parameters are sent again for each.
      call_bytes, op_bytes, spill_bytes: instructions, sent at each inference: of a call, of an operation, of one whose
        activations exceed the memory, for each time they do. From the instructions of 84 compiled files.
    """

    tiles: int = 16
    lanes: int = 64
    words: int = 4
    tile_bytes: int = 518_656
    activation_bytes: int = 16 * 192 * 1024
    halo_bytes: int = 64 * 1024
    most_halo_bytes: int = 6 * 1024 * 1024
    array_ns: float = 4.0
    vector_ns: float = 3.67
    piece_bytes: int = 512 * 1024
    call_bytes: int = 4096
    op_bytes: int = 1900
    spill_bytes: int = 30_000

    @property
    def on_chip_bytes(self) -> int:
        """Memory of all tiles for parameters."""
        return self.tiles * self.tile_bytes


@dataclass(frozen=True)
class Host:
    """A computer with an Edge TPU on some bus.

    Attributes:
      title: for people.
      fixed_ms: time of an inference of nothing.
      send_ns: time to send one byte of input, instructions or parameters.
      fetch_ns: time to fetch one byte of output.
      clock: how many times slower than at full clock the chip runs; libedgetpu1-std halves the clock on USB.
    """

    title: str
    fixed_ms: float
    send_ns: float
    fetch_ns: float
    clock: float = 1.0


EDGE_TPU = Chip()

HOSTS: Mapping[str, Host] = {
    "usb3": Host("desktop computer, USB 3, full clock", fixed_ms=0.28, send_ns=2.22, fetch_ns=29.8),
    "usb3-std": Host("desktop computer, USB 3, libedgetpu1-std", fixed_ms=0.28, send_ns=2.22, fetch_ns=29.8, clock=2.0),
    "usb2": Host("any computer, USB 2", fixed_ms=0.18, send_ns=28.95, fetch_ns=86.4),
    "pcie": Host("desktop computer, PCIe", fixed_ms=0.16, send_ns=2.73, fetch_ns=6.9),
    "devboard": Host("Coral Dev Board", fixed_ms=0.35, send_ns=2.55, fetch_ns=6.9),
    "pi4": Host("Raspberry Pi 4, USB 3, libedgetpu1-std", fixed_ms=0.51, send_ns=3.25, fetch_ns=29.8, clock=2.0),
}

#: Intervals hold 9 in 10 figures of sources that were left out of the fit: times and divided by `LATENCY_SPREAD`;
#: bytes of parameters likewise, and what is cached lies between a chip with the least and the most of its memory free.
LATENCY_SPREAD = 1.47
MEMORY_SPREAD = 1.04
LEAST_FREE, MOST_FREE = 0.88, 1.02

#: Largest values among the models that the estimates were checked on; beyond them is unknown ground.
CHECKED_INPUT_BYTES = 600 * 600 * 3
CHECKED_PARAMETERS = 150_000_000

#: Inception v4 has 23 of them and is estimated well, DenseNet-121 has 58 and is not.
MANY_CONCATENATIONS = 23

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
