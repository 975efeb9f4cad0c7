"""Folding is exact: a folded model fed with what its own spec says answers as the original one did."""

import numpy as np
import pytest

from edgekit.converters.export.fold import fold_in
from edgekit.devices.interpreter import open_interpreter
from edgekit.preprocess import InputSpec, normalize
from edgekit.tflite import read_graph
from edgekit.tflite.editor import Editor
from tests.support.build import GraphBuilder

SIZE = 8
SAME, VALID = 0, 1
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
RAW = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)


class Net:
    """A float classifier in the making: `chain` steps on the input, then a reader of what they give."""

    def __init__(self, channels=3, size=SIZE):
        self.graph = GraphBuilder()
        self.random = np.random.default_rng(0)
        self.shape = (1, size, size, channels)
        self.end = self.graph.input(self.shape)

    def weights(self, *shape):
        return self.graph.constant(self.random.normal(0, 0.3, shape).astype(np.float32))

    def step(self, opcode, value, *, first=True, activation=0):
        constant = self.graph.constant(np.array(value, np.float32))
        inputs = [self.end, constant] if first else [constant, self.end]
        self.end = self.graph.op(opcode, inputs, self.shape, options={"fusedActivationFunction": activation})
        return self

    def pad(self):
        paddings = self.graph.constant(np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32))
        self.shape = (1, self.shape[1] + 2, self.shape[2] + 2, self.shape[3])
        self.end = self.graph.op("PAD", [self.end, paddings], self.shape, options={})
        return self

    def conv(self, padding, *, groups=1):
        side, channels = self.shape[1], self.shape[3]
        inputs = [self.end, self.weights(6, 3, 3, channels // groups), self.weights(6)]
        self.shape = (1, side, side, 6) if padding == SAME else (1, side - 2, side - 2, 6)
        options = {"padding": padding, "strideW": 1, "strideH": 1, "dilationWFactor": 1, "dilationHFactor": 1}
        self.end = self.graph.op("CONV_2D", inputs, self.shape, options=options)
        return self

    def mean(self, tensor=None):
        axes = self.graph.constant(np.array([1, 2], np.int32))
        source = self.end if tensor is None else tensor
        return self.graph.op("MEAN", [source, axes], (1, self.shape[3]), options={"keepDims": False})

    def finish(self, outputs=None):
        return self.graph.finish([self.mean()] if outputs is None else outputs)


def spec_of(preprocessing, *, channels=3, order="rgb"):
    mean, std = preprocessing
    return InputSpec(SIZE, SIZE, channels, mean, std, order)


def run(content, pixels, spec):
    interpreter = open_interpreter(content)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], normalize(pixels, spec)[np.newaxis])
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]


def folded(graph, spec):
    """The rewritten graph and its spec; both as given where nothing can be folded."""
    editor = Editor(graph)
    new = fold_in(editor, spec)
    return (graph, spec) if new is None else (editor.finish(), new)


def fold(content, spec):
    """The folded file and spec, after the proof that they compute what they did before."""
    graph, new = folded(read_graph(content), spec)
    random = np.random.default_rng(1)
    for _ in range(3):
        pixels = random.integers(0, 256, spec.shape, np.uint8)
        for expected, found in zip(run(content, pixels, spec), run(graph.content, pixels, new), strict=True):
            np.testing.assert_allclose(found, expected, atol=2e-5 * max(1.0, np.abs(expected).max()))
    return graph, new


def kinds(graph):
    return [op.opcode for op in graph.ops]


def test_rescaling_moves_into_the_input():
    graph, spec = fold(Net().step("MUL", 1 / 255).conv(SAME).finish(), spec_of(RAW))
    assert kinds(graph) == ["CONV_2D", "MEAN"]
    assert spec.mean == (0, 0, 0)
    np.testing.assert_allclose(spec.std, 255, rtol=1e-6)


def test_rescaling_with_offset_moves_into_the_input_whatever_the_padding():
    graph, spec = fold(Net().step("MUL", 1 / 127.5).step("ADD", -1.0).conv(SAME).finish(), spec_of(RAW))
    assert kinds(graph) == ["CONV_2D", "MEAN"]
    np.testing.assert_allclose((spec.mean[0], spec.std[0]), 127.5, rtol=1e-6)


