"""Models timed on a phone in turns, with a stand-in for the session whose times are known."""

from types import SimpleNamespace

import numpy as np
import pytest

from edgekit.devices.phone.adb import Said
from edgekit.devices.phone.benchmark import BLOCKS, PhoneMeasurement, Plan, Turn, benchmark
from edgekit.devices.phone.tool import ACCELERATORS, Printed
from edgekit.errors import DeviceError
from tests.support.build import colour_classifier

SILENT = Said("", 1)
FLAGS = frozenset({"graph", "use_gpu", "use_nnapi"})


def printed(ms=1.0, **others):
    told = {"load": None, "first": None, "median": ms, "p95": None, "runs": 1, "memory_bytes": None, "delegated": ""}
    return Printed(**{**told, "mean": ms, "on_cpu": (), **others})


class Session:
    """Takes 1 ms on the CPU and 3 on the GPU; `fails` says at which of its calls which accelerator fails."""

    flags = FLAGS

    def __init__(self, fails=(), delegated="all of it", governors=SILENT, load=SILENT):
        self.phone = SimpleNamespace(run=lambda command: load if "loadavg" in command else governors)
        self.calls, self._fails, self._delegated = [], fails, delegated

    def put(self, model, number):
        return f"/{number}"

    def time(self, model, accelerator, *, threads, runs, warm_up):
        self.calls.append((model, accelerator.name, threads, runs, warm_up))
        if (len(self.calls), accelerator.name) in self._fails or (0, accelerator.name) in self._fails:
            raise DeviceError(f"failed at {len(self.calls)}")
        return printed(
            3.0 if accelerator.name == "gpu" else 1.0, delegated=self._delegated if accelerator.delegate else ""
        )


@pytest.fixture
def model(tmp_path):
    (tmp_path / "m.tflite").write_bytes(colour_classifier())
    return str(tmp_path / "m.tflite")


def test_every_accelerator_is_timed_in_every_block(model):
    session = Session()
    found = benchmark(session, "/tools/benchmark_model", [model], Plan(("cpu", "gpu"), (1, 2), runs=90, warm_up=5))
    names = [(each.turn.accelerator.name, each.turn.threads) for each in found.measurements]
    assert names == [("cpu", 1), ("cpu", 2), ("gpu", 1)]  # threads are the CPU's
    assert [len(each.printed) for each in found.measurements] == [BLOCKS] * 3
    assert set(session.calls) == {("/0", *name, 10, 5) for name in names}
    assert [found.ratio(each).value for each in found.measurements] == [1, 1, 3]
    assert (found.binary, found.warm_up, found.failed) == ("benchmark_model", 5, ())


def test_each_block_has_an_order_of_its_own(model):
    session = Session()
    benchmark(session, "b", [model], Plan(("cpu", "gpu"), (1, 2, 3, 4), runs=9))
    blocks = [tuple(call[1:3] for call in session.calls[5 * n : 5 * n + 5]) for n in range(BLOCKS)]
    assert len(set(blocks)) > BLOCKS // 2 and len({frozenset(block) for block in blocks}) == 1


def test_few_runs_are_one_for_each_block_and_four_threads_are_usual(model):
    session = Session()
    benchmark(session, "b", [model], Plan(("cpu",), runs=3))
    assert session.calls == [("/0", "cpu", 4, 1, 10)] * BLOCKS


def test_what_fails_once_is_not_tried_again_and_leaves_the_others(model):
    session = Session(fails=[(0, "gpu")])
    found = benchmark(session, "b", [model], Plan(("cpu", "gpu")))
    assert [each.turn.accelerator.name for each in found.measurements] == ["cpu"]
    (failed,) = found.failed
    assert failed.turn.accelerator.name == "gpu" and "failed at" in failed.error.message
    assert sum(call[1] == "gpu" for call in session.calls) == 1


def test_where_all_fail_the_first_reason_is_told(model):
    with pytest.raises(DeviceError, match="failed at"):
        benchmark(Session(fails=[(0, "cpu")]), "b", [model], Plan(("cpu",)))


@pytest.mark.parametrize(("delegated", "measured"), [("nothing of it", 1), ("a part of it", 2), ("", 2)])
def test_a_delegate_that_took_nothing_is_not_timed_as_if_it_had(model, delegated, measured):
    found = benchmark(Session(delegated=delegated), "b", [model], Plan(("cpu", "gpu")))
    assert len(found.measurements) == measured
    assert all("GPU delegate took nothing" in each.error.message for each in found.failed)


@pytest.mark.parametrize(
    ("governors", "load", "expected"),
    [
        (Said("schedutil\nperformance\nschedutil\n", 0), Said("1.25 1.10 0.90 2/1200 4711\n", 0), (2, 1.25)),
        (Said("Permission denied\n", 1), Said("Permission denied\n", 1), (0, None)),
        (Said("", 0), Said("", 0), (0, None)),
        (Said("", 0), Said("odd words", 0), (0, None)),
        (Said("", 0), Said("1.25", 1), (0, None)),
    ],
)
def test_conditions_are_told_as_far_as_the_phones_shell_tells_them(model, governors, load, expected):
    found = benchmark(Session(governors=governors, load=load), "b", [model], Plan(("cpu",)))
    assert (len(found.governors), found.load) == expected


def test_a_figure_is_the_median_of_the_blocks_that_tell_it():
    turn = Turn("m", "/0", ACCELERATORS["cpu"], 4)
    found = PhoneMeasurement(turn, tuple(printed(ms, first=first) for ms, first in ((1, None), (2, 8.0), (6, 4.0))))
    assert (found.median("mean"), found.median("first"), found.median("p95")) == (2, 6, None)
    np.testing.assert_array_equal(found.timed.blocks, [1, 2, 6])
    assert (found.timed.device, found.timed.threads) == ("cpu", 4)
