"""Each layer's cost, against models that are run by hand from that layer on."""

import numpy as np
import pytest

from edgekit.calibration import open_samples
from edgekit.devices.interpreter import open_interpreter
from edgekit.evaluation.disturb import Disturbed, disturbable
from edgekit.evaluation.impact import with_impact
from edgekit.evaluation.layers import layer_report
from edgekit.tflite import read_graph
from edgekit.tflite.expose import disturbed
from edgekit.tflite.scores import score_tensor
from tests.support.build import GraphBuilder, model_of
from tests.support.layered_nets import IMAGES, SPEC, float_model, int8_model, tensors_of

MEASURED = 2  # images, as the module's note says
SAMPLES = open_samples(IMAGES, SPEC)


def measured(candidate):
    first, second = model_of(float_model(), SPEC), model_of(candidate, SPEC)
    layers = layer_report(first, second, SAMPLES)
    return {layer.name: layer for layer in with_impact(first, second, layers, SAMPLES)}


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def centred(values):
    return values - values.mean(axis=-1, keepdims=True)


def mean_ratio(expected, found):
    signal, noise = (np.square(centred(v)).reshape(len(v), -1).sum(axis=1) for v in (expected, found - expected))
    return float(np.mean(10 * np.log10(signal / noise)))


def test_the_harm_is_that_of_the_layers_own_error_carried_on_in_float():
    layers = measured(int8_model())
    mean = tensors_of(float_model)[2][:MEASURED]
    int8_conv, int8_sigmoid, int8_mean, _ = (values[:MEASURED] for values in tensors_of(int8_model))
    # The convolution reads pixels, which both models have alike: what it adds is the difference of the two.
    carried = sigmoid(int8_conv).mean(axis=(2, 3))
    assert layers["conv"].scores_db == pytest.approx(mean_ratio(mean, carried), abs=0.1)
    carried = mean + int8_mean - int8_sigmoid.mean(axis=(2, 3))
    assert layers["mean"].scores_db == pytest.approx(mean_ratio(mean, carried), abs=0.1)


def test_ranges_that_the_format_fixes_are_not_measured():
    layers = measured(int8_model())
    assert (layers["sigmoid"].scores_db, layers["scores"].scores_db) == (None, None)


def test_a_worse_range_does_more_harm():
    good, bad = (measured(int8_model(conv=(scale, 0))) for scale in (0.04, 0.4))
    assert bad["conv"].scores_db < good["conv"].scores_db - 5
    assert bad["mean"].scores_db == pytest.approx(good["mean"].scores_db, abs=6)


def test_models_without_common_layers_have_nothing_to_measure():
    assert with_impact(model_of(float_model(), SPEC), model_of(float_model(), SPEC), (), SAMPLES) == ()


def test_the_scores_are_what_the_last_softmax_reads():
    for stop, name in ((4, "mean"), (3, "mean"), (2, "conv"), (1, "conv")):
        graph = read_graph(float_model(stop=stop))
        assert score_tensor(graph).name == name


def test_what_is_added_to_a_tensor_reaches_all_its_readers_and_the_output():
    net = GraphBuilder()
    x = net.input((1, 4))
    y = net.op("TANH", [x], (1, 4), name="y")
    z = net.op("ADD", [y, y], (1, 4), options={}, name="z")
    graph = read_graph(net.finish([z]))
    interpreter = open_interpreter(disturbed(graph, [y, z], z).content)
    details = interpreter.get_input_details()
    values = [np.float32([[1, -1, 0.5, 0]]), np.float32([[0.1, 0.2, 0, 0]]), np.float32([[0, 0, 0, 7]])]
    for detail, value in zip(details, values, strict=True):
        interpreter.set_tensor(detail["index"], value)
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    assert found == pytest.approx(2 * (np.tanh(values[0]) + values[1]) + values[2], abs=1e-6)


def test_the_work_is_announced_without_a_count():
    told = []
    first, second = model_of(float_model(), SPEC), model_of(int8_model(), SPEC)
    layers = layer_report(first, second, SAMPLES)
    with_impact(first, second, layers, SAMPLES, progress=lambda *given: told.append(given))
    assert told == [("Measuring each layer's cost", 0, None)]


def test_an_error_is_added_to_the_scores_of_one_image_and_taken_back():
    net = GraphBuilder()
    x = net.input((1, 4))
    y = net.op("TANH", [x], (1, 4), name="y")
    z = net.op("ADD", [y, y], (1, 4), options={}, name="z")
    other = net.op("ABS", [y], (1, 4), options={}, name="other")
    graph = read_graph(net.finish([z, other]))
    model, value, error = (
        Disturbed(disturbable(graph, [y]), [y]),
        np.float32([[1, -1, 0.5, 0]]),
        np.float32([[0.1, 0.2, 0, 0]]),
    )
    plain = model.show(value)
    np.testing.assert_allclose(plain, centred(2 * np.tanh(value))[0], atol=1e-6)
    np.testing.assert_allclose(model.scores({y: error}), centred(2 * (np.tanh(value) + error))[0], atol=1e-6)
    np.testing.assert_array_equal(model.scores({}), plain)
