"""Batches on a cluster, with a client that keeps account: how many images wait, and what a failure says."""

import sys
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from edgekit.errors import DeviceError
from edgekit.evaluation import cluster
from edgekit.evaluation.answers import Answer, Subject
from edgekit.evaluation.cluster import BATCH, spread


class Accountant:
    """A cluster whose tasks are done when their result is asked for; `most` of them have waited at a time."""

    def __init__(self, threads, failure=None):
        self._threads, self._failure, self.waiting, self.most = threads, failure, 0, 0

    def nthreads(self):
        return self._threads

    def scatter(self, data, **_options):
        return data

    def submit(self, _function, _model, batch, **_options):
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        return Task(self, batch)

    def done(self):
        self.waiting -= 1
        if self._failure is not None:
            raise self._failure


class Task:
    def __init__(self, cluster, batch):
        self._cluster, self._batch = cluster, batch

    def result(self):
        self._cluster.done()
        return self._batch


@pytest.fixture
def answers(monkeypatch, tmp_path):
    """What a cluster answers to so many images that cannot be read, of which each batch holds the answers."""

    def answers(client, images):
        @contextmanager
        def connected(_scheduler):
            yield client

        monkeypatch.setattr(cluster, "_client", connected)
        paths = [tmp_path / f"missing {number}.png" for number in range(images)]
        return list(spread(Subject(b""), paths, "tcp://there:8786"))

    return answers


@pytest.mark.parametrize(("threads", "most"), [({"a": 1}, 2), ({"a": 2, "b": 1}, 6), ({}, 2)])
def test_each_worker_has_one_batch_and_one_waiting(answers, threads, most):
    client = Accountant(threads)
    assert answers(client, 10 * BATCH + 1) == [Answer((), "no such file or directory")] * (10 * BATCH + 1)
    assert (client.most, client.waiting) == (most, 0)


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (OSError("Timed out connecting.\nTraceback follows"), "Timed out connecting"),
        (TimeoutError(), "TimeoutError"),
        (ValueError("x" * 201), "x" * 200),
    ],
)
def test_a_cluster_that_fails_is_told_in_one_line(answers, failure, told):
    with pytest.raises(DeviceError) as caught:
        answers(Accountant({"a": 1}, failure), 1)
    assert caught.value.message == f"The Dask cluster 'tcp://there:8786' failed: {told}."


@pytest.mark.parametrize(("scheduler", "at"), [("tcp://there:8786", "tcp://there:8786"), ("local", "cluster of 3")])
def test_the_programs_own_default_cluster_stays_its_default(monkeypatch, scheduler, at):
    connected = []

    class Client:
        def __init__(self, address, **options):
            connected.append((str(address), options["set_as_default"]))

        def __enter__(self):
            return self

        def __exit__(self, *exception):
            pass

    class LocalCluster(Client):
        def __init__(self, workers, **options):
            self.workers = workers
            assert options["threads_per_worker"] == 1

        def __str__(self):
            return f"cluster of {self.workers}"

    monkeypatch.setitem(sys.modules, "distributed", SimpleNamespace(Client=Client, LocalCluster=LocalCluster))
    monkeypatch.setattr(cluster, "allowed_cores", lambda: 3)
    with cluster._client(scheduler) as client:
        assert isinstance(client, Client)
    assert connected == [(at, False)]


def test_our_own_errors_pass_as_they_are(answers):
    with pytest.raises(DeviceError, match=r"^The model failed\.$"):
        answers(Accountant({"a": 1}, DeviceError("The model failed.")), 1)
