import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgekit.edgetpu import map_ops
from edgekit.edgetpu.estimate.estimate import around, bytes_text, estimate, estimate_work, milliseconds_text
from edgekit.edgetpu.estimate.profiles import EDGE_TPU, HOSTS, LATENCY_SPREAD
from edgekit.edgetpu.estimate.savings import savings
from edgekit.edgetpu.estimate.work import layer_work, op_work
from edgekit.edgetpu.placement.placement import CompilerOptions
from edgekit.tflite.reader import read_graph
from tests.support.build import GraphBuilder
from tests.support.recordings import int8_model

QUANT = (0.1, 0)


def conv_model(*, filters=16, side=8, channels=3, cpu_between=False, flatten=False):
    """A convolution; with `cpu_between` a float detour and another; with `flatten` a dense layer."""
    graph = GraphBuilder()
    x = graph.input((1, side, side, channels), "int8", quant=QUANT)
    x = _conv(graph, x, (side, side), channels, filters)
    if cpu_between:
        x = graph.op("DEQUANTIZE", [x], (1, side, side, filters), "float32", version=2)
        x = graph.op("QUANTIZE", [x], (1, side, side, filters), "int8", quant=QUANT)
        x = _conv(graph, x, (side, side), filters, filters)
    if flatten:
        shape = graph.constant(np.array([1, side * side * filters], np.int32))
        x = graph.op("RESHAPE", [x, shape], (1, side * side * filters), "int8", quant=QUANT)
        weights = graph.constant(np.ones((10, side * side * filters), np.int8), quant=QUANT)
        x = graph.op("FULLY_CONNECTED", [x, weights], (1, 10), "int8", quant=QUANT, options={}, version=4)
    return read_graph(graph.finish([x]))


def _conv(graph, x, size, channels, filters):
    scales = ((0.1,) * filters, (0,) * filters, 0)
    weights = graph.constant(np.ones((filters, 3, 3, channels), np.int8), quant=scales)
    options = {"strideW": 1, "strideH": 1, "dilationWFactor": 1, "dilationHFactor": 1}
    return graph.op("CONV_2D", [x, weights], (1, *size, filters), "int8", quant=QUANT, options=options, version=3)


# The payload of real compiled files with one layer more or less (N32 … N280 and dense_256 … of the shared data),
# as differences: bytes = taps · inputs by fours · outputs by sixteens, by 64 above 64, and 8 bytes for each output.
@pytest.mark.parametrize(
    ("source", "output", "kernel", "stored"),
    [
        ((64, 64, 3), (64, 64, 32), (3, 3), 9 * 4 * 32 + 8 * 32),
        ((64, 64, 32), (64, 64, 33), (3, 3), 9 * 32 * 48 + 8 * 48),
        ((64, 64, 37), (64, 64, 64), (3, 3), 9 * 40 * 64 + 8 * 64),
        ((64, 64, 64), (64, 64, 65), (1, 1), 64 * 128 + 8 * 128),
        ((64, 64, 1), (64, 64, 8), (7, 7), 49 * 4 * 16 + 8 * 16),
    ],
)
def test_convolutions_are_stored_in_groups(source, output, kernel, stored):
    """Inputs by fours × outputs by sixteens, by 64 above 64; here two numbers of 4 bytes for each output."""
    assert layer_work("CONV_2D", source, output, kernel=kernel, numbers=2).parameter_bytes == stored


def test_each_number_of_an_output_takes_four_bytes():
    """A 1×1 convolution of 5 inputs and 17 outputs: 8 weights and 12, 8 or 4 more bytes for each of 32 outputs."""
    sizes = [layer_work("CONV_2D", (8, 8, 5), (8, 8, 17), numbers=n).parameter_bytes for n in (3, 2, 1)]
    assert sizes == [32 * 20, 32 * 16, 32 * 12]
    assert layer_work("CONV_2D", (8, 8, 5), (8, 8, 17)).parameter_bytes == 32 * 20


@pytest.mark.parametrize(("width", "stored"), [(256, 67584), (512, 266240), (1024, 1056768)])
def test_dense_layers_take_the_bytes_of_real_ones(width, stored):
    work = layer_work("FULLY_CONNECTED", (1, 1, width), (1, 1, width), numbers=2)
    assert (work.parameter_bytes, work.on_chip_bytes) == (stored, stored)