@pytest.mark.parametrize(
    "steps",
    [
        [("MUL", 1 / 255), ("SUB", [0.485, 0.456, 0.406]), ("DIV", [0.229, 0.224, 0.225])],
        [("DIV", 255.0), ("ADD", [-0.485, -0.456, -0.406]), ("MUL", [4.37, 4.46, 4.44])],
        [("SUB", [[[[123.7, 116.3, 103.5]]]]), ("MUL", [[[0.0171, 0.0175, 0.0174]]])],
    ],
)
def test_values_per_channel_before_padding_become_one_depthwise_convolution(steps):
    net = Net()
    for opcode, value in steps:
        net.step(opcode, value)
    graph, spec = fold(net.conv(SAME).finish(), spec_of(RAW))
    assert kinds(graph) == ["DEPTHWISE_CONV_2D", "CONV_2D", "MEAN"]
    assert (spec.mean, spec.std) == RAW
    steps = ("stride_h", "stride_w", "dilation_h_factor", "dilation_w_factor", "depth_multiplier")
    assert {graph.ops[0].option(name) for name in steps} == {1} and graph.ops[0].option("padding") == "VALID"


def test_values_per_channel_without_padding_go_into_the_weights():
    net = Net().step("MUL", 1 / 255).step("SUB", [0.485, 0.456, 0.406]).step("DIV", [0.229, 0.224, 0.225])
    graph, spec = fold(net.conv(VALID).finish(), spec_of(RAW))
    assert kinds(graph) == ["CONV_2D", "MEAN"]
    assert (spec.mean, spec.std) == RAW


@pytest.mark.parametrize("padded", ["SAME", "PAD"])
def test_gains_per_channel_without_offset_go_into_the_weights(padded):
    net = Net().step("MUL", [0.1, 0.2, 0.3])
    net = net.conv(SAME) if padded == "SAME" else net.pad().conv(VALID)
    graph, spec = fold(net.finish(), spec_of(RAW))
    assert "MUL" not in kinds(graph) and "DEPTHWISE_CONV_2D" not in kinds(graph)
    assert (spec.mean, spec.std) == RAW


def test_an_offset_per_channel_before_a_pad_stays_before_it():
    graph, _ = fold(Net().step("ADD", [0.1, 0.2, 0.3]).pad().conv(VALID).finish(), spec_of(RAW))
    assert kinds(graph) == ["DEPTHWISE_CONV_2D", "PAD", "CONV_2D", "MEAN"]


def test_preprocessing_outside_of_the_model_is_folded_as_well():
    graph, spec = fold(Net().conv(VALID).finish(), spec_of((MEAN, STD)))
    assert kinds(graph) == ["CONV_2D", "MEAN"]
    assert (spec.mean, spec.std) == RAW
    graph, spec = fold(Net().conv(SAME).finish(), spec_of((MEAN, STD)))
    assert kinds(graph) == ["DEPTHWISE_CONV_2D", "CONV_2D", "MEAN"]
    assert (spec.mean, spec.std) == RAW


def test_outside_and_inside_are_one_map():
    outside = spec_of(((127.5,) * 3, (127.5,) * 3))
    graph, spec = fold(Net().step("ADD", 1.0).step("MUL", 127.5).conv(SAME).finish(), outside)
    assert kinds(graph) == ["CONV_2D", "MEAN"]
    np.testing.assert_allclose(spec.std, 1, rtol=1e-6)
    np.testing.assert_allclose(spec.mean, 0, atol=1e-6)


@pytest.mark.parametrize("padding", [SAME, VALID])
@pytest.mark.parametrize("steps", [[], [("MUL", [0.1, 0.2, 0.3])], [("MUL", 0.5)]])
def test_blue_first_becomes_red_first(padding, steps):
    net = Net()
    for opcode, value in steps:
        net.step(opcode, value)
    caffe = spec_of(((103.939, 116.779, 123.68), (1.0,) * 3), order="bgr")
    graph, spec = fold(net.conv(padding).finish(), caffe)
    assert spec.order == "rgb"
    assert (spec.mean, spec.std) == RAW
    assert kinds(graph) == (["DEPTHWISE_CONV_2D"] if padding == SAME else []) + ["CONV_2D", "MEAN"]


