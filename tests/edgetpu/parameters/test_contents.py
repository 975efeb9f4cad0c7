import random

import numpy as np
import pytest

from edgekit.devices.inspection import inspect
from edgekit.devices.twin import find_twin
from edgekit.edgetpu.compiler.package import read_compiled
from edgekit.edgetpu.parameters import check_contents, difference
from edgekit.edgetpu.parameters.contents import DIFFERS, MISSING, SAME, Contents, LayerCheck
from edgekit.edgetpu.parameters.layer import layer_parameters
from edgekit.edgetpu.parameters.layout import layouts, sections
from edgekit.errors import DeviceError
from edgekit.reports.inspection import inspection_lines, inspection_to_json
from edgekit.tflite.ops import bias_of, weights_of
from edgekit.tflite.patch import patched
from edgekit.tflite.reader import constant, read_graph
from tests.support import compiled_nets
from tests.support.build import GraphBuilder
from tests.support.one_op import Q, activation, one_op

NUMBERS = compiled_nets.numbers()
NETWORK = read_graph(compiled_nets.network(NUMBERS))
PARAMETERS = compiled_nets.parameters(NUMBERS)


def check(content, network=NETWORK, **more):
    return check_contents(read_compiled(compiled_nets.compiled(content, **more)), network)


def changed(contents):
    return [(layer.op.index, layer.status, layer.changed) for layer in contents.others]


def test_a_network_is_found_to_the_last_byte():
    found = check(PARAMETERS)
    assert found.same and not found.differs and len(found.layers) == 2
    assert found.explained_bytes == found.total_bytes == len(PARAMETERS)


def test_bytes_of_nothing_known_are_counted():
    found = check(bytes(range(64)) + PARAMETERS + bytes([7] * 192))
    assert found.same
    assert (found.explained_bytes, found.total_bytes) == (len(PARAMETERS), len(PARAMETERS) + 256)


def test_weights_that_are_streamed_lie_apart_from_their_head():
    weights = PARAMETERS[-64:]
    found = check(PARAMETERS[:-64], streamed=weights)
    assert found.same and found.explained_bytes == found.total_bytes == len(PARAMETERS)


@pytest.mark.parametrize(
    ("name", "place", "layer", "kind"),
    [
        ("depthwise", (0, 1, 2, 3), 0, "weights"),
        ("depthwise_bias", (2,), 0, "biases"),
        ("dense", (7, 0, 0, 0), 1, "weights"),
        ("dense_bias", (0,), 1, "biases"),
    ],
)
@pytest.mark.parametrize("step", [-1, 1])
def test_the_least_change_of_one_number_is_named(name, place, layer, kind, step):
    other = {key: value.copy() for key, value in NUMBERS.items()}
    other[name][place] += step
    found = check(PARAMETERS, read_graph(compiled_nets.network(other)))
    assert changed(found) == [(layer, "differs", ((kind, 1),))]
    assert found.differs and not found.same
    assert found.explained_bytes < found.total_bytes


def test_every_byte_of_the_parameters_counts():
    network = NETWORK
    for place in range(0, len(PARAMETERS), 5):
        content = bytearray(PARAMETERS)
        content[place] ^= 1
        found = check(bytes(content), network)
        assert found.differs and len(found.others) == 1
        assert found.explained_bytes == found.total_bytes - 1


def test_biases_that_were_all_0_when_it_was_compiled_are_named():
    none = {**NUMBERS, "dense_bias": np.zeros(8, np.int32)}
    content = compiled_nets.parameters(none)
    without = content[:-192] + content[-128:]  # as the compiler leaves a dense head without biases
    assert check(without, read_graph(compiled_nets.network(none))).same
    one = {**none, "dense_bias": np.array([0, 0, 0, 5, 0, 0, 0, 0], np.int32)}
    assert changed(check(without, read_graph(compiled_nets.network(one)))) == [(1, "differs", (("biases", 1),))]