def test_a_kernel_has_as_many_places_as_its_height_times_its_width():
    tall, wide = (layer_work("CONV_2D", (8, 8, 8), (8, 8, 64), kernel=kernel) for kernel in ((3, 1), (1, 5)))
    assert (tall.macs, wide.macs) == (8 * 8 * 64 * 8 * 3, 8 * 8 * 64 * 8 * 5)
    depthwise = layer_work("DEPTHWISE_CONV_2D", (8, 8, 8), (8, 8, 8), kernel=(2, 5))
    assert depthwise.macs == 8 * 8 * 8 * 10


def test_a_dense_layer_over_an_image_works_on_all_its_values_at_once():
    assert layer_work("FULLY_CONNECTED", (7, 7, 64), (1, 1, 10)) == layer_work(
        "FULLY_CONNECTED", (1, 1, 3136), (1, 1, 10)
    )
    assert layer_work("FULLY_CONNECTED", (7, 7, 64), (1, 1, 10)).input == (1, 1, 3136)


@pytest.mark.parametrize(("channels", "copies"), [(15, 1), (16, 4), (32, 2), (64, 1), (128, 1)])
def test_the_chip_keeps_narrow_layers_as_often_as_fills_64_lanes(channels, copies):
    """MobileNet v2's layers of 16 to 32 outputs make its 3.72 MiB into the 3.75 MiB that are printed."""
    work = layer_work("CONV_2D", (64, 64, 32), (64, 64, channels), kernel=(3, 3))
    assert work.on_chip_bytes == copies * work.parameter_bytes


def test_a_convolution_at_one_place_is_kept_once():
    work = layer_work("CONV_2D", (1, 1, 96), (1, 1, 16))
    assert work.on_chip_bytes == work.parameter_bytes == 16 * (96 + 12)


def test_utilization_is_what_the_array_computes():
    full = layer_work("CONV_2D", (8, 8, 64), (8, 8, 128))
    assert (full.macs, full.array_passes, full.utilization) == (8 * 8 * 64 * 128, 128.0, 1.0)
    assert layer_work("CONV_2D", (8, 8, 64), (8, 8, 65)).utilization == pytest.approx(65 / 128)
    assert layer_work("CONV_2D", (8, 8, 64), (8, 8, 48)).utilization == pytest.approx(48 / 64)
    assert layer_work("CONV_2D", (8, 8, 3), (8, 8, 64)).utilization == pytest.approx(3 / 4)
    assert layer_work("ADD", (8, 8, 64), (8, 8, 64)).utilization == 1.0


@pytest.mark.parametrize(("channels", "lanes"), [(1, 16), (16, 16), (17, 32), (32, 32), (33, 64), (64, 64), (65, 128)])
def test_narrow_convolutions_serve_several_places_of_the_image_at_once(channels, lanes):
    """Stacks of 7×7 layers of 32 channels take half of what 64 channels would: 0.83 ms each at 128×128."""
    passes = layer_work("CONV_2D", (128, 128, 32), (128, 128, channels), kernel=(7, 7)).array_passes
    assert passes == 128 * 128 * 49 * 32 * lanes / 4096


def test_a_layer_of_a_published_stack_takes_the_time_that_was_measured():
    """(249.1 − 124.4 ms) ÷ 150 layers."""
    work = layer_work("CONV_2D", (128, 128, 32), (128, 128, 32), kernel=(7, 7))
    assert work.array_passes * EDGE_TPU.array_ns * 1e-6 == pytest.approx(0.831, rel=0.05)


def test_a_graphs_op_has_the_work_of_its_shapes():
    graph = conv_model()
    # All scales are equal and there are no biases: of the three numbers the zero points are left.
    assert op_work(graph, graph.ops[0]) == layer_work("CONV_2D", (8, 8, 3), (8, 8, 16), kernel=(3, 3), numbers=1)
    mean, soft = (op_work(read_graph(int8_model()), op) for op in read_graph(int8_model()).ops)
    assert (mean.vector_passes, mean.macs, soft.parameter_bytes) == (4 * 4 * 8 / 64, 0, 0)


