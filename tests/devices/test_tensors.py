import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.devices.prediction import named
from edgekit.devices.tensors import (
    check_classes,
    encoder,
    input_spec,
    input_tensor,
    output_meaning,
    output_tensor,
    plain_input,
    probabilities,
    ranker,
)
from edgekit.errors import ModelError, PreprocessingError, UnsupportedModelError
from edgekit.preprocess import CONVENTIONS, InputSpec, normalize
from edgekit.tflite.graph import QuantParams, Tensor
from edgekit.tflite.metadata import Metadata, pixel_input
from edgekit.tflite.quant import choose_qparams
from edgekit.tflite.reader import read_graph
from tests.support.build import GraphBuilder, colour_classifier

ALL_LEVELS = np.repeat(np.arange(256, dtype=np.uint8)[:, np.newaxis, np.newaxis], 3, axis=2)


def _tensor(dtype, scale, zero, shape=(1, 256, 1, 3)):
    return Tensor(0, "x", shape, shape, dtype, QuantParams((scale,), (zero,)), 0, 0)


def _spec(convention="raw"):
    return InputSpec(256, 1).with_convention(convention)


def test_a_uint8_input_that_stands_for_the_pixels_takes_them_untouched():
    tensor = _tensor("uint8", 1 / 128, 127)
    encoded = encoder(tensor, _spec("lite"))(ALL_LEVELS)
    assert encoded.dtype == np.uint8 and np.shares_memory(encoded, ALL_LEVELS)
    assert np.array_equal(encoded[0], ALL_LEVELS)


def test_an_int8_input_takes_the_pixel_minus_128():
    encoded = encoder(_tensor("int8", 1 / 128, -1), _spec("lite"))(ALL_LEVELS)
    assert encoded.dtype == np.int8 and np.array_equal(encoded[0].astype(int), ALL_LEVELS.astype(int) - 128)


@pytest.mark.parametrize("zero", [127, 128])
def test_pixels_half_way_between_two_steps_stay_evenly_spaced(zero):
    encoded = encoder(_tensor("uint8", 1 / 127.5, zero), _spec("-1..1"))(ALL_LEVELS)
    assert np.array_equal(encoded[0], ALL_LEVELS)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16"])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_a_quantized_input_is_the_normalized_one_within_half_a_step(dtype, convention):
    spec = _spec(convention)
    real = normalize(ALL_LEVELS, spec)
    scale, zero = choose_qparams(float(real.min()), float(real.max()), dtype)
    encoded = encoder(_tensor(dtype, scale, zero), spec)(ALL_LEVELS)[0]
    assert encoded.dtype == dtype
    # The range's ends are rounded to whole steps with the zero point: half a step more there.
    assert np.abs((encoded.astype(float) - zero) * scale - real).max() <= 1.01 * scale
    inside = (encoded > np.iinfo(dtype).min) & (encoded < np.iinfo(dtype).max)
    assert np.abs(((encoded.astype(float) - zero) * scale - real)[inside]).max() <= 0.51 * scale


@settings(max_examples=50)
@given(st.sampled_from(["uint8", "int8"]), st.floats(1e-4, 10), st.integers(-128, 127))
def test_pixel_input_makes_the_stored_numbers_the_pixels(dtype, scale, zero):
    zero += 128 if dtype == "uint8" else 0
    tensor = _tensor(dtype, scale, zero)
    encoded = encoder(tensor, pixel_input(tensor))(ALL_LEVELS)[0]
    assert np.array_equal(encoded.astype(int) + (128 if dtype == "int8" else 0), ALL_LEVELS)


def test_bgr_swaps_red_and_blue():
    pixels = np.zeros((256, 1, 3), np.uint8)
    pixels[..., 0] = 200
    spec = InputSpec(256, 1, order="bgr")
    assert encoder(_tensor("uint8", 1.0, 0), spec)(pixels)[0, 0, 0].tolist() == [0, 0, 200]
    as_float = Tensor(0, "x", (1, 256, 1, 3), (1, 256, 1, 3), "float32", None, 0, 0)
    assert encoder(as_float, spec)(pixels)[0, 0, 0].tolist() == [0, 0, 200]


def test_probabilities_dequantize_and_keep_probabilities():
    raw = np.array([[0, 64, 192]], np.uint8)
    assert probabilities(raw, _tensor("uint8", 1 / 256, 0), "probabilities").tolist() == [0, 0.25, 0.75]
    shifted = (raw.astype(int) - 128).astype(np.int8)
    assert probabilities(shifted, _tensor("int8", 1 / 256, -128), "probabilities").tolist() == [0, 0.25, 0.75]


