import gc
import logging
import threading
import time
import weakref
from contextlib import closing

import numpy as np
import pytest

from edgekit.devices import Classifier, failover
from edgekit.devices.emulator.emulated import EmulatedEdgeTpu
from edgekit.devices.failover import SteadyModel, open_steady
from edgekit.devices.opening import OpenModel, open_accelerated, open_model, open_twin
from edgekit.errors import DeviceError, UsageError
from edgekit.tflite.reader import read_graph
from tests.support.pairs import images, write_pair

SOON = (0.01, 0.02, 0.05)


def _steady(path, tpu, back_off=SOON):
    graph = read_graph(path)
    standby = open_twin(path, graph, "the accelerator failed")
    return SteadyModel(
        open_model(path, device=tpu), standby, lambda: open_accelerated(path, graph, tpu), back_off=back_off
    )


def _until(condition, seconds=10.0):
    """Waits for another thread; the limit only ends a test that would fail."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.002)
    return condition()


def test_a_thousand_frames_with_a_device_that_dies_and_returns(tmp_path):
    path, tpu = write_pair(tmp_path), EmulatedEdgeTpu()
    inputs, twin = images(1000), open_model(tmp_path / "net.tflite", device="cpu")
    steady, answers, times = _steady(path, tpu), [], [time.perf_counter()]
    for number, array in enumerate(inputs):
        if number == 300:
            tpu.unplug()
        if number == 600:
            calls = len(tpu.invocations)
            tpu.plug_in()
            assert _until(lambda before=calls: len(tpu.invocations) > before)
            times[-1] = time.perf_counter()  # waiting for the other thread is the test's, not the frames'
        answers.append((number, steady.run(array)[0], steady.device))
        times.append(time.perf_counter())
        if number == 600:
            assert _until(lambda: not steady._returned.empty() or steady.device == "emulated")
            times[-1] = time.perf_counter()
    steady.close()
    assert [number for number, _, _ in answers] == list(range(1000))
    for (_, answer, _), array in zip(answers, inputs):
        np.testing.assert_array_equal(answer, twin.run(array)[0])
    devices = [device for _, _, device in answers]
    assert set(devices[:300]) == {"emulated"} and set(devices[300:600]) == {"cpu"}
    assert set(devices[601:]) == {"emulated"}
    # Every call is accounted for: the answers, the one that failed, and the trial before coming back.
    assert [call.failed for call in tpu.invocations].count(True) == 1
    assert len(tpu.invocations) == devices.count("emulated") + 1 + 1
    assert max(np.diff(times)) <= 1.0


def test_both_switches_are_told(tmp_path, caplog):
    tpu = EmulatedEdgeTpu()
    steady = _steady(write_pair(tmp_path), tpu)
    array = images(1)[0]
    with caplog.at_level(logging.WARNING, "edgekit.devices"):
        tpu.unplug()
        steady.run(array)
        assert steady.device == "cpu" and "net.tflite" in steady.reason and "accelerator failed" in steady.reason
        tpu.plug_in()
        assert _until(lambda: steady.run(array) and steady.device == "emulated")
    steady.close()
    assert "came back" in steady.reason
    assert ["Going on on the CPU" in r.message for r in caplog.records] == [True, False]
    assert "answers again" in caplog.records[1].message


def test_a_call_that_never_returns_is_left_behind(tmp_path):
    tpu = EmulatedEdgeTpu(hang_at=[3])
    steady, array = _steady(write_pair(tmp_path), tpu, back_off=(60,)), images(1)[0]
    devices = []
    for _ in range(4):
        steady.run(array)
        devices.append(steady.device)
    assert devices == ["emulated", "emulated", "cpu", "cpu"] and "did not answer" in steady.reason
    tpu.unplug()  # lets the thread go
    steady.close()


def test_a_device_that_failed_is_free_at_once(tmp_path):
    """Its runtime lets nobody open it while the old interpreter lives, and garbage collection may come late."""
    tpu = EmulatedEdgeTpu()
    steady, array = _steady(write_pair(tmp_path), tpu, back_off=(60,)), images(1)[0]
    failed = weakref.ref(steady._primary)
    gc.disable()
    try:
        tpu.unplug()
        steady.run(array)
        assert _until(lambda: failed() is None)
    finally:
        gc.enable()
    steady.close()


def test_a_model_that_nobody_holds_leaves_no_thread(tmp_path):
    def ours():
        return {thread for thread in threading.enumerate() if thread.name == "edgekit-device"}

    before = ours()
    steady = _steady(write_pair(tmp_path), EmulatedEdgeTpu())
    (worker,) = ours() - before
    assert worker.daemon  # or a device that hangs would keep the program from ending
    del steady
    assert _until(lambda: not worker.is_alive())


def test_a_wrong_input_is_no_failure_of_the_device(tmp_path):
    with closing(_steady(write_pair(tmp_path), EmulatedEdgeTpu())) as steady:
        with pytest.raises(UsageError, match="does not take this input"):
            steady.run(np.zeros(3))
        steady.run(images(1)[0])
        assert steady.device == "emulated"


def test_one_bad_call_does_not_end_it(tmp_path):
    tpu = EmulatedEdgeTpu(fail_at=[2])
    steady, array = _steady(write_pair(tmp_path), tpu), images(1)[0]
    devices = set()
    assert _until(lambda: steady.run(array) and devices.add(steady.device) is None and len(tpu.invocations) > 20)
    steady.close()
    assert devices == {"emulated", "cpu"} and [call.failed for call in tpu.invocations].count(True) == 1


def test_a_closed_model_says_so_and_stops_trying(tmp_path):
    tpu = EmulatedEdgeTpu()
    steady, array = _steady(write_pair(tmp_path), tpu), images(1)[0]
    tpu.unplug()
    steady.run(array)
    steady.close()
    tpu.plug_in()
    calls = len(tpu.invocations)
    with pytest.raises(DeviceError, match="closed"):
        steady.run(array)
    time.sleep(0.1)
    assert len(tpu.invocations) <= calls + 1  # an attempt under way may end


def test_a_classifier_goes_on(tmp_path):
    tpu = EmulatedEdgeTpu(fail_at=[2])
    with Classifier(write_pair(tmp_path), device=tpu) as classifier:
        image = np.full((8, 8, 3), (0, 200, 0), np.uint8)
        answers = [classifier.classify(image) for _ in range(2)]
        assert [answer.device for answer in answers] == ["emulated", "cpu"]
        assert answers[0].classes == answers[1].classes and answers[0].classes[0].label == "green"
        assert classifier.device == "cpu"


def test_without_its_twin_at_hand_or_a_device_to_replace_there_is_nothing_to_fail_over(tmp_path):
    path = write_pair(tmp_path)
    assert isinstance(open_steady(path, device="emulated"), OpenModel)
    assert isinstance(open_steady(path, device="cpu"), OpenModel)
    assert isinstance(open_steady(tmp_path / "net.tflite"), OpenModel)
    with closing(open_steady(path, device=EmulatedEdgeTpu())) as steady:
        assert isinstance(steady, SteadyModel)


def test_closing_while_a_call_is_under_way_ends_it_with_a_word(tmp_path, caplog):
    tpu = EmulatedEdgeTpu(hang_at=[2])
    steady, array = _steady(write_pair(tmp_path), tpu), images(1)[0]
    steady.run(array)
    closer = threading.Timer(0.2, steady.close)
    closer.start()
    with pytest.raises(DeviceError):
        steady.run(array)
    closer.join()
    tpu.unplug()
    assert not caplog.records  # nobody goes on on the CPU


def test_a_call_after_the_close_does_not_wait(tmp_path):
    steady, array = _steady(write_pair(tmp_path), EmulatedEdgeTpu()), images(1)[0]
    primary = steady._primary
    steady.close()
    steady._primary = primary  # as for a call that looked at it just before
    start = time.monotonic()
    with pytest.raises(DeviceError, match="closed"):
        steady._worker.call(primary.run, (array,))
    assert time.monotonic() - start < 20  # its patience would be 30 seconds


def test_a_model_that_nobody_holds_is_not_kept_for_being_revived(tmp_path):
    tpu = EmulatedEdgeTpu()
    steady = _steady(write_pair(tmp_path), tpu, back_off=(0.01,))
    tpu.unplug()
    steady.run(images(1)[0])
    reviving = [thread for thread in threading.enumerate() if thread.name == "edgekit-revive"]
    gone = weakref.ref(steady)
    del steady
    assert reviving and _until(lambda: gone() is None and not any(thread.is_alive() for thread in reviving))


@pytest.mark.parametrize(("answers", "waited"), [(0, [0.1, 0.2]), (99, [0.1, 0.2]), (100, [0.1, 0.1])])
def test_a_device_that_answered_a_hundred_times_in_a_row_is_trusted_again(tmp_path, monkeypatch, answers, waited):
    """The seconds before each attempt to come back, over two failures."""
    monkeypatch.setattr(failover, "_revive", lambda _reopen, delays, **_: seconds.append(next(delays)))
    tpu, seconds = EmulatedEdgeTpu(), []
    steady, array = _steady(write_pair(tmp_path), tpu, back_off=(0.1, 0.2, 0.4)), images(1)[0]
    steady._fall(DeviceError("once."))
    assert _until(lambda: len(seconds) == 1)
    steady._come_back(open_model(tmp_path / "net_edgetpu.tflite", device=tpu))
    for _ in range(answers):
        steady.run(array)
    steady._fall(DeviceError("twice."))
    assert _until(lambda: len(seconds) == 2)
    steady.close()
    assert seconds == waited


def test_a_new_model_has_not_answered_yet(tmp_path):
    steady = _steady(write_pair(tmp_path), EmulatedEdgeTpu())
    assert steady._successes == 0
    steady.run(images(1)[0])
    assert steady._successes == 1
    steady.close()


@pytest.mark.parametrize(("longest", "patience"), [(None, 30.0), (0.01, 0.8), (0.8 / 3, 0.8), (2.0, 6.0)])
def test_a_call_is_given_three_times_the_longest_so_far_and_never_less_than_usual(monkeypatch, longest, patience):
    waited = []

    class Answered:
        def result(self, timeout):
            waited.append(timeout)
            return ()

        def set_result(self, _value):
            """What the thread answers is not looked at."""

    monkeypatch.setattr(failover, "Future", Answered)
    worker = failover._Worker()
    worker._longest = longest
    worker.call(lambda: (), ())
    worker.stop()
    assert waited == pytest.approx([patience])
