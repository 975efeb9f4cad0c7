import hashlib

import numpy as np
import pytest

from edgekit.calibration import choose_ranges, observe, open_samples
from edgekit.calibration.observe import COUNTED, TAILS, Observations, _summary, expose_activations
from edgekit.devices.interpreter import open_interpreter
from edgekit.errors import ConversionError, DataError
from edgekit.preprocess import InputSpec
from edgekit.tflite import read_graph
from tests.support.build import GraphBuilder, colour_classifier, model_of

SPEC = InputSpec(8, 8, std=(255.0,) * 3)
PIXELS = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), np.uint8)


def negated(opcode="NEG"):
    graph = GraphBuilder()
    x = graph.input((1, 8, 8, 3), name="image")
    axes = graph.constant(np.array([1, 2], np.int32))
    mean = graph.op("MEAN", [x, axes], (1, 3), options={"keepDims": False}, name="mean")
    return graph.finish([graph.op(opcode, [mean], (1, 3), options={} if opcode == "NEG" else None, name="end")])


def test_extremes_of_input_inside_and_output():
    observed = observe(model_of(negated(), SPEC), open_samples(PIXELS, SPEC))
    bounds = choose_ranges(observed, "minmax").bounds
    means = PIXELS.mean(axis=(1, 2)) / 255
    assert list(bounds) == ["image", "mean", "end"]
    np.testing.assert_allclose(bounds["image"], (PIXELS.min() / 255, PIXELS.max() / 255), rtol=1e-6)
    np.testing.assert_allclose(bounds["mean"], (means.min(), means.max()), rtol=1e-6)
    np.testing.assert_allclose(bounds["end"], (-means.max(), -means.min()), rtol=1e-6)


def test_statistics_are_numpys():
    """Each figure of one tensor, computed from all images at once."""
    samples = open_samples(PIXELS, SPEC)
    observed = observe(model_of(negated(), SPEC), samples)
    values = np.stack([sample.pixels for sample in samples]).reshape(6, 64, 3) / np.float32(255)
    assert observed.names == tuple(sample.name for sample in samples)
    found = observed.tensors["image"]
    lows, highs = values.min(axis=1), values.max(axis=1)
    np.testing.assert_allclose(found.channels.low, lows.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found.channels.high, highs.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found.means, values.mean(axis=(0, 1)), rtol=1e-6)
    assert found.histogram.counts.sum() == values.size
    low, high = lows.min(axis=1), highs.max(axis=1)
    np.testing.assert_allclose([found.tails.low[0], found.outermost_tails.low[0]], [low.mean(), low.min()], rtol=1e-6)
    np.testing.assert_allclose(
        [found.tails.high[0], found.outermost_tails.high[0]], [high.mean(), high.max()], rtol=1e-6
    )
    assert observed.each.shape == (6, 3, 2, len(TAILS)) and observed.each.dtype == np.float32
    np.testing.assert_allclose(observed.each[:, 0, :, 0], np.stack([low, high], axis=1), rtol=1e-6)


def test_tails_are_the_quantiles_of_each_image():
    pixels = np.random.default_rng(1).normal(128, 20, (4, 64, 64, 3)).clip(0, 255).astype(np.uint8)
    spec = InputSpec(64, 64, std=(255.0,) * 3)
    observed = observe(model_of(colour_classifier("float32", size=64), spec), open_samples(pixels, spec))
    found, values = observed.tensors["input"], pixels.reshape(4, -1) / np.float32(255)
    for number, part in enumerate(TAILS):
        below, above = np.quantile(values, part, axis=1), np.quantile(values, 1 - part, axis=1)
        step = 1.1 / 255 + found.histogram.width
        assert found.tails.low[number] == pytest.approx(below.mean(), abs=step)
        assert found.outermost_tails.low[number] == pytest.approx(below.min(), abs=step)
        assert found.tails.high[number] == pytest.approx(above.mean(), abs=step)
        assert found.outermost_tails.high[number] == pytest.approx(above.max(), abs=step)