@pytest.mark.parametrize(("channels", "stored"), [(3, 4), (4, 4), (5, 8), (64, 64), (65, 68)])
def test_depthwise_layers_are_stored_by_four_channels(channels, stored):
    """A tap takes 4 bytes for each channel, the numbers 4 each: MobileNets come out so to the byte.

    One of 25×25 over 3 channels took 10.00 KiB on the chip: 4 × (625 × 4 + 4) bytes, in whole rows.
    """
    work = layer_work("DEPTHWISE_CONV_2D", (8, 8, channels), (8, 8, channels), kernel=(3, 3))
    assert work.parameter_bytes == work.on_chip_bytes == stored * (9 * 4 + 12)
    single = layer_work("DEPTHWISE_CONV_2D", (8, 8, channels), (8, 8, channels), kernel=(25, 25), numbers=1)
    assert single.parameter_bytes == stored * (625 * 4 + 4)
    assert work.macs == 9 * 8 * 8 * channels
    assert work.vector_passes == 8 * 8 * 9 * stored / 64


@pytest.mark.parametrize(
    ("scales", "bias", "numbers"),
    [((0.1, 0.2), 7, 3), ((0.1, 0.2), 0, 2), ((0.1, 0.1), 7, 2), ((0.1, 0.1), 0, 1), ((0.1,), 7, 1), ((0.1,), 0, 1)],
)
def test_an_output_has_as_many_numbers_as_differ(scales, bias, numbers):
    """A multiplier where scales differ, a bias unless all are 0, a zero point where there is a scale for each output.

    One number is there in any case. A 1×1 layer of 8 inputs and 2 outputs: 16 × 8 bytes, and 16 × 4 for each number.
    """
    graph = GraphBuilder()
    x = graph.input((1, 4, 4, 8), "int8", quant=QUANT)
    quant = (scales, (0,) * len(scales), 0) if len(scales) > 1 else (scales[0], 0)
    weights = graph.constant(np.ones((2, 1, 1, 8), np.int8), quant=quant)
    biases = graph.constant(np.full(2, bias, np.int32), quant=quant)
    options = {"strideW": 1, "strideH": 1, "dilationWFactor": 1, "dilationHFactor": 1}
    y = graph.op("CONV_2D", [x, weights, biases], (1, 4, 4, 2), "int8", quant=QUANT, options=options, version=3)
    model = read_graph(graph.finish([y]))
    assert op_work(model, model.ops[0]).parameter_bytes == 16 * (8 + 4 * numbers)