def test_a_network_that_was_calibrated_again_is_the_same_training_on_another_scale(monkeypatch):
    monkeypatch.setattr(compiled_nets, "SCALES", (0.5, 0.25, 0.126))
    found = check(PARAMETERS, read_graph(compiled_nets.network(NUMBERS)))
    assert changed(found) == [(1, "rescaled", (("multipliers", 8),))]
    assert not found.same and not found.differs


def test_a_dense_layer_over_an_image_reads_it_as_a_kernel():
    rng = np.random.default_rng(5)
    weights = rng.integers(0, 128, (8, 12), np.int8)  # 2×2 positions of 3 channels
    network = read_graph(one_op("FULLY_CONNECTED", activation(1, 2, 2, 3), weights, out=activation(1, 8)))
    rows = np.full((4, 8, 4), 0x80, np.uint8)
    rows[:, :, :3] += weights.view(np.uint8).reshape(8, 4, 3).transpose(1, 0, 2)
    content = b"".join(row.tobytes() + bytes(32) for row in rows)
    assert check(content, network).same


def test_another_training_of_the_same_network_is_another_model():
    found = check(PARAMETERS, read_graph(compiled_nets.network(compiled_nets.numbers(seed=1))))
    assert found.differs and len(found.others) == 2


def test_a_model_without_layers_says_nothing():
    graph = read_graph(one_op("TANH", activation(1, 6, 6, 4)))
    found = check_contents(read_compiled(compiled_nets.compiled(PARAMETERS)), graph)
    assert not found.layers and not found.same and not found.differs and found.explained_bytes == 0


def write(folder, network, content=PARAMETERS):
    (folder / "net.tflite").write_bytes(compiled_nets.network(network))
    path = folder / "net_edgetpu.tflite"
    path.write_bytes(compiled_nets.compiled(content))
    return path


def test_a_twin_that_was_trained_on_is_refused_with_its_layers_named(tmp_path):
    other = {**NUMBERS, "dense_bias": NUMBERS["dense_bias"] + np.int32(1)}
    path = write(tmp_path, other)
    with pytest.raises(DeviceError, match=r"8 biases of op 1 CONV_2D \(end\) differ") as raised:
        find_twin(path, read_graph(path))
    assert "edgekit compile net.tflite" in raised.value.hint
    lines = "\n".join(inspection_lines(inspect(path)))
    assert "none. " in lines and "8 biases of op 1 CONV_2D (end) differ" in lines


def test_inspect_tells_what_of_the_file_the_twin_explains(tmp_path):
    found = inspect(write(tmp_path, NUMBERS, PARAMETERS + bytes([7] * 64)))
    text = "\n".join(inspection_lines(found))
    assert "2 of the CPU twin's 2 layers to the last bit" in text
    assert f"{len(PARAMETERS) / (len(PARAMETERS) + 64):.2%}".replace("%", " %") in text
    contents = inspection_to_json(found)["edgetpu"]["contents"]
    assert (contents["same"], contents["layers"], contents["others"]) == (True, 2, [])
    assert contents["total_bytes"] - contents["explained_bytes"] == 64


def test_a_damaged_payload_does_not_hide_the_twin(tmp_path):
    from tests.support.pairs import write_pair

    path = write_pair(tmp_path)
    assert find_twin(path, read_graph(path)).path.name == "net.tflite"


# Kernels beside small images, groups of 64 lanes, runs of outputs: each layout is one that a real file has.
SHAPES = [
    ("CONV_2D", (70, 3, 3, 9), (1, 4, 4, 9), (1, 4, 4, 70)),
    ("CONV_2D", (1, 1, 1, 96), (1, 8, 8, 96), (1, 8, 8, 1)),
    ("CONV_2D", (45, 3, 3, 16), (1, 1, 2, 16), (1, 1, 2, 45)),
    ("DEPTHWISE_CONV_2D", (1, 3, 3, 42), (1, 8, 8, 42), (1, 8, 8, 42)),
    ("FULLY_CONNECTED", (10, 33), (1, 33), (1, 10)),
]