def test_of_large_tensors_every_so_many_positions_are_counted_and_extremes_stay_exact():
    values = np.random.default_rng(2).normal(size=(300, 300, 3)).astype(np.float32)
    values[0, 1], values[0, 2] = 50.0, -50.0  # at positions that are not counted
    found = _summary(values)
    counted = values.reshape(-1, 3)[::5]
    assert counted.size <= COUNTED < values.reshape(-1, 3)[::4].size
    assert found.histogram.counts.sum() == counted.size
    np.testing.assert_allclose(found.means, counted.mean(axis=0), rtol=1e-5)
    assert (found.tails.low[0], found.tails.high[0]) == (-50.0, 50.0)
    assert found.tails.low[-1] == pytest.approx(np.quantile(counted, TAILS[-1]), abs=2 * found.histogram.width)


@pytest.mark.parametrize(
    "shape", [(), (1,), (7, 5), (1, 3), (4096, 1), (1024, 4), (6, 3000), (12, 2048), (1, 16, 16, 24)]
)
def test_channels_have_their_own_extremes(shape):
    values = np.asarray(np.random.default_rng(3).normal(size=shape), np.float32)
    rows = values.reshape(-1, shape[-1] if shape else 1)
    found = _summary(values)
    np.testing.assert_array_equal(found.channels.low, rows.min(axis=0))
    np.testing.assert_array_equal(found.channels.high, rows.max(axis=0))
    assert found.histogram.counts.sum() == values.size


def test_channels_that_nobody_asked_for_count_as_one_and_all_else_is_the_same():
    model, samples = model_of(negated(), SPEC), open_samples(PIXELS, SPEC)
    every, some = observe(model, samples).tensors, observe(model, samples, channels=["mean"]).tensors
    for name, found in some.items():
        assert found.tails.low.tolist() == every[name].tails.low.tolist()
        assert found.tails.high.tolist() == every[name].tails.high.tolist()
        assert found.means.tolist() == every[name].means.tolist()
        assert found.histogram.counts.tolist() == every[name].histogram.counts.tolist()
    assert some["mean"].channels.low.tolist() == every["mean"].channels.low.tolist()
    assert some["image"].channels.low.tolist() == pytest.approx([every["image"].tails.low[0]])
    assert some["image"].channels.high.tolist() == pytest.approx([every["image"].tails.high[0]])


def test_the_images_seen_are_counted_and_signed():
    samples = open_samples(PIXELS, SPEC)
    observed = observe(model_of(colour_classifier("float32"), SPEC), samples)
    digest = hashlib.sha256(b"".join(sample.pixels.tobytes() for sample in samples)).hexdigest()
    assert (observed.images, observed.digest) == (6, digest)


def test_two_passes_give_the_same():
    samples = open_samples(None, SPEC, count=5)
    first, second = (choose_ranges(observe(model_of(negated(), SPEC), samples)) for _ in range(2))
    assert first == second


def test_progress_counts_the_images():
    calls = []
    observe(model_of(negated(), SPEC), open_samples(PIXELS, SPEC), progress=lambda *call: calls.append(call))
    assert [call[1] for call in calls] == [1, 2, 3, 4, 5, 6]
    assert {call[2] for call in calls} == {6}


def test_no_image():
    with pytest.raises(DataError, match="no image to calibrate on"):
        observe(model_of(negated(), SPEC), [])


def test_a_model_that_computes_nan_names_the_tensor():
    with pytest.raises(ConversionError, match="NaN or infinity, first in tensor 'end'") as caught:
        observe(model_of(negated("LOG"), SPEC), open_samples(PIXELS * 0, SPEC))
    assert "--preprocess" in caught.value.hint


def test_exposed_activations_are_outputs_and_change_no_number():
    content = negated()
    exposed, names = expose_activations(read_graph(content))
    assert names == ("image", "mean", "end")
    answers = []
    for model in (content, exposed):
        interpreter = open_interpreter(model)
        interpreter.set_tensor(0, PIXELS[:1].astype(np.float32))
        interpreter.invoke()
        answers.append(interpreter.get_tensor(interpreter.get_output_details()[-1]["index"]))
    np.testing.assert_array_equal(*answers)


def test_without_images_of_their_own_there_are_no_tails_of_each():
    assert Observations({}, 1, "").each.shape == (0, 0, 2, len(TAILS))