@pytest.mark.parametrize(("inputs", "stored"), [(1, 16 * (49 * 4 + 8)), (8, 8 * (49 * 4 + 12))])
def test_a_depthwise_layer_of_several_filters_for_a_channel_is_an_ordinary_one(inputs, stored):
    """8 filters of 7×7 over one channel took the 3,200 bytes of a convolution (of one number), not a depthwise layer's.

    An ordinary one has no biases where all are 0; a depthwise one has them all the same.
    """
    graph = GraphBuilder()
    x = graph.input((1, 16, 16, inputs), "int8", quant=QUANT)
    scales = (tuple(0.1 + n / 100 for n in range(8)), (0,) * 8, 3)
    weights = graph.constant(np.ones((1, 7, 7, 8), np.int8), quant=scales)
    options = {"strideW": 1, "strideH": 1, "dilationWFactor": 1, "dilationHFactor": 1, "depthMultiplier": 8 // inputs}
    y = graph.op("DEPTHWISE_CONV_2D", [x, weights], (1, 16, 16, 8), "int8", quant=QUANT, options=options, version=3)
    model = read_graph(graph.finish([y]))
    work = op_work(model, model.ops[0])
    assert (work.kind, work.parameter_bytes) == ("DEPTHWISE_CONV_2D", stored)
    assert (work.array_passes > 0) == (inputs == 1)


def test_a_dense_layer_works_as_a_convolution_of_one_position():
    graph = conv_model(flatten=True)
    reshape, dense = (op_work(graph, op) for op in graph.ops[1:])
    assert dense == layer_work("FULLY_CONNECTED", (1, 1, 8 * 8 * 16), (1, 1, 10), numbers=1)
    assert (dense.macs, dense.array_passes, dense.groups) == (1024 * 10, 256.0, 1)
    assert dense.output == (1, 1, 10) and dense.pieces == 1.0
    assert (reshape.array_passes, reshape.vector_passes, reshape.parameter_bytes, reshape.macs) == (0, 0, 0, 0)


def _one(opcode, shape, out, *constants, options=None):
    graph = GraphBuilder()
    x = graph.input(shape, "int8", quant=QUANT)
    others = [graph.constant(constant, quant=QUANT if constant.dtype == np.int8 else None) for constant in constants]
    model = read_graph(graph.finish([graph.op(opcode, [x, *others], out, "int8", quant=QUANT, options=options)]))
    return op_work(model, model.ops[0])


def test_passes_of_what_needs_no_products_are_those_of_its_window():
    """One pass for each position, each place of the window and each 64 channels; channels go by fours."""
    pool = {"filterHeight": 2, "filterWidth": 3}
    assert _one("MAX_POOL_2D", (1, 8, 9, 70), (1, 4, 3, 70), options=pool).vector_passes == 4 * 3 * 2 * 3 * 72 / 64
    assert _one("AVERAGE_POOL_2D", (1, 8, 9, 64), (1, 4, 3, 64), options=pool).vector_passes == 4 * 3 * 2 * 3
    axes = np.array([1, 2], np.int32)
    assert _one("MEAN", (1, 7, 5, 65), (1, 65), axes).vector_passes == 7 * 5 * 68 / 64
    assert _one("LOGISTIC", (1, 7, 5, 64), (1, 7, 5, 64)).vector_passes == 35
    assert _one("LOGISTIC", (2, 3, 7, 5, 64), (2, 3, 7, 5, 64)).vector_passes == 2 * 3 * 7 * 5


def test_constants_beside_an_activation_are_parameters():
    work = _one("ADD", (1, 4, 4, 8), (1, 4, 4, 8), np.ones((4, 4, 8), np.int8))
    assert (work.parameter_bytes, work.on_chip_bytes, work.macs) == (128, 128, 0)
    assert _one("PAD", (1, 4, 4, 8), (1, 6, 6, 8), np.zeros((4, 2), np.int32)).parameter_bytes == 0


def test_a_transposed_convolution_works_at_every_position_of_its_input():
    work = layer_work("TRANSPOSE_CONV", (4, 4, 8), (8, 8, 64), kernel=(2, 2))
    assert (work.macs, work.array_passes) == (4 * 4 * 4 * 8 * 64, 4 * 4 * 4 * 8 * 64 / 4096)


def test_the_interval_is_the_estimate_times_and_divided_by_the_spread():
    found = estimate_work({0: layer_work("ADD", (8, 8, 64), (8, 8, 64))}, 1000, 1000, calls=3)
    instructions = 3 * 4096 + 1900
    for name, host in HOSTS.items():
        compute = 64 * 3.67 * host.clock
        moved = (1000 + instructions) * host.send_ns + 1000 * host.fetch_ns
        latency = found.latency[name]
        assert latency.expected == pytest.approx(3 * host.fixed_ms + (moved + compute) * 1e-6)
        assert latency.high / latency.expected == pytest.approx(1.47) == LATENCY_SPREAD
        assert latency.expected / latency.low == pytest.approx(1.47)
        assert milliseconds_text(latency).startswith(f"{latency.expected:.1f} ms, likely {latency.low:.1f} to ")


def test_the_standard_library_halves_the_clock():
    work = layer_work("CONV_2D", (56, 56, 64), (56, 56, 64), kernel=(3, 3))
    latency = estimate_work({0: work}, 0, 0).latency
    difference = latency["usb3-std"].expected - latency["usb3"].expected
    assert difference == pytest.approx(56 * 56 * 9 * 64 * 64 / 4096 * 4e-6)


@pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)
def test_the_clock_is_half_where_the_standard_library_drives_a_chip_on_usb(host):
    """Coral's «Get started with the USB Accelerator»: libedgetpu1-std runs it at half of the highest frequency."""
    assert host.clock == (2.0 if "libedgetpu1-std" in host.title else 1.0)


def test_operations_compute_while_their_parameters_come_in():
    """4096² weights over USB 3 take 37 ms, their products less; the longer one counts."""
    work = layer_work("FULLY_CONNECTED", (1, 1, 4096), (1, 1, 4096))
    found = estimate_work({0: work}, 0, 0)
    (layer,) = found.layers
    assert layer.transfer_ms == pytest.approx(4096 * (4096 + 12) * HOSTS["usb3"].send_ns * 1e-6)
    assert layer.compute_ms == pytest.approx(4 * 1024 * 4e-6)
    assert layer.ms == layer.transfer_ms
    instructions = (4096 + 1900) * HOSTS["usb3"].send_ns * 1e-6
    assert found.latency["usb3"].expected == pytest.approx(HOSTS["usb3"].fixed_ms + instructions + layer.ms)
    assert (found.parameter_bytes, found.streamed_bytes, found.on_chip_bytes) == (work.parameter_bytes,) * 2 + (0,)
    assert found.macs == 4096 * 4096


