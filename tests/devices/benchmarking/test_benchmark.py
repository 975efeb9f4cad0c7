"""A run: what is timed, where, and in which order."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgekit import benchmark
from edgekit.devices import Classifier
from edgekit.devices.benchmarking import benchmark as module
from edgekit.devices.benchmarking import start
from edgekit.devices.benchmarking import subject as subject_module
from edgekit.devices.benchmarking.benchmark import Failed
from edgekit.devices.benchmarking.start import measure_start, peak_memory
from edgekit.devices.benchmarking.subject import Configuration, Subject, burst, open_subject
from edgekit.devices.interpreter import allowed_cores
from edgekit.devices.prediction import Latency
from edgekit.errors import DataError, DeviceError, ModelFormatError, UsageError
from edgekit.tflite.reader import read_graph
from tests.support.build import GraphBuilder
from tests.support.layered_nets import float_model
from tests.support.pairs import write_pair


def test_every_model_on_every_device_with_every_number_of_threads(tmp_path, model_file):
    compiled = write_pair(tmp_path)
    found = benchmark([str(model_file), str(compiled)], devices=["cpu"], threads=[1, 10_000], runs=25)
    cores = allowed_cores()
    asked = [(each.configuration.model, each.configuration.threads) for each in found.measurements]
    counts = list(dict.fromkeys([1, cores]))
    assert asked == [(str(path), count) for path in (model_file, compiled) for count in counts]
    assert [each.device for each in found.measurements] == ["cpu"] * len(asked)
    assert found.ratio(found.measurements[0]).interval == (1, 1)


def test_an_accelerator_is_timed_where_it_runs(tmp_path):
    found = benchmark([str(write_pair(tmp_path))], devices=["emulated", "cpu"], runs=25)
    assert [each.device for each in found.measurements] == ["emulated", "cpu"]
    assert all(np.all(each.inference > 0) and not each.only_inference for each in found.measurements)


def test_all_three_parts_of_a_classification_are_timed(model_file, images):
    (each,) = benchmark([str(model_file)], image=str(images / "0red.png"), runs=50).measurements
    assert each.times.shape == (25, 2, 3) and np.all(each.times > 0)
    assert each.blocks.shape == (25,)
    assert each.percentile(50) <= each.percentile(95) <= each.percentile(99) <= each.inference.max()


def several_inputs():
    graph = GraphBuilder()
    x, y = graph.input((1, 4)), graph.input((1, 4))
    return graph.finish([graph.op("ADD", [x, y], (1, 4), options={})])


@pytest.mark.parametrize(
    ("content", "reason"), [(several_inputs(), "takes 2 inputs"), (float_model(), "does not say how its images")]
)
def test_a_model_that_cannot_classify_runs_on_random_inputs(tmp_path, content, reason):
    path = tmp_path / "other.tflite"
    path.write_bytes(content)
    (each,) = benchmark([str(path)], runs=25).measurements
    assert reason in each.only_inference
    assert np.all(each.inference > 0) and np.all(each.times[:, :, [0, 2]] == 0)


def test_a_start_is_measured_in_a_process_of_its_own(model_file):
    large = np.ones(64 << 20, np.uint8)  # of this process, which must not be found in the other one's
    found = measure_start(Configuration(str(model_file), "cpu", 1), None, "")
    assert found.load_ms > 0 and found.first_ms > 0
    if peak_memory() is not None:
        assert 0 < found.model_bytes < found.peak_bytes < peak_memory()
    assert large.any()


def test_a_model_that_holds_more_takes_more_memory(tmp_path):
    starts = {}
    for name, side in (("small", 64), ("large", 4096)):
        graph = GraphBuilder()
        x = graph.input((1, side, side, 1))
        path = tmp_path / f"{name}.tflite"
        path.write_bytes(graph.finish([graph.op("LOGISTIC", [x], (1, side, side, 1))]))
        starts[name] = measure_start(Configuration(str(path), "cpu", 1), None, "is no classifier").model_bytes
    if starts["large"] is not None:
        assert starts["large"] - starts["small"] > 64e6  # input and output, four bytes for each value


def test_a_process_that_fails_is_told_in_words(tmp_path):
    with pytest.raises(DeviceError, match="failed in a process of its own"):
        measure_start(Configuration(str(tmp_path / "missing.tflite"), "cpu", 1), None, "")


@pytest.fixture
def recorded(monkeypatch):
    """(configuration's model, what is done) of each step; subjects take no time to run."""
    steps = []

    def opened(configuration, image=None, *, plain=""):
        name = configuration.model
        steps.append((name, "open"))
        device = "usb:0" if name == "accelerated" else "cpu"

        def run():
            steps.append((name, "run"))
            return Latency(1.0, 2.0, 3.0)

        return Subject(run, lambda: (device, "asked"), plain, lambda: steps.append((name, "close")))

    monkeypatch.setattr(module, "open_subject", opened)
    monkeypatch.setattr(module, "measure_start", lambda *_: None)
    return steps


def test_models_take_turns_each_first_about_as_often(recorded):
    benchmark(["a", "b"], runs=100)
    timed = "".join(name for name, done in recorded if done == "run")
    turns = [timed[at : at + 7] for at in range(2 * 11, len(timed), 7)]  # 1 + 10 of warm-up of each before
    assert sorted(turns) == ["a" * 7] * 25 + ["b" * 7] * 25  # 3 that are not counted and 4 that are
    firsts = [turn[0] for turn in turns[::2]]
    assert all({one[0], two[0]} == {"a", "b"} for one, two in zip(turns[::2], turns[1::2]))
    assert 5 <= firsts.count("a") <= 20


def test_models_are_opened_anew_for_each_block_and_accelerators_are_not(recorded):
    benchmark(["a", "accelerated"], runs=25)
    opened = [name for name, done in recorded if done == "open"]
    assert (opened.count("a"), opened.count("accelerated")) == (2 + 25, 2)
    closed = [name for name, done in recorded if done == "close"]
    assert (closed.count("a"), closed.count("accelerated")) == (2 + 25, 2)


def test_a_device_that_is_not_there_leaves_the_others(recorded, monkeypatch):
    opened = module.open_subject

    def missing(configuration, image=None, *, plain=""):
        if configuration.device == "usb":
            raise error
        return opened(configuration, image, plain=plain)

    monkeypatch.setattr(module, "open_subject", missing)
    for error in (DeviceError("No Edge TPU is attached."), UsageError("The model is not compiled.")):
        found = benchmark(["a", "b"], devices=["usb", "cpu"], threads=[1], runs=25)
        assert [each.configuration for each in found.measurements] == [Configuration(m, "cpu", 1) for m in "ab"]
        assert found.failed == tuple(Failed(Configuration(m, "usb", 1), error) for m in "ab")
        assert found.ratio(found.measurements[0]).value == 1
        with pytest.raises(type(error)):
            benchmark(["a"], devices=["usb"], runs=25)
    recorded.clear()
    with pytest.raises(UsageError, match="toaster"):
        benchmark(["a"], devices=["cpu", "toaster"], runs=25)
    assert recorded == []


def test_the_warm_up_is_as_long_as_asked_for(recorded):
    (each,) = benchmark(["a"], runs=25, warm_up=40).measurements
    assert sum(done == "run" for _, done in recorded) == 1 + 40 + 25 * (3 + 1)
    assert each.inference.shape == (25, 1)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"models": ["missing.tflite"]}, ModelFormatError),
        ({"devices": ["toaster"]}, UsageError),
        ({"devices": ["edgetpu"]}, UsageError),
        ({"threads": [0]}, UsageError),
        ({"runs": 24}, UsageError),
        ({"image": "missing.png"}, DataError),
    ],
)
def test_what_cannot_be_timed_is_told_before_the_work(model_file, arguments, error):
    with pytest.raises(error):
        benchmark(**{"models": [str(model_file)], **arguments})