def test_blue_first_stays_where_no_convolution_can_be_turned():
    net = Net()
    caffe = spec_of(((103.939, 116.779, 123.68), (1.0,) * 3), order="bgr")
    content = net.finish()
    graph = read_graph(content)
    assert folded(graph, caffe) == (graph, caffe)


@pytest.mark.parametrize("convention", [((0.0,), (255.0,)), ((127.5,), (127.5,))])
def test_grey_images(convention):
    graph, spec = fold(
        Net(1).step("SUB", [0.4]).step("DIV", [0.2]).conv(SAME).finish(), spec_of(convention, channels=1)
    )
    assert kinds(graph) == ["CONV_2D", "MEAN"]
    assert spec.channels == 1 and len(spec.mean) == len(spec.std) == 1


def test_an_input_that_two_ops_read():
    net = Net()
    source, shape = net.end, net.shape
    bright = net.mean()
    net.end, net.shape = source, shape
    content = net.conv(SAME).finish([net.mean(), bright])
    graph, spec = fold(content, spec_of((MEAN, STD)))
    assert kinds(graph).count("DEPTHWISE_CONV_2D") == 1
    assert (spec.mean, spec.std) == RAW
    graph, spec = fold(content, spec_of(((0.0,) * 3, (255.0,) * 3)))
    assert "DEPTHWISE_CONV_2D" not in kinds(graph)


def test_a_chain_whose_end_two_ops_read():
    net = Net().step("MUL", [0.1, 0.2, 0.3])
    scaled = net.mean()
    graph, _ = fold(net.conv(VALID).finish([net.mean(), scaled]), spec_of(RAW))
    assert kinds(graph).count("DEPTHWISE_CONV_2D") == 1


def test_a_chain_whose_end_the_model_answers_with_is_kept():
    net = Net().step("MUL", 0.5)
    scaled = net.end
    graph, _ = fold(net.conv(VALID).finish([net.mean(), scaled]), spec_of(RAW))
    assert "MUL" in kinds(graph)


def test_no_convolution_at_all():
    def dense():
        net = Net().step("MUL", 1 / 255)
        size = SIZE * SIZE * 3
        shape = net.graph.constant(np.array([1, size], np.int32))
        flat = net.graph.op("RESHAPE", [net.end, shape], (1, size), options={"newShape": [1, size]})
        options = {"fusedActivationFunction": 0, "weightsFormat": 0, "keepNumDims": False}
        return net.finish([net.graph.op("FULLY_CONNECTED", [flat, net.weights(4, size)], (1, 4), options=options)])

    graph, spec = fold(dense(), spec_of(RAW))
    assert kinds(graph) == ["RESHAPE", "FULLY_CONNECTED"]
    np.testing.assert_allclose(spec.std, 255, rtol=1e-6)
    graph, spec = fold(dense(), spec_of((MEAN, STD)))
    assert kinds(graph) == ["DEPTHWISE_CONV_2D", "RESHAPE", "FULLY_CONNECTED"]
    assert (spec.mean, spec.std) == RAW


@pytest.mark.parametrize(
    ("opcode", "value", "first", "activation"),
    [
        ("MUL", -1.0, True, 0),  # no mean and std stand for a negative gain
        ("MUL", 0.0, True, 0),
        ("MUL", [1.0, -1.0, 1.0], True, 0),
        ("SUB", 255.0, False, 0),  # 255 - x
        ("DIV", 255.0, False, 0),  # 255 / x
        ("MUL", 0.5, True, 1),  # with a ReLU fused behind it
        ("ADD", np.ones((1, SIZE, SIZE, 3)), True, 0),  # a value per pixel
        ("ADD", np.ones((1, 1, SIZE, 1)), True, 0),  # a value per column
        ("POW", 2.0, True, 0),
    ],
)
def test_what_is_no_scaling_per_channel_ends_the_chain(opcode, value, first, activation):
    if opcode == "POW":
        net = Net().step("MUL", 1 / 255)
        net.end = net.graph.op("POW", [net.end, net.graph.constant(np.float32(value))], net.shape, options={})
    else:
        net = Net().step("MUL", 1 / 255).step("ADD", 0.5).step(opcode, value, first=first, activation=activation)
    graph, spec = fold(net.conv(SAME).finish(), spec_of(RAW))
    assert kinds(graph) == [opcode, "CONV_2D", "MEAN"]
    np.testing.assert_allclose(spec.std, 255, rtol=1e-6)