@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=20))
def test_scores_from_logits_are_probabilities_in_the_same_order(logits):
    raw = np.array([logits], np.float32)
    tensor = Tensor(0, "y", raw.shape, raw.shape, "float32", None, 0, 0)
    scores = probabilities(raw, tensor, "logits")
    assert len(scores) == max(2, len(logits)) and scores.sum() == pytest.approx(1, abs=1e-5)
    if len(logits) > 1:
        assert scores[np.argmax(logits)] == scores.max()


def _ending(*opcodes, quant=None):
    graph = GraphBuilder()
    y = graph.input((1, 8, 8, 3))
    shape = graph.constant(np.array([1, 192], np.int32))
    y = graph.op("RESHAPE", [y, shape], (1, 192), options={})
    for opcode in opcodes:
        extra = [shape] if opcode == "RESHAPE" else []
        y = graph.op(opcode, [y, *extra], (1, 192), "int8" if quant else "float32", quant=quant, options=None)
    return read_graph(graph.finish([y]))


@pytest.mark.parametrize(
    ("graph", "meaning"),
    [
        (_ending("SOFTMAX"), "probabilities"),
        (_ending("LOGISTIC", "RESHAPE"), "probabilities"),
        (_ending("RELU"), "logits"),
        (_ending(), "logits"),
        (_ending("QUANTIZE", quant=(1 / 256, -128)), "probabilities"),
        (_ending("QUANTIZE", quant=(0.1, 3)), "logits"),
        (read_graph(colour_classifier("int8")), "probabilities"),
        (read_graph(colour_classifier("int8", softmax=False)), "logits"),
    ],
)
def test_the_graphs_end_tells_what_the_output_means(graph, meaning):
    assert output_meaning(graph, Metadata()) == meaning


@pytest.mark.parametrize("meaning", ["logits", "probabilities"])
def test_what_the_metadata_says_wins(meaning):
    assert output_meaning(_ending("SOFTMAX"), Metadata(output=meaning)) == meaning


def _graph(*shapes, dtype="float32", quant=None, signature=None, inputs=1, image=(1, 8, 8, 3), image_dtype="float32"):
    """A graph with an input and outputs of these shapes and one dtype."""
    graph = GraphBuilder()
    x, *_ = [graph.input(image, image_dtype, signature=signature) for _ in range(inputs)]
    axes = graph.constant(np.array([1, 2], np.int32))
    return read_graph(graph.finish([graph.op("MEAN", [x, axes], shape, dtype, quant=quant) for shape in shapes]))


