import hashlib

import numpy as np
import pytest

from edgekit.calibration import choose_ranges, observe, open_samples
from edgekit.calibration.observe import expose_activations
from edgekit.devices.interpreter import open_interpreter
from edgekit.errors import ConversionError, DataError
from edgekit.preprocess import InputSpec
from tests.support.build import GraphBuilder, colour_classifier

SPEC = InputSpec(8, 8, std=(255.0,) * 3)
PIXELS = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), np.uint8)


def negated(opcode="NEG"):
    graph = GraphBuilder()
    x = graph.input((1, 8, 8, 3), name="image")
    axes = graph.constant(np.array([1, 2], np.int32))
    mean = graph.op("MEAN", [x, axes], (1, 3), options={"keepDims": False}, name="mean")
    return graph.finish([graph.op(opcode, [mean], (1, 3), options={} if opcode == "NEG" else None, name="end")])


def test_extremes_of_input_inside_and_output():
    observed = observe(negated(), open_samples(PIXELS, SPEC), SPEC)
    bounds = choose_ranges(observed, "minmax").bounds
    means = PIXELS.mean(axis=(1, 2)) / 255
    assert list(bounds) == ["image", "mean", "end"]
    np.testing.assert_allclose(bounds["image"], (PIXELS.min() / 255, PIXELS.max() / 255), rtol=1e-6)
    np.testing.assert_allclose(bounds["mean"], (means.min(), means.max()), rtol=1e-6)
    np.testing.assert_allclose(bounds["end"], (-means.max(), -means.min()), rtol=1e-6)


def test_the_images_seen_are_counted_and_signed():
    samples = open_samples(PIXELS, SPEC)
    observed = observe(colour_classifier("float32"), samples, SPEC)
    digest = hashlib.sha256(b"".join(sample.pixels.tobytes() for sample in samples)).hexdigest()
    assert (observed.images, observed.digest) == (6, digest)


def test_two_passes_give_the_same():
    samples = open_samples(None, SPEC, count=5)
    first, second = (choose_ranges(observe(negated(), samples, SPEC)) for _ in range(2))
    assert first == second


def test_progress_counts_the_images():
    calls = []
    observe(negated(), open_samples(PIXELS, SPEC), SPEC, progress=lambda *call: calls.append(call))
    assert [call[1] for call in calls] == [1, 2, 3, 4, 5, 6]
    assert {call[2] for call in calls} == {6}


def test_no_image():
    with pytest.raises(DataError, match="no image to calibrate on"):
        observe(negated(), [], SPEC)


def test_a_model_that_computes_nan_names_the_tensor():
    with pytest.raises(ConversionError, match="NaN or infinity, first in tensor 'end'") as caught:
        observe(negated("LOG"), open_samples(PIXELS * 0, SPEC), SPEC)
    assert "--preprocess" in caught.value.hint


def test_exposed_activations_are_outputs_and_change_no_number():
    content = negated()
    exposed, names = expose_activations(content)
    assert names == ("image", "mean", "end")
    answers = []
    for model in (content, exposed):
        interpreter = open_interpreter(model)
        interpreter.set_tensor(0, PIXELS[:1].astype(np.float32))
        interpreter.invoke()
        answers.append(interpreter.get_tensor(interpreter.get_output_details()[-1]["index"]))
    np.testing.assert_array_equal(*answers)