def test_a_column_as_wide_as_the_channels_is_not_taken_for_channels():
    net = Net(3, 3).step("MUL", np.array([0.1, 0.2, 0.3]).reshape(1, 1, 3, 1))
    content = net.conv(SAME).finish()
    spec = InputSpec(3, 3)
    graph, _ = folded(read_graph(content), spec)
    assert kinds(graph) == ["MUL", "CONV_2D", "MEAN"]


@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_a_grouped_convolution_is_left_alone(order):
    spec = spec_of((MEAN, STD), order=order)
    content = Net().conv(VALID, groups=3).finish()
    if order == "bgr":
        graph = read_graph(content)
        assert folded(graph, spec) == (graph, spec)
    else:
        graph, _ = fold(content, spec)
        assert kinds(graph) == ["DEPTHWISE_CONV_2D", "CONV_2D", "MEAN"]


def test_weights_that_two_convolutions_share_are_changed_for_the_first_only():
    net = Net().step("MUL", [0.1, 0.2, 0.3]).step("ADD", [0.1, 0.2, 0.3])
    weights, end, options = net.weights(3, 1, 1, 3), net.end, {"padding": VALID, "strideW": 1, "strideH": 1}
    options |= {"dilationWFactor": 1, "dilationHFactor": 1}
    for _ in range(2):
        end = net.graph.op("CONV_2D", [end, weights, net.weights(3)], net.shape, options=options)
    graph, _ = fold(net.finish([net.mean(end)]), spec_of(RAW))
    assert kinds(graph) == ["CONV_2D", "CONV_2D", "MEAN"]


def test_nothing_to_fold_changes_no_number():
    graph, spec = fold(Net().conv(SAME).finish(), spec_of(RAW))
    assert kinds(graph) == ["CONV_2D", "MEAN"]
    assert (spec.mean, spec.std) == RAW


def test_the_same_model_gives_the_same_bytes():
    content = Net().step("MUL", [0.1, 0.2, 0.3]).step("ADD", 1.0).conv(SAME).finish()
    first, second = (folded(read_graph(content), spec_of(RAW))[0] for _ in range(2))
    assert first.content == second.content


class Turning(Net):
    """A net that turns its channels around inside, as `preprocess_input` of keras.applications' ResNet50 does."""

    def turn(self, strides=(1, 1, 1, -1)):
        begin, end = ([0] * 4, list(self.shape)) if strides[-1] == 1 else ([0, 0, 0, 2], [*self.shape[:3], 0])
        inputs = [self.end, *(self.graph.constant(np.array(value, np.int32)) for value in (begin, end, strides))]
        options = {"beginMask": 15, "endMask": 15}
        self.end = self.graph.op("STRIDED_SLICE", inputs, self.shape, options=options)
        return self

    def reverse(self, axis):
        self.end = self.graph.op("REVERSE_V2", [self.end, self.graph.constant(np.array([axis], np.int32))], self.shape)
        return self

    def gather(self, places, axis=3):
        indices = self.graph.constant(np.array(places, np.int32))
        self.end = self.graph.op("GATHER", [self.end, indices], self.shape, options={"axis": axis})
        return self

    def stack(self):
        """Three slices put together backwards, as Keras 3's `preprocess_input` of ResNet50 does."""
        ones, parts = self.graph.constant(np.ones(4, np.int32)), []
        for place in (2, 1, 0):
            ends = (self.graph.constant(np.array([0, 0, 0, place + by], np.int32)) for by in (0, 1))
            options = {"beginMask": 7, "endMask": 7, "shrinkAxisMask": 8}
            parts.append(self.graph.op("STRIDED_SLICE", [self.end, *ends, ones], self.shape[:3], options=options))
        self.end = self.graph.op("PACK", parts, self.shape, options={"valuesCount": 3, "axis": -1})
        return self

    def resize(self, opcode, **options):
        size = self.graph.constant(np.array(self.shape[1:3], np.int32))
        self.end = self.graph.op(opcode, [self.end, size], self.shape, options=options)
        return self