@pytest.mark.parametrize(("opcode", "kernel", "source", "target"), SHAPES)
@pytest.mark.parametrize("scales", ["one", "per channel"])
def test_layers_are_found_in_each_layout(opcode, kernel, source, target, scales):
    rng = np.random.default_rng(3)
    axis = 3 if opcode == "DEPTHWISE_CONV_2D" else 0
    count = kernel[axis] if scales == "per channel" and opcode != "FULLY_CONNECTED" else 1
    quant = ([0.01 * (1 + channel) for channel in range(count)], [0] * count, axis)
    bias = (rng.integers(1, 99, kernel[axis]).astype(np.int32), (1.0, 0))
    weights = rng.integers(-127, 128, kernel).astype(np.int8)
    options = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
    out = (target, "int8", (0.5, 0))
    model = one_op(
        opcode, activation(*source), (weights, quant), bias, out=out, options={} if axis + count == 1 else options
    )
    graph = read_graph(model)
    layer = layer_parameters(graph, graph.ops[0])
    for layout in layouts(layer):
        content = b"".join(section.content for section in sections(layer, layout))
        assert len(content) % 64 == 0
        assert check(content, graph).same, layout


def test_outputs_that_are_reshaped_to_rows_lie_in_runs():
    graph = GraphBuilder()
    x = graph.input((1, 2, 2, 4), "int8", quant=Q)
    weights = graph.constant(np.arange(24, dtype=np.int8).reshape(6, 1, 1, 4), quant=Q)
    y = graph.op("CONV_2D", [x, weights], (1, 2, 2, 6), "int8", quant=Q, options={"strideH": 1, "strideW": 1})
    shape = graph.constant(np.array([1, 8, 3], np.int32))
    network = read_graph(graph.finish([graph.op("RESHAPE", [y, shape], (1, 8, 3), "int8", quant=Q)]))
    rows = np.full((8, 4), 0x80, np.uint8)  # three outputs and a free lane, twice
    rows[[0, 1, 2, 4, 5, 6]] += np.arange(24, dtype=np.uint8).reshape(6, 4)
    found = check(rows.tobytes() + bytes(32), network)
    assert found.same and found.explained_bytes == found.total_bytes == 64


def test_what_a_kernel_never_meets_is_left_out():
    weights = np.arange(9, dtype=np.int8).reshape(1, 3, 3, 1)
    options = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1, "padding": 0}
    graph = read_graph(one_op("CONV_2D", activation(1, 1, 4, 1), weights, options=options))
    layer = layer_parameters(graph, graph.ops[0])
    assert layer.weights.tolist() == [[[[3 ^ 0x80], [4 ^ 0x80], [5 ^ 0x80]]]]


#: Pairs without a convolution that the Edge TPU runs.
NO_LAYERS = {"split_concat"}
#: Pairs whose parameters the twin's layers explain to the last byte.
WHOLE = (
    "mobilenet_v1",
    "mobilenet_v2",
    "posenet",
    "deeplab",
    "model_retina_net",
    "gabor",
    "N3",
    "ASR",
    "face_",
    "model_size",
)
#: Pairs of which 64 or fewer bytes in ten thousand are not known, and the LSTM, most of which is not.
NEARLY, UNKNOWN = ("movenet", "bright", "color"), ("keras_lstm",)


@pytest.mark.shared
def test_every_real_pair_is_recognized(shared):
    for folder in sorted((shared / "edgetpu" / "pairs").iterdir()):
        twin = read_graph(folder / "model.tflite")
        found = check_contents(read_compiled(folder / "model_edgetpu.tflite"), twin)
        assert found.same == (folder.name not in NO_LAYERS), folder.name
        assert difference(found, twin) == ""
        if folder.name.startswith(WHOLE):
            assert found.explained_bytes == found.total_bytes, folder.name
        elif folder.name.startswith(NEARLY):
            assert found.explained_bytes >= 0.997 * found.total_bytes, folder.name
        else:
            assert folder.name.startswith(UNKNOWN) or folder.name in NO_LAYERS, folder.name


@pytest.mark.shared
def test_no_real_pair_is_taken_for_another(shared):
    pairs = shared / "edgetpu" / "pairs"
    compiled = read_compiled(pairs / "posenet_mobilenet_v1_075_353_481_16_quant_decoder" / "model_edgetpu.tflite")
    other = read_graph(pairs / "mobilenet_v1_0.75_192_quant__5" / "model.tflite")
    found = check_contents(compiled, other)
    assert found.differs and "layers are not in it at all" in difference(found, other)