def test_a_subject_says_where_it_runs(tmp_path):
    subject = open_subject(Configuration(str(write_pair(tmp_path)), "auto", 1))
    subject.run()
    device, reason = subject.place()
    assert device == "cpu" and "CPU twin" in reason
    subject.close()


def test_memory_is_told_in_bytes():
    """Linux tells it in units of 1024 bytes; what a process holds at its most is no less than what it holds now."""
    resource = pytest.importorskip("resource")
    found = peak_memory()
    assert (found is not None) is Path("/proc/self/status").exists()
    if found is not None:
        assert found == pytest.approx(1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, rel=0.2)
        assert found % 4096 == 0


def test_the_child_tells_what_opening_and_the_first_run_took(monkeypatch, capsys):
    clock, memory, runs = iter((100.0, 100.5)), iter((1000, 5000)), []

    def run():
        runs.append(1)
        return Latency(1.0, 7.0 if len(runs) == 1 else 2.0, 3.0)

    monkeypatch.setattr(start, "open_subject", lambda *_, **__: Subject(run, None, "", lambda: None))
    monkeypatch.setattr(start, "peak_memory", lambda: next(memory))
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    given = {"configuration": {"model": "m", "device": "cpu", "threads": 1}, "image": None, "plain": ""}
    monkeypatch.setattr("sys.argv", ["-c", json.dumps(given)])
    start.main()
    told = json.loads(capsys.readouterr().out.strip()[len("edgekit-start: ") :])
    assert told == {"load_ms": 500, "first_ms": 7, "peak_bytes": 5000, "model_bytes": 4000}
    assert len(runs) == 4