CAFFE = (103.939, 116.779, 123.68)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (Turning().turn().conv(SAME).finish(), ["CONV_2D"]),
        (Turning().turn().turn().conv(SAME).finish(), ["CONV_2D"]),
        (Turning().turn().step("SUB", CAFFE).conv(SAME).finish(), ["DEPTHWISE_CONV_2D", "CONV_2D"]),
        (Turning().turn().step("SUB", CAFFE).conv(VALID).finish(), ["CONV_2D"]),
        (Turning().step("SUB", CAFFE).turn().conv(VALID).finish(), ["CONV_2D"]),
        (Turning().turn().step("SUB", CAFFE).pad().conv(VALID).finish(), ["DEPTHWISE_CONV_2D", "PAD", "CONV_2D"]),
        (Turning().turn().finish(), ["STRIDED_SLICE"]),
        (Turning().reverse(-1).step("SUB", CAFFE).conv(SAME).finish(), ["DEPTHWISE_CONV_2D", "CONV_2D"]),
        (Turning().reverse(3).conv(SAME).finish(), ["CONV_2D"]),
        (Turning().reverse(3).finish(), ["REVERSE_V2"]),
        (Turning().gather([2, 1, 0]).conv(VALID).finish(), ["CONV_2D"]),
        (Turning().stack().step("SUB", CAFFE).conv(SAME).finish(), ["DEPTHWISE_CONV_2D", "CONV_2D"]),
        (Turning().gather([2, 1, 0], axis=-1).turn().conv(VALID).finish(), ["CONV_2D"]),
        (
            Turning().resize("RESIZE_BILINEAR", halfPixelCenters=True).step("MUL", 1 / 255).conv(SAME).finish(),
            ["CONV_2D"],
        ),
        (Turning().step("MUL", 1 / 255).resize("RESIZE_NEAREST_NEIGHBOR").conv(SAME).finish(), ["CONV_2D"]),
    ],
    ids=[
        "turn",
        "twice",
        "caffe, same",
        "caffe, valid",
        "means first",
        "padded",
        "no convolution",
        "caffe, reversed",
        "reversed",
        "reversed, no convolution",
        "gathered",
        "caffe, slices stacked",
        "gathered and turned",
        "bilinear",
        "nearest",
    ],
)
@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_channels_turned_inside_go_into_the_first_convolution(content, expected, order):
    graph, spec = fold(content, spec_of(RAW, order=order))
    assert kinds(graph) == [*expected, "MEAN"]
    assert spec.order == ("rgb" if "CONV_2D" in expected else order)


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        (Turning().reverse(2).conv(SAME).finish(), "REVERSE_V2"),
        (Turning().gather([1, 2, 0]).conv(SAME).finish(), "GATHER"),
        (Turning().gather([0, 1, 2]).conv(SAME).finish(), "GATHER"),
    ],
    ids=["an image mirrored", "channels rotated", "channels as they are"],
)
def test_what_turns_no_channels_stays(content, kept):
    assert kinds(fold(content, spec_of(RAW))[0]) == [kept, "CONV_2D", "MEAN"]


class Casting(Net):
    """A net whose input is cast to bytes, as one that was built with `Input(dtype="uint8")`."""

    def cast(self):
        to_bytes, to_floats = ({"inDataType": a, "outDataType": b} for a, b in ((0, 3), (3, 0)))
        there = self.graph.op("CAST", [self.end], self.shape, "uint8", options=to_bytes)
        self.end = self.graph.op("CAST", [there], self.shape, options=to_floats)
        return self


def test_casts_of_pixels_to_bytes_and_back_go():
    graph, spec = fold(Casting().cast().step("MUL", 1 / 255).conv(SAME).finish(), spec_of(RAW))
    assert kinds(graph) == ["CONV_2D", "MEAN"]
    np.testing.assert_allclose(spec.std, 255, rtol=1e-6)


def test_casts_that_cut_off_fractions_stay():
    content = Casting().step("MUL", 1 / 2).cast().conv(SAME).finish()
    assert kinds(fold(content, spec_of(RAW))[0]) == ["CAST", "CAST", "CONV_2D", "MEAN"]
