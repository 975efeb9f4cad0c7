import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

from edgekit.devices.emulator import emulated
from edgekit.devices.emulator.emulated import EmulatedEdgeTpu
from edgekit.devices.interpreter import open_interpreter
from edgekit.devices.opening import open_model
from edgekit.edgetpu.estimate.profiles import HOSTS
from edgekit.errors import DeviceError, UsageError
from edgekit.tflite.reader import read_graph
from tests.support.build import GraphBuilder
from tests.support.pairs import PIXEL, PROBABILITY, compiled, detector, images, twin, write_pair
from tests.support.recordings import custom_options, typical_package

KINDS = ("whole", "apart", "neighbours")


def _twins_answers(inputs):
    graph = read_graph(twin())
    interpreter = open_interpreter(graph.content)
    for array in inputs:
        interpreter.set_tensor(graph.inputs[0], array)
        interpreter.invoke()
        yield interpreter.get_tensor(graph.outputs[0])


@pytest.mark.parametrize("kind", KINDS)
def test_answers_are_the_twins_bit_for_bit(tmp_path, kind):
    model = open_model(write_pair(tmp_path, kind), device="emulated")
    inputs = images(20)
    answers = [model.run(array)[0] for array in inputs]
    assert len({answer.tobytes() for answer in answers}) > 1
    for answer, expected in zip(answers, _twins_answers(inputs)):
        np.testing.assert_array_equal(answer, expected)
    assert model.device == "emulated" and "no hardware is involved" in model.reason


def test_a_detection_whose_post_process_stays_on_the_cpu_answers_as_its_twin(tmp_path):
    """Its kernel adds tensors that no file has."""
    (tmp_path / "net.tflite").write_bytes(detector("twin"))
    (tmp_path / "net_edgetpu.tflite").write_bytes(detector())
    model, expected = (open_model(tmp_path / "net_edgetpu.tflite", device=device) for device in ("emulated", "cpu"))
    image = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 4)).astype(np.uint8)
    answers = model.run(image)
    assert len(answers) == 4 and answers[3] > 0
    for answer, other in zip(answers, expected.run(image)):
        np.testing.assert_array_equal(answer, other)


@pytest.mark.parametrize("kind", KINDS)
def test_every_call_of_a_custom_op_is_recorded(kind):
    tpu, graph = EmulatedEdgeTpu(), read_graph(compiled(kind))
    interpreter = tpu.open(graph, read_graph(twin()))
    for _ in range(3):
        interpreter.invoke()
    ops = [op.index for op in graph.ops if op.custom]
    assert [call.op for call in tpu.invocations] == ops * 3
    assert not any(call.failed for call in tpu.invocations)


def test_a_fault_fails_one_call_and_the_next_one_works():
    tpu = EmulatedEdgeTpu(fail_at=[2])
    interpreter = tpu.open(read_graph(compiled()), read_graph(twin()))
    interpreter.invoke()
    with pytest.raises(RuntimeError, match="edgetpu-custom-op"):
        interpreter.invoke()
    interpreter.invoke()
    assert [call.failed for call in tpu.invocations] == [False, True, False]


def test_an_unplugged_device_fails_and_models_opened_before_stay_dead():
    tpu, graph, other = EmulatedEdgeTpu(), read_graph(compiled()), read_graph(twin())
    before = tpu.open(graph, other)
    tpu.unplug()
    with pytest.raises(RuntimeError):
        before.invoke()
    with pytest.raises(DeviceError, match="unplugged"):
        tpu.open(graph, other)
    tpu.plug_in()
    with pytest.raises(RuntimeError):
        before.invoke()
    tpu.open(graph, other).invoke()
    assert [call.failed for call in tpu.invocations] == [True, True, False]


def test_latency_of_a_host_is_imitated():
    tpu = EmulatedEdgeTpu(host="usb3")
    tpu.open(read_graph(compiled()), read_graph(twin())).invoke()
    assert tpu.invocations[0].ms >= HOSTS["usb3"].fixed_ms


def test_an_unknown_host_is_refused():
    with pytest.raises(UsageError, match="toaster"):
        EmulatedEdgeTpu(host="toaster")
    with pytest.raises(UsageError, match="toaster"):
        open_model(compiled(), device="emulated:toaster")