@pytest.mark.shared
@pytest.mark.parametrize(
    "name",
    [
        "mobilenet_v1_0.25_128_quant__5",
        "movenet_single_pose_lightning_ptq",
        "posenet_mobilenet_v1_075_353_481_16_quant_decoder",
        "model_retina_net_not_padded",
        "ASR_Model",
    ],
)
def test_the_least_step_in_ten_random_places_is_found_with_its_layer(shared, name):
    folder, rng = shared / "edgetpu" / "pairs" / name, random.Random(name)
    compiled, twin = read_compiled(folder / "model_edgetpu.tflite"), read_graph(folder / "model.tflite")
    ops = [layer.op for layer in check_contents(compiled, twin).layers]
    for _ in range(10):
        op = rng.choice(ops)
        model, kind = one_step(twin, op, rng)
        named = changed(check_contents(compiled, model))
        assert (op.index, "differs") in [(index, status) for index, status, _ in named], (op, kind)
        sharing = {other.index for other in ops if buffers(twin, other) & buffers(twin, op)}
        assert {index for index, _, _ in named} <= sharing
        assert all(kind in dict(numbers) for _, _, numbers in named)


def buffers(graph, op):
    """Where the file stores an op's constants; layers may share them."""
    return {tensor.buffer for tensor in graph.op_inputs(op) if tensor.is_constant}


def one_step(graph, op, rng):
    """The graph with one weight, bias or multiplier of an op changed by the least step; and which."""
    weights, bias = weights_of(graph, op), bias_of(graph, op)
    kinds = ["weights", "biases"] + ["multipliers"] * (len(set(weights.quant.scale)) > 1)
    kind = rng.choice(kinds)
    if kind == "multipliers":
        place = rng.randrange(1, len(weights.quant.scale))
        return another_scale(graph, op, place), kind
    tensor = weights if kind == "weights" else bias
    value = constant(graph, tensor).copy()
    place = tuple(rng.randrange(size) for size in value.shape)
    value[place] = int(value[place]) + (-1 if value[place] > 0 else 1)
    return patched(graph, constants={tensor.index: value}), kind


def another_scale(graph, op, place):
    """The next scale up for one channel that changes its multiplier."""
    from dataclasses import replace

    weights, before = weights_of(graph, op), layer_parameters(graph, op).multipliers
    scales = list(weights.quant.scale)
    while True:
        scales[place] = float(np.nextafter(np.float32(scales[place]), np.float32(1)))
        model = patched(graph, quant={weights.index: replace(weights.quant, scale=tuple(scales))})
        if (layer_parameters(model, op).multipliers != before).any():
            return model


@pytest.mark.parametrize(
    ("statuses", "same", "differs"),
    [
        ([SAME], True, False),
        ([], False, False),
        ([SAME, MISSING], False, False),
        ([SAME, MISSING, MISSING], False, True),
        ([SAME, SAME, MISSING], False, False),
        ([SAME, SAME, SAME, DIFFERS], False, True),
    ],
)
def test_a_model_is_another_one_where_numbers_differ_or_most_layers_are_missing(statuses, same, differs):
    found = Contents(tuple(LayerCheck(None, status) for status in statuses), 0, 0)
    assert (found.same, found.differs) == (same, differs)
    assert [layer.status for layer in found.others] == [status for status in statuses if status != SAME]


@pytest.mark.parametrize(
    ("count", "more"), [(1, ""), (4, ""), (5, "; 1 more layers differ"), (7, "; 3 more layers differ")]
)
def test_four_layers_that_differ_are_named_and_the_others_counted(count, more):
    layer = LayerCheck(NETWORK.ops[1], DIFFERS, (("weights", 2),))
    told = difference(Contents((layer,) * count, 0, 0), NETWORK)
    assert told == "; ".join(["2 weights of op 1 CONV_2D (end) differ"] * min(count, 4)) + more