def test_without_an_image_a_camera_frame_is_classified(model_file, monkeypatch):
    shown = []
    monkeypatch.setattr(Classifier, "classify", lambda self, image, k: shown.append((image, k)) or MadeUp())
    subject = open_subject(Configuration(str(model_file), "cpu", 1))
    np.testing.assert_array_equal(burst(subject, 2), [[1, 2, 3], [1, 2, 3]])
    (image, k), _ = shown
    assert (image.shape, image.dtype, image.min(), image.max(), k) == ((480, 640, 3), np.uint8, 0, 255, 1)


class MadeUp:
    latency = Latency(1.0, 2.0, 3.0)


def test_other_inputs_are_zeros_and_ones(monkeypatch):
    given = []
    net = GraphBuilder()
    x, y = net.input((8, 8)), net.input((8, 8), "int32")
    read = read_graph(net.finish([net.op("CUSTOM:Nothing", [x, y], (1,))]))

    class Opened:
        graph, inputs, device, reason = read, (x, y), "cpu", "asked"

        def run(self, *arrays):
            given.extend(arrays)

        def close(self):
            pass

    monkeypatch.setattr(subject_module, "open_model", lambda *_, **__: Opened())
    clock = iter((1.0, 1.25))
    monkeypatch.setattr(subject_module, "perf_counter", lambda: next(clock))
    assert open_subject(Configuration("m", "cpu", 1), plain="why").run() == Latency(0.0, 250.0, 0.0)
    assert [(array.dtype.name, set(array.ravel())) for array in given] == [("float32", {0, 1}), ("int32", {0, 1})]


@pytest.mark.parametrize(
    ("models", "threads", "made"),
    [
        (["a"], [1], [("a", 1)]),
        (["a", "a"], [1], [("a", 1), ("a", 1)]),  # what equal models come to
        (["a"], [1, 8, 9, None], [("a", 1), ("a", 4)]),
        (["a", "b"], [8, 3], [("a", 4), ("a", 3), ("b", 4), ("b", 3)]),
    ],
)
def test_threads_beyond_the_cores_are_no_case_of_their_own(monkeypatch, models, threads, made):
    monkeypatch.setattr(module, "allowed_cores", lambda: 4)
    assert module._configurations(models, ["cpu"], threads) == [Configuration(m, "cpu", n) for m, n in made]


def test_ratios_are_to_the_first_measurement(recorded):
    found = benchmark(["a", "b"], runs=25)
    first, second = (replace(each, times=each.times * factor) for each, factor in zip(found.measurements, (2, 3)))
    assert replace(found, measurements=(first, second)).ratio(second).value == 1.5
    assert replace(found, measurements=(first, second)).ratio(first).value == 1