@pytest.mark.parametrize("dtype", ["float32", "uint8", "int8", "int16"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("batch", [1, -1])
def test_one_image_is_an_input(dtype, channels, batch):
    graph = _graph((1, 3), image=(1, 8, 9, channels), image_dtype=dtype, signature=(batch, 8, 9, channels))
    assert input_tensor(graph) is graph.tensors[0]


@pytest.mark.parametrize(
    "change",
    [
        {"inputs": 2},
        {"signature": (1, -1, 8, 3)},
        {"signature": (1, 8, -1, 3)},
        {"image": (1, 8, 8, 2)},
        {"image": (1, 8, 8)},
        {"image": (2, 8, 8, 3)},
        {"image_dtype": "int32"},
        {"image_dtype": "float16"},
    ],
)
def test_other_inputs_are_refused(change):
    with pytest.raises(UnsupportedModelError, match="input"):
        input_tensor(_graph((1, 3), **change))


@pytest.mark.parametrize(
    ("shape", "dtype", "quant"),
    [
        ((1, 3), "float32", None),
        ((1, 1), "float32", None),
        ((1, 1, 1, 3), "float32", None),
        ((1, 3), "uint8", (1 / 256, 0)),
        ((1, 3), "int8", (1 / 256, -128)),
    ],
)
def test_one_score_for_each_class_is_an_output(shape, dtype, quant):
    graph = _graph(shape, dtype=dtype, quant=quant)
    assert output_tensor(graph) is graph.tensors[graph.outputs[0]]


@pytest.mark.parametrize(
    ("graph", "reason"),
    [
        (_graph((3,)), "its output is no list of scores"),
        (_graph((1, 3), dtype="uint8"), "its output is no list of scores"),
        (_graph((2, 3)), "its output is no list of scores"),
        (_graph((1, 3, 1)), "its output is no list of scores"),
        (_graph((1, 1, 1, 1, 2, 1)), "its output is no list of scores"),
        (_graph((1, 8, 2)), "its output is a map"),
        (_graph((1, 8, 8, 3)), "its output is a map"),
        (_graph((1, 2, 2, 1)), "its output is a map"),
        (_graph((1, 1), dtype="int64"), "it answers with class numbers"),
        (_graph((1, 8, 8), dtype="int32"), "it answers with class numbers"),
        (_graph((1, 3), (1, 3)), "it has 2 outputs"),
        (_graph(*[(1, 3)] * 3), "it has 3 outputs"),
        (_graph(*[(1, 3)] * 4), "it looks like an object detector"),
        (_graph(*[(1, 3)] * 5), "it has 5 outputs"),
    ],
)
def test_other_outputs_are_told_for_what_they_look_like(graph, reason):
    with pytest.raises(UnsupportedModelError, match=reason):
        output_tensor(graph)


PIXELS = Tensor(0, "x", (1, 8, 8, 3), (1, 8, 8, 3), "uint8", QuantParams((1 / 255,), (0,)), 0, 0)
FLOATS = Tensor(0, "x", (1, 8, 8, 3), (1, 8, 8, 3), "float32", None, 0, 0)
LITE = InputSpec(8, 8).with_convention("lite")


@pytest.mark.parametrize("tensor", [PIXELS, FLOATS])
def test_what_the_caller_says_of_the_input_comes_before_what_the_model_says(tensor):
    known = Metadata(input=InputSpec(8, 8, resize="crop", crop=0.875).with_convention("imagenet"))
    assert input_spec(tensor, known, LITE) == LITE
    assert input_spec(tensor, known, None) == known.input
    assert input_spec(tensor, known, "lite") == known.input.with_convention("lite")
    assert input_spec(tensor, Metadata(), "lite") == LITE


def test_only_8_bit_inputs_imply_their_scaling():
    assert input_spec(PIXELS, Metadata(), None) == InputSpec(8, 8).with_convention("0..1")
    with pytest.raises(PreprocessingError, match="does not say"):
        input_spec(FLOATS, Metadata(), None)
    assert input_spec(FLOATS, Metadata(), "1/2") == InputSpec(8, 8, mean=(1,) * 3, std=(2,) * 3)
    with pytest.raises(PreprocessingError, match="the model's input is"):
        input_spec(FLOATS, Metadata(), InputSpec(8, 9))


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize("order", ["rgb", "bgr"])
@pytest.mark.parametrize("zero", [0, 1])
def test_a_quantized_input_is_quantized_channel_by_channel(dtype, order, zero):
    """One table is looked up for each channel; computed here pixel by pixel."""
    spec = InputSpec(256, 1, mean=(10.0, 20.0, 30.0), std=(40.0, 50.0, 60.0), order=order)
    pixels = np.random.default_rng(0).integers(0, 256, (256, 1, 3), np.uint8)
    real = normalize(pixels, spec)
    expected = np.clip(np.rint(real.astype(np.float64) / 0.0517) + zero, np.iinfo(dtype).min, np.iinfo(dtype).max)
    encoded = encoder(_tensor(dtype, 0.0517, zero), spec)(pixels)
    assert encoded.shape == (1, 256, 1, 3) and encoded.dtype == dtype
    assert np.array_equal(encoded[0], expected)


@pytest.mark.parametrize(("dtype", "first"), [("uint8", 0), ("int8", -128)])
def test_an_input_without_a_scale_takes_pixels(dtype, first):
    tensor = Tensor(0, "x", (1, 256, 1, 3), (1, 256, 1, 3), dtype, None, 0, 0)
    encoded = encoder(tensor, pixel_input(tensor))(ALL_LEVELS)
    assert np.array_equal(encoded[0].astype(int), ALL_LEVELS.astype(int) + first)


@pytest.mark.parametrize("meaning", ["probabilities", "logits"])
def test_a_single_score_is_that_of_the_second_of_two_classes(meaning):
    tensor = Tensor(0, "y", (1, 1), (1, 1), "float32", None, 0, 0)
    expected = [0.25, 0.75] if meaning == "probabilities" else [1 / (1 + np.exp(0.75)), 1 / (1 + np.exp(-0.75))]
    assert probabilities(np.float32([[0.75]]), tensor, meaning).tolist() == pytest.approx(expected)


def test_scores_from_logits_are_their_softmax():
    tensor = Tensor(0, "y", (1, 3), (1, 3), "float32", None, 0, 0)
    found = probabilities(np.float32([[1.0, 2.0, -3.0]]), tensor, "logits")
    assert found.tolist() == pytest.approx((np.exp([1, 2, -3]) / np.exp([1, 2, -3]).sum()).tolist())


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_answer_that_is_no_number_is_an_error(value):
    tensor = Tensor(0, "y", (1, 2), (1, 2), "float32", None, 0, 0)
    with pytest.raises(ModelError, match="no numbers"):
        probabilities(np.float32([[0.5, value]]), tensor, "probabilities")


@pytest.mark.parametrize("zero", [0, -128])
def test_softmaxs_quantization_tells_probabilities(zero):
    """Of a compiled model nothing else is left that tells them."""
    for scale, meaning in ((1 / 256, "probabilities"), (1 / 255, "logits")):
        graph = _graph((1, 3), dtype="uint8" if zero == 0 else "int8", quant=(scale, zero))
        assert output_meaning(graph, Metadata()) == meaning
    assert output_meaning(_graph((1, 3), dtype="int8", quant=(1 / 256, -127)), Metadata()) == "logits"


def test_classes_are_named_and_at_least_as_sure_as_asked():
    found = named([(1, 0.5), (0, 0.25), (2, 0.125)], ("a", "b", "c"), threshold=0.25)
    assert [(c.index, c.label, c.score) for c in found] == [(1, "b", 0.5), (0, "a", 0.25)]


@pytest.mark.parametrize("meaning", ["probabilities", "logits"])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "float32"])
@given(data=st.data(), k=st.integers(1, 40))
def test_the_best_classes_are_the_highest_scores_in_order(dtype, meaning, data, k):
    low, high = (-4, 4) if dtype == "float32" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    raw = np.array([data.draw(st.lists(st.integers(low, high), min_size=1, max_size=30))], dtype)
    quant = None if dtype == "float32" else QuantParams((1 / 64,), (3,))
    tensor = Tensor(0, "y", raw.shape, raw.shape, dtype, quant, 0, 0)
    scores = probabilities(raw, tensor, meaning).tolist()
    expected = sorted(enumerate(scores), key=lambda item: (-item[1], item[0]))[:k]
    assert ranker(tensor, meaning)(raw, k) == expected


