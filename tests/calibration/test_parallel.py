import threading
import time

import numpy as np
import pytest

from edgekit.calibration import parallel
from edgekit.calibration.parallel import map_samples
from edgekit.calibration.samples import Sample
from edgekit.devices.interpreter import allowed_cores


def samples(count):
    return [Sample(str(index), np.full((1, 1, 3), index, np.uint8), None) for index in range(count)]


def test_results_come_in_the_order_of_the_samples():
    def work(sample):
        time.sleep(0.002 * (int(sample.name) % 3))
        return sample.name * 2

    given = samples(20)
    found = list(map_samples(lambda: work, given))
    assert [sample.name for sample, _ in found] == [sample.name for sample in given]
    assert all(result == sample.name * 2 for sample, result in found)


def test_no_worker_is_used_by_two_threads_at_once():
    class Worker:
        def __init__(self):
            self.lock = threading.Lock()

        def __call__(self, sample):
            assert self.lock.acquire(blocking=False)
            time.sleep(0.001)
            self.lock.release()
            return threading.get_ident()

    assert len(list(map_samples(Worker, samples(40)))) == 40


@pytest.mark.parametrize("cores", [1, 2, 5])
def test_as_many_run_at_once_as_there_are_cores(monkeypatch, cores):
    """All of them meet at a barrier, which breaks where one never comes."""
    monkeypatch.setattr(parallel, "allowed_cores", lambda: cores)
    barrier = threading.Barrier(cores)

    def work(sample):
        barrier.wait(timeout=10)
        return sample.name

    assert len(list(map_samples(lambda: work, samples(3 * cores)))) == 3 * cores


def test_only_a_few_samples_are_drawn_ahead():
    drawn = []

    def endless():
        index = 0
        while True:
            drawn.append(index)
            yield Sample(str(index), np.zeros((1, 1, 3), np.uint8), None)
            index += 1

    results = map_samples(lambda: lambda sample: sample.name, endless())
    assert [next(results)[1] for _ in range(3)] == ["0", "1", "2"]
    results.close()
    assert len(drawn) == 3 + 2 * allowed_cores()  # as many wait as cores are busy


def test_one_slow_image_does_not_keep_the_other_cores_from_going_on():
    cores = allowed_cores()
    if cores == 1:
        pytest.skip("one core has nobody to wait for")
    later = threading.Event()

    def work(number):
        if number == 0:
            return later.wait(20)
        if number == 2 * cores:
            later.set()
        return True

    assert all(done for _, done in map_samples(lambda: work, range(3 * cores)))


def test_nothing_gives_nothing():
    assert list(map_samples(lambda: lambda sample: sample, [])) == []


def test_a_failure_of_a_worker_reaches_the_caller_and_ends_the_threads():
    def fails(sample):
        if sample.name == "5":
            raise LookupError("five")
        return None

    before = threading.active_count()
    with pytest.raises(LookupError, match="five"):
        list(map_samples(lambda: fails, samples(100)))
    assert threading.active_count() == before


def test_a_failure_of_the_source_reaches_the_caller():
    def source():
        yield samples(1)[0]
        raise LookupError("source")

    with pytest.raises(LookupError, match="source"):
        list(map_samples(lambda: lambda sample: None, source()))
