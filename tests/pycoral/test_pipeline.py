import gc
import threading
import weakref

import numpy as np
import pytest

from edgekit.pycoral.pipeline.pipelined_model_runner import PipelinedModelRunner
from edgekit.pycoral.utils.edgetpu import make_interpreter
from tests.support.build import colour_classifier
from tests.support.pycoral_models import segments

WAIT_S = 10


def opened(content, allocate=True):
    interpreter = make_interpreter(content)
    if allocate:
        interpreter.allocate_tensors()
    return interpreter


@pytest.fixture
def runner():
    first, second, _ = segments()
    return PipelinedModelRunner([opened(first), opened(second)])


def request(number):
    return {"x": np.full((1, 4), number, np.float32)}


def test_results_come_in_order_and_then_none(runner):
    for number in range(20):
        runner.push(request(number))
    runner.push({})
    for number in range(20):
        result = runner.pop()
        assert list(result) == ["total"]
        np.testing.assert_array_equal(result["total"], np.full((1, 4), 3 * number))
    assert runner.pop() is None and runner.pop() is None
    with pytest.raises(RuntimeError, match=r"Pipeline was turned off before\."):
        runner.push(request(1))
    with pytest.raises(RuntimeError, match=r"Pipeline was turned off before\."):
        runner.push({})


def test_one_segment_is_a_pipeline_too():
    *_, whole = segments()
    runner = PipelinedModelRunner([opened(whole)])
    runner.push(request(2))
    assert runner.pop()["total"].tolist() == [[6] * 4]


def test_inputs_are_copied(runner):
    tensors = request(1)
    runner.push(tensors)
    tensors["x"][:] = 9
    assert runner.pop()["total"].tolist() == [[3] * 4]


def test_a_flat_input_takes_the_tensors_shape(runner):
    runner.push({"x": np.ones(4, np.float32)})
    assert runner.pop()["total"].shape == (1, 4)


def test_producer_and_consumer_in_their_own_threads(runner):
    runner.set_input_queue_size(1)
    runner.set_output_queue_size(1)
    results = []

    def consume():
        for result in iter(runner.pop, None):
            results.append(float(result["total"][0, 0]))

    consumer = threading.Thread(target=consume)
    consumer.start()
    for number in range(30):
        runner.push(request(number))
    runner.push({})
    consumer.join(WAIT_S)
    assert results == [3.0 * number for number in range(30)]


@pytest.mark.parametrize("change", ["pop", "widen"])
def test_a_full_pipeline_makes_push_wait(runner, change):
    runner.set_input_queue_size(1)
    runner.set_output_queue_size(1)
    # One in each of the three queues and one in the hands of each of the two threads.
    for number in range(5):
        runner.push(request(number))
    pushed = threading.Event()
    producer = threading.Thread(target=lambda: (runner.push(request(5)), pushed.set()))
    producer.start()
    assert not pushed.wait(0.2)
    if change == "pop":
        runner.pop()
    else:
        runner.set_input_queue_size(0)
    assert pushed.wait(WAIT_S)
    producer.join(WAIT_S)


def test_a_segment_that_fails_is_named():
    first, second, _ = segments()
    runner = PipelinedModelRunner([opened(first), opened(second, allocate=False)])
    runner.set_input_queue_size(1)
    told = r"Segment 1 runner error: Invoke called on model that is not ready\."
    runner.push(request(1))
    with pytest.raises(RuntimeError, match=told):
        runner.pop()
    with pytest.raises(RuntimeError, match=told):
        runner.push(request(2))
    with pytest.raises(RuntimeError, match=told):
        runner.pop()


def test_a_failing_segment_lets_nobody_wait():
    first, second, _ = segments()
    runner = PipelinedModelRunner([opened(first, allocate=False), opened(second)])
    runner.set_input_queue_size(1)
    with pytest.raises(RuntimeError, match="Segment 0 runner error"):
        for number in range(10_000):
            runner.push(request(number))


def test_a_forgotten_runner_ends_its_threads():
    first, second, _ = segments()
    forgotten = PipelinedModelRunner([opened(first), opened(second)])
    threads, gone = forgotten._threads, weakref.ref(forgotten)
    forgotten.set_output_queue_size(1)
    for number in range(5):
        forgotten.push(request(number))
    del forgotten
    gc.collect()
    assert gone() is None
    for thread in threads:
        thread.join(WAIT_S)
        assert not thread.is_alive()


def test_segments_in_the_wrong_order():
    first, *_ = segments()
    with pytest.raises(ValueError, match="Interpreter 1 can not get its input tensors"):
        PipelinedModelRunner([opened(first), opened(colour_classifier())])
    with pytest.raises(ValueError, match="At least one interpreter expected"):
        PipelinedModelRunner([])


@pytest.mark.parametrize(
    ("tensors", "told"),
    [
        ({"x": np.zeros((1, 4))}, "Input should be a list of numpy array of type .*float32"),
        ({"x": [0.0] * 4}, "Input should be a list of numpy array of type"),
        ({"x": np.zeros((1, 5), np.float32)}, "has 5 elements, expected 4"),
        ({"y": np.zeros((1, 4), np.float32)}, "no input tensor 'y'; there is x"),
        (
            {"x": np.zeros((1, 4), np.float32), "y": np.zeros((1, 4), np.float32)},
            "Expected input of length 1, but got 2",
        ),
    ],
)
def test_wrong_inputs(runner, tensors, told):
    with pytest.raises(ValueError, match=told):
        runner.push(tensors)
    runner.push(request(1))
    assert runner.pop()["total"].tolist() == [[3] * 4]


def test_the_interpreters_are_those_given():
    *_, whole = segments()
    interpreters = [opened(whole)]
    assert PipelinedModelRunner(interpreters).interpreters() == interpreters