@pytest.mark.parametrize(("side", "times"), [(128, 0), (256, 1), (512, 7)])
def test_activations_beyond_the_memory_cost_instructions(side, times):
    """In and out together are 3 MiB at 128×128×96, 12 at 256×256 and 48 at 512×512: the first fit."""
    work = layer_work("RELU", (side, side, 96), (side, side, 96))
    over = max(0, 2 * side * side * 96 / (3 * 2**20) - 1)
    assert (over > 0) == (times > 0)
    assert work.instruction_bytes == pytest.approx(1900 + 30_000 * over)
    assert estimate_work({0: work}, 0, 0).instruction_bytes == int(4096 + 1900 + 30_000 * over)


def test_another_shape_of_the_same_bytes_needs_no_instructions():
    graph = conv_model(flatten=True)
    assert op_work(graph, graph.ops[1]).instruction_bytes == 0


def test_parameters_that_fill_the_chip_exactly_stay_on_it():
    def work(size):
        return replace(layer_work("ADD", (1, 1, 1), (1, 1, 1)), parameter_bytes=size, on_chip_bytes=size)

    whole = 16 * 518_656
    assert EDGE_TPU.on_chip_bytes == whole
    full = estimate_work({0: work(whole // 2), 1: work(whole // 2)}, 0, 0)
    assert [layer.streamed for layer in full.layers] == [False, False] and full.remaining_bytes == 0
    more = estimate_work({0: work(whole // 2), 1: work(whole // 2 + 1), 2: work(5)}, 0, 0)
    assert [layer.streamed for layer in more.layers] == [False, True, False]


def test_latency_is_the_sum_of_its_parts():
    work = layer_work("CONV_2D", (8, 8, 64), (8, 8, 64))
    found = estimate_work({0: work}, sent=1000, fetched=500)
    host = HOSTS["usb3"]
    passes = 8 * 8 * EDGE_TPU.array_ns
    expected = host.fixed_ms + ((1000 + 5996) * host.send_ns + 500 * host.fetch_ns + passes) * 1e-6
    assert found.latency["usb3"].expected == pytest.approx(expected)
    assert found.latency["usb3"].low < expected < found.latency["usb3"].high
    assert set(found.latency) == set(HOSTS) == {"usb3", "usb3-std", "usb2", "pcie", "devboard", "pi4"}


def test_what_does_not_fit_is_streamed_whole():
    # Three layers of 2.57 MiB: the compiler printed 5.34 MiB on chip and 2.57 MiB streamed for these shapes.
    sizes = [64, 1620, 1620, 1620, 1620, 10]
    works = {i: layer_work("FULLY_CONNECTED", (1, 1, a), (1, 1, b)) for i, (a, b) in enumerate(zip(sizes, sizes[1:]))}
    found = estimate_work(works, 64, 10)
    assert [layer.streamed for layer in found.layers] == [False, False, False, True, False]
    assert found.on_chip_bytes == pytest.approx(5.34 * 2**20, rel=0.01)
    assert found.streamed_bytes == pytest.approx(2.57 * 2**20, rel=0.01)
    assert found.on_chip_bytes + found.remaining_bytes == EDGE_TPU.on_chip_bytes
    assert found.on_chip.low <= 5.34 * 2**20 <= found.on_chip.high
    assert found.streamed.low <= 2.57 * 2**20 <= found.streamed.high
    assert found.costliest(1)[0].index == 3


def test_streamed_parameters_are_sent_for_each_piece_of_a_large_output():
    """9·1024 weights for each of 1,024 outputs do not fit: at 64×64 their 4 MiB are made in 8 pieces of 512 KiB."""
    work = layer_work("CONV_2D", (64, 64, 1024), (64, 64, 1024), kernel=(3, 3))
    (layer,) = estimate_work({0: work}, 0, 0).layers
    assert layer.transfer_ms == pytest.approx(8 * 1024 * (9 * 1024 + 12) * HOSTS["usb3"].send_ns * 1e-6)
    assert layer_work("CONV_2D", (8, 8, 64), (8, 8, 64)).pieces == 1.0
    assert layer_work("CONV_2D", (64, 64, 64), (64, 64, 512)).pieces == pytest.approx(4.0)


def test_activations_cross_the_bus_at_each_end_of_a_subgraph():
    graph = conv_model(cpu_between=True)
    first = estimate(graph, map_ops(graph))
    assert (first.input_bytes, first.output_bytes, len(first.layers)) == (8 * 8 * 3, 8 * 8 * 16, 1)
    uneven = conv_model(filters=18)
    assert estimate(uneven, map_ops(uneven)).output_bytes == 8 * 8 * 20
    both = estimate(graph, map_ops(graph, CompilerOptions(all_subgraphs=True)))
    assert (both.input_bytes, both.output_bytes, len(both.layers)) == (8 * 8 * (3 + 16), 2 * 8 * 8 * 16, 2)
    assert both.latency["usb3"].expected > first.latency["usb3"].expected + HOSTS["usb3"].fixed_ms
    assert "3 ops on the CPU are not in the latency" in first.cautions


def test_what_kernels_take_does_not_remain():
    """3×3 over 64×64: 8 places of 64 KiB."""
    work = layer_work("CONV_2D", (64, 64, 64), (64, 64, 64), kernel=(3, 3))
    found = estimate_work({0: work}, 0, 0)
    assert found.remaining_bytes == 16 * 518_656 - 8 * 65_536 - 64 * (9 * 64 + 12)


def test_sizes_lie_within_a_twenty_fifth_where_the_room_is_ample():
    work = layer_work("FULLY_CONNECTED", (1, 1, 1024), (1, 1, 1024), numbers=2)
    found = estimate_work({0: work}, 0, 0)
    assert tuple(found.on_chip) == pytest.approx((1_056_768 / 1.04, 1_056_768, 1_056_768 * 1.04))
    assert tuple(found.streamed) == (0, 0, 0)
    assert bytes_text(found.on_chip) == "1.01MiB, likely 992.31KiB to 1.05MiB" and bytes_text(found.streamed) == "0.00B"
    assert tuple(around(104)) == pytest.approx((100, 104, 108.16))


@pytest.mark.parametrize(("depth", "cached", "perhaps"), [(7000, True, True), (7200, True, False), (8150, False, True)])
def test_the_interval_allows_for_more_or_less_free_memory(depth, cached, perhaps):
    """A group of 64 takes 64 × (depth + 8) bytes of a tile's 518,656, of which at least 88 % are free, or 102 %."""
    work = layer_work("FULLY_CONNECTED", (1, 1, depth), (1, 1, 1024), numbers=2)
    found = estimate_work({0: work}, 0, 0)
    assert (found.on_chip_bytes > 0) == cached
    # Sure of it both ways where the whole interval is; otherwise it reaches from nothing to all.
    assert (found.on_chip.low > 0) == (cached and perhaps)
    assert (found.on_chip.high > 0) == (cached or perhaps)
    assert (found.streamed.high > 0) == (not (cached and perhaps))


def test_a_model_with_nothing_on_the_edge_tpu_has_no_latency():
    graph = GraphBuilder()
    x = graph.input((1, 4), "float32")
    y = graph.op("SOFTMAX", [x], (1, 4), "float32", options={"beta": 1.0})
    model = read_graph(graph.finish([y]))
    found = estimate(model, map_ops(model))
    assert (found.latency, found.layers, found.on_chip_bytes, found.input_bytes) == ({}, (), 0, 0)
    assert savings(found) == ()


def test_says_when_it_was_not_checked():
    assert estimate(conv_model(), map_ops(conv_model())).cautions == ()
    graph = GraphBuilder()
    x = graph.input((1, 1024, 1024, 8), "int8", quant=QUANT)
    y = graph.op("LOGISTIC", [x], (1, 1024, 1024, 8), "int8", quant=(1 / 256, -128), version=2)
    large = read_graph(graph.finish([y]))
    cautions = estimate(large, map_ops(large)).cautions
    assert cautions == ("not checked with LOGISTIC", "not checked with inputs this large")


@pytest.mark.parametrize(("side", "said"), [(600, False), (601, True)])
def test_inputs_up_to_the_largest_that_was_checked_need_no_caution(side, said):
    graph = GraphBuilder()
    x = graph.input((1, side, 600, 3), "int8", quant=QUANT)
    y = graph.op("RELU", [x], (1, side, 600, 3), "int8", quant=QUANT)
    model = read_graph(graph.finish([y]))
    assert ("not checked with inputs this large" in estimate(model, map_ops(model)).cautions) == said


@pytest.mark.parametrize(("count", "said"), [(23, False), (24, True)])
def test_many_concatenations_are_told(count, said):
    graph = GraphBuilder()
    x = graph.input((1, 4, 4, 4), "int8", quant=QUANT)
    for number in range(count):
        channels = 4 * (number + 2)
        ends = [x, graph.graph.inputs[0]]
        x = graph.op("CONCATENATION", ends, (1, 4, 4, channels), "int8", quant=QUANT, options={"axis": 3})
    model = read_graph(graph.finish([x]))
    found = estimate(model, map_ops(model))
    assert len(found.layers) == count
    assert any("densely connected" in caution for caution in found.cautions) == said


@pytest.mark.parametrize(
    ("shape", "said"), [((1, 2, 1, 6), True), ((1, 1, 1, 6), False), ((1, 2, 2, 8), False), ((1, 2, 6), False)]
)
def test_only_maps_with_uneven_channels_are_warned_of(shape, said):
    graph = GraphBuilder()
    x = graph.input(shape, "int8", quant=QUANT)
    size = int(np.prod(shape))
    flat = graph.op("RESHAPE", [x, graph.constant(np.array([1, size], np.int32))], (1, size), "int8", quant=QUANT)
    weights = graph.constant(np.ones((10, size), np.int8), quant=QUANT)
    y = graph.op("FULLY_CONNECTED", [flat, weights], (1, 10), "int8", quant=QUANT, options={}, version=4)
    model = read_graph(graph.finish([y]))
    assert any("flattens" in caution for caution in estimate(model, map_ops(model)).cautions) == said


def test_warns_of_uneven_channels_before_a_dense_layer():
    even, uneven = (conv_model(filters=filters, flatten=True) for filters in (16, 18))
    assert estimate(even, map_ops(even)).cautions == ()
    (caution,) = estimate(uneven, map_ops(uneven)).cautions
    assert caution.startswith("op 1 flattens a number of channels that is no multiple of 4")


def _table(name):
    lines = (Path(__file__).parents[3] / "benchmarks" / name).read_text().splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def test_printed_memory_is_met():
    from benchmarks.published import estimated, memory_pairs

    rows = [row for row in _table("printed.csv") if not row["model"].startswith("mobilenet")]
    found = list(memory_pairs([(row, estimated(row["model"])) for row in rows]))
    errors = np.array([abs(expected / mib - 1) for _, mib, (_, expected, _) in found])
    assert len(found) > 100 and np.mean(errors <= 0.1) >= 0.95 and np.median(errors) < 0.01
    assert np.mean([low <= mib <= high for _, mib, (low, _, high) in found]) >= 0.9


def test_published_latencies_without_keras_models_are_met():
    from benchmarks.published import LIKE, estimated, figures, milliseconds

    rows = [
        figure
        for figure in figures()
        if figure.model.startswith(("squeezenet", "efficientnet", "inception_v", "wide7", "deep"))
    ]
    rows = [figure for figure in rows if not figure.model.startswith("inception_v3")]
    errors = [estimated(figure.model).latency[figure.host].expected / figure.ms - 1 for figure in rows]
    assert np.median(np.abs(errors)) < 0.07 and set(LIKE) < set(HOSTS)
    for figure in rows[:20]:
        expected = estimated(figure.model).latency[figure.host].expected
        assert milliseconds(figure.model, HOSTS[figure.host]) == pytest.approx(expected, rel=1e-6)


@pytest.mark.shared
def test_parameters_of_real_compiled_files_are_met(shared):
    from benchmarks.published import DEVELOPED_ON, memory_rows

    errors = {True: [], False: []}
    for _, repository, real, expected in memory_rows(shared / "edgetpu"):
        if real >= 64 * 1024:
            errors[repository in DEVELOPED_ON].append(abs(expected / real - 1))
    assert np.median(errors[True]) == 0
    assert len(errors[False]) == 15 and np.mean(np.array(errors[False]) < 0.1) > 0.9


def test_a_convolution_that_does_not_fit_is_no_dense_layer():
    large = layer_work("CONV_2D", (4, 4, 1024), (4, 4, 1024), kernel=(3, 3))
    found = estimate_work({0: large, 1: layer_work("CONV_2D", (1, 1, 9), (1, 1, 9))}, 100, 100)
    assert [layer.streamed for layer in found.layers] == [True, False]
    assert not any("is a dense layer of" in sentence for sentence in savings(found))
