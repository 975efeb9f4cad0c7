"""Every member of the family exported, quantized with random weights, and placed on the Edge TPU by the predictor.

    python -m benchmarks.family [NAME …]

No images are needed: all activations get one range, so that the files are of no use but to count their ops. Prints for
each member its size, its ops, those that stay on the CPU and why, and the estimates from the file beside those that
`edgekit scale` makes from the layers' shapes.
"""

import sys
import time

from edgekit.calibration.ranges import Ranges
from edgekit.converters.export.direct.export import export_network
from edgekit.converters.export.fold import fold_in
from edgekit.converters.making import input_of
from edgekit.converters.quantization.backend import quantize_int8
from edgekit.converters.scale import scale
from edgekit.edgetpu.estimate import estimate
from edgekit.edgetpu.placement.mapping import map_ops
from edgekit.models.architecture import member
from edgekit.models.family import FAMILY
from edgekit.tflite.editor import Editor


def quantized(variant, classes=1000):
    """A member with fresh weights as an int8 graph."""
    editor, spec = Editor(export_network(member(variant, classes))), input_of(variant)
    spec = fold_in(editor, spec) or spec
    graph = editor.finish()
    bounds = {tensor.name: (-6.0, 6.0) for tensor in graph.tensors if not tensor.is_constant}
    return quantize_int8(graph, Ranges(bounds, "minmax", 1, ""), spec)


def main(names):
    shapes = {each.variant.name: each for each in scale().members}
    for name in names or FAMILY:
        start = time.perf_counter()
        graph = quantized(FAMILY[name])
        placement = map_ops(graph)
        found, expected = estimate(graph, placement), shapes[name]
        left = [f"{placed.op.opcode}: {v.reason}" for placed in placement.ops for v in placed.violations]
        size = f"{name:10} {graph.size / 1e6:6.1f} MB {len(graph.ops):4} ops"
        print(
            f"{size}, {len(graph.ops) - placement.mapped:2} on the CPU; on chip {found.on_chip_bytes} / "
            f"{expected.estimate.on_chip_bytes}, streamed {found.streamed_bytes} / {expected.estimate.streamed_bytes}, "
            f"{found.latency['usb3'].expected:.2f} / {expected.latency_ms:.2f} ms; {time.perf_counter() - start:.1f} s "
            f"{'; '.join(dict.fromkeys(left))}"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