def _convolution_then(*ops):
    """A convolution, then these ops, each (opcode, shape, options)."""
    graph = GraphBuilder()
    x = graph.input((1, 8, 8, 3))
    weights, bias = graph.constant(np.zeros((6, 1, 1, 3), np.float32)), graph.constant(np.zeros(6, np.float32))
    y = graph.op("CONV_2D", [x, weights, bias], (1, 8, 8, 6), options={"padding": 1, "strideW": 1, "strideH": 1})
    for opcode, shape, options in ops:
        axes = [graph.constant(np.array([1, 2], np.int32))] if opcode == "MEAN" else []
        y = graph.op(opcode, [y, *axes], shape, options=options)
    return read_graph(graph.finish([y]))


_MEAN = ("MEAN", (1, 6), {"keepDims": False})
_POOL = ("AVERAGE_POOL_2D", (1, 1, 1, 6), {"filterWidth": 8, "filterHeight": 8, "strideW": 8, "strideH": 8})


@pytest.mark.parametrize(
    "ops",
    [(_MEAN,), (_POOL,), (_POOL, ("RESHAPE", (1, 6), {})), (_MEAN, ("L2_NORMALIZATION", (1, 6), {}))],
)
def test_an_embedding_is_not_answered_as_classes_unless_they_are_named(ops):
    graph = _convolution_then(*ops)
    assert output_tensor(graph).elements == 6
    with pytest.raises(UnsupportedModelError, match="embedding extractor"):
        check_classes(graph, ())
    check_classes(graph, tuple("abcdef"))


def test_pooled_classes_that_a_softmax_ends_are_classes():
    check_classes(_convolution_then(_MEAN, ("SOFTMAX", (1, 6), {"beta": 1.0})), ())


@pytest.mark.parametrize("opcode", ["ADD", "MUL", "RELU"])
def test_scores_that_no_pooling_ends_are_classes(opcode):
    """As of a model with a bias or a rectifier behind its layer of weights."""
    graph = GraphBuilder()
    x = graph.op("FULLY_CONNECTED", [graph.input((1, 4)), graph.constant(np.ones((6, 4), np.float32)), -1], (1, 6))
    y = graph.op("RELU", [x], (1, 6)) if opcode == "RELU" else graph.op(opcode, [x, x], (1, 6), options={})
    check_classes(read_graph(graph.finish([y])), ())


def test_an_images_mean_colour_is_no_embedding():
    check_classes(read_graph(colour_classifier("float32")), ())


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16"])
def test_every_quantized_value_means_what_its_scale_says(dtype):
    raw = np.arange(np.iinfo(dtype).min, np.iinfo(dtype).max + 1).astype(dtype)
    found = probabilities(raw[np.newaxis], _tensor(dtype, 1 / 300, 3), "probabilities")
    np.testing.assert_allclose(found, (raw.astype(np.float64) - 3) / 300, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_plain_input_takes_pixels_as_they_are(channels):
    shape = (1, 2, 3, channels)
    spec = plain_input(Tensor(0, "x", shape, shape, "float32", None, 0, 0))
    pixels = np.arange(6 * channels, dtype=np.uint8).reshape(shape[1:])
    np.testing.assert_array_equal(normalize(pixels, spec), pixels)