def test_constants_and_left_out_inputs_of_a_custom_op_are_not_passed():
    graph = GraphBuilder()
    x = graph.input((1, 8, 8, 3), "uint8", quant=PIXEL, name="image")
    soft = graph.tensor((1, 3), "uint8", quant=PROBABILITY, name="soft")
    extra = graph.constant(np.zeros(4, np.uint8), quant=PIXEL)
    options = custom_options(typical_package())
    graph.raw_op("CUSTOM:edgetpu-custom-op", [x, extra, -1], [soft], options=options)
    interpreter = EmulatedEdgeTpu().open(read_graph(graph.finish([soft])), read_graph(twin()))
    image = images(1)[0]
    interpreter.set_tensor(x, image)
    interpreter.invoke()
    np.testing.assert_array_equal(interpreter.get_tensor(soft), next(_twins_answers([image])))


def _renamed(name):
    graph = GraphBuilder()
    x = graph.input((1, 8, 8, 3), "uint8", quant=PIXEL, name=name)
    soft = graph.tensor((1, 3), "uint8", quant=PROBABILITY, name="soft")
    graph.raw_op("CUSTOM:edgetpu-custom-op", [x], [soft], options=custom_options(typical_package()))
    return graph.finish([soft])


@pytest.mark.parametrize("name", ["another", "squashed", "soft"])
def test_a_twin_whose_tensors_do_not_match_is_refused(name):
    with pytest.raises(DeviceError, match="does not match"):
        EmulatedEdgeTpu().open(read_graph(_renamed(name)), read_graph(twin()))


@pytest.mark.shared
def test_real_pairs_give_the_bytes_of_their_twins(shared):
    pairs = [folder for folder in sorted((shared / "edgetpu" / "pairs").iterdir()) if "posenet" not in folder.name]
    assert len(pairs) == 21  # two more end in an operator that no plain interpreter has
    for folder in pairs:
        tpu = EmulatedEdgeTpu()
        model = open_model(folder / "model_edgetpu.tflite", device=tpu)
        other = open_model(folder / "model_edgetpu.tflite", device="cpu")
        inputs = [_random(model.graph.tensors[index]) for index in model.inputs]
        for answer, expected in zip(model.run(*inputs), other.run(*inputs)):
            np.testing.assert_array_equal(answer, expected, err_msg=folder.name)
        assert (model.device, other.device) == ("emulated", "cpu")
        assert len(tpu.invocations) == model.graph.op_counts()["edgetpu-custom-op"]


def _random(tensor):
    generator = np.random.default_rng(0)
    if tensor.dtype == "float32":
        return generator.random(tensor.shape, dtype=np.float32)
    return generator.integers(*(0, 256) if tensor.dtype == "uint8" else (-128, 128), tensor.shape).astype(tensor.dtype)


def test_calls_of_several_threads_never_share_a_number(tmp_path):
    path = write_pair(tmp_path)
    tpu = EmulatedEdgeTpu(fail_at=range(1, 400, 2))

    def failures(seed):
        model, failed = open_model(path, device=tpu), 0
        for array in images(50, seed):
            try:
                model.run(array)
            except DeviceError:
                failed += 1
        return failed

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(failures, range(4))) == 100


@pytest.mark.parametrize(("took", "slept"), [(0.0, 2.0), (1.5, 0.5), (2.0, 0.0), (5.0, 0.0)])
def test_an_emulated_chip_takes_as_long_as_it_is_estimated(monkeypatch, took, slept):
    tpu, sleeps, clock = EmulatedEdgeTpu(), [], iter((10.0, 10.0 + took, 12.5))
    monkeypatch.setattr(emulated.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(emulated.time, "sleep", sleeps.append)
    part = SimpleNamespace(op=SimpleNamespace(index=3), latency_s=2.0, run=lambda values: {9: values[0]})
    values = {0: "in"}
    tpu._call(part, values, threading.Event())
    assert sleeps == pytest.approx([slept]) and values == {0: "in", 9: "in"}
    assert tpu.invocations == [emulated.Invocation(3, 2500.0, failed=False)]


def test_an_op_on_a_host_takes_the_milliseconds_that_are_estimated_for_it(monkeypatch):
    graph, other = read_graph(compiled()), read_graph(twin())
    monkeypatch.setattr(emulated, "_estimate_ms", lambda *_: 2500.0)
    (op,) = graph.ops
    for host, seconds in (("usb3", 2.5), (None, 0.0)):
        assert emulated._Part(graph, op, other, threads=None, host=host).latency_s == seconds
