import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.devices.prediction import best_classes
from edgekit.devices.tensors import encoder, output_meaning, probabilities
from edgekit.preprocess import CONVENTIONS, InputSpec, normalize
from edgekit.tflite.graph import QuantParams, Tensor
from edgekit.tflite.metadata import Metadata, pixel_input
from edgekit.tflite.quant import affine_params
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
    scale, zero = affine_params(float(real.min()), float(real.max()), dtype)
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


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=30), st.integers(1, 40))
def test_best_classes_are_the_best_in_order(scores, k):
    best = best_classes(np.array(scores, np.float32), (), k)
    assert [c.score for c in best] == sorted(scores, reverse=True)[:k]
    assert all(scores[c.index] == c.score and c.label == f"class {c.index}" for c in best)
