"""A pytest plugin: which functions of the package each test reaches; and runs of chosen tests in a chosen order.

`benchmarks/mutation.py` uses it in both ways, by one environment variable each:
- `REACH_RECORD`: a file to be written. For each test: whether it passed, its seconds, the functions of the package that
  it called, and its fixtures; the same for each fixture, since what a shared one calls serves all tests that use it.
- `REACH_CHOSEN`: a file with the ids of the tests to run, one a line; they run in this order.

What runs in child processes is not seen.
"""

import json
import os
import sys
import threading
import time
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path

import pytest

PACKAGE = Path.cwd() / "edgekit"


class Recorder:
    """Collects what is called, by the test or fixture that is at work."""

    def __init__(self, target):
        self._target = target
        self._called, self._fixtures, self._seconds = {}, {}, defaultdict(float)
        self._shared, self._failed = set(), set()
        self._now, self._name = {}, ""

    def _trace(self, frame, event, arg):
        self._now[id(frame.f_code)] = frame.f_code

    @pytest.hookimpl
    def pytest_sessionstart(self):
        threading.settrace(self._trace)
        sys.settrace(self._trace)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        self._fixtures[item.nodeid] = list(item.fixturenames)
        with self._at_work(item.nodeid):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef):
        if fixturedef.scope != "function":
            self._shared.add(fixturedef.argname)
        with self._at_work(fixturedef.argname):
            return (yield)

    @contextmanager
    def _at_work(self, name):
        """What is called, and the time, are `name`'s; a test's own fixtures take its time, shared ones their own."""
        before, start = (self._name, self._now), time.perf_counter()
        self._name, self._now = name, self._called.setdefault(name, {})
        try:
            yield
        finally:
            self._name, self._now = before
            if name in self._shared or name in self._fixtures:
                took = time.perf_counter() - start
                self._seconds[name] += took
                self._seconds[self._name] -= took

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report):
        if not report.passed:
            self._failed.add(report.nodeid)

    @pytest.hookimpl
    def pytest_sessionfinish(self):
        sys.settrace(None)
        threading.settrace(None)
        record = {
            name: {
                "seconds": round(self._seconds[name], 4),
                "passed": name not in self._failed,
                "functions": sorted(set(map(function_name, called.values())) - {""}),
                "fixtures": self._fixtures.get(name),
                "shared": name in self._shared,
            }
            for name, called in self._called.items()
        }
        Path(self._target).write_text(json.dumps(record), "utf-8")


def function_name(code):
    """`edgekit/files.py:Output.write`, or nothing where it is not the package's; an inner function is its outer's."""
    path = Path(code.co_filename)
    if PACKAGE not in path.parents:
        return ""
    return f"{path.relative_to(PACKAGE.parent).as_posix()}:{code.co_qualname.partition('.<locals>')[0]}"


class Chooser:
    """Keeps the tests that were chosen."""

    def __init__(self, source):
        self._order = {name: place for place, name in enumerate(Path(source).read_text("utf-8").splitlines())}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items):
        items[:] = sorted(
            (item for item in items if item.nodeid in self._order), key=lambda item: self._order[item.nodeid]
        )


def pytest_configure(config):
    for variable, plugin in (("REACH_RECORD", Recorder), ("REACH_CHOSEN", Chooser)):
        if os.environ.get(variable):
            config.pluginmanager.register(plugin(os.environ[variable]))
