"""Fixtures of pytest for programs that use edgekit: `pytest_plugins = ["edgekit.testing"]` in conftest.py.

They need neither an Edge TPU nor TensorFlow, `assert_verified` excepted where the source model needs it.
"""

from pathlib import Path
from typing import Callable, Iterator, List, Union

import pytest

from edgekit.devices import Classifier, EmulatedEdgeTpu

#: Opens a model, as `edgekit.Classifier` does.
OpenClassifier = Callable[..., Classifier]
#: Takes a model, and the file with its gates.
AssertVerified = Callable[..., None]


@pytest.fixture
def open_classifier() -> Iterator[OpenClassifier]:
    """A function that opens a `Classifier`, with its arguments; all are closed when the test ends."""
    opened: List[Classifier] = []

    def open_one(*arguments: object, **options: object) -> Classifier:
        opened.append(Classifier(*arguments, **options))  # type: ignore[arg-type]
        return opened[-1]

    yield open_one
    for classifier in opened:
        classifier.close()


@pytest.fixture
def emulated_edgetpu() -> EmulatedEdgeTpu:
    """An Edge TPU that needs no chip; `device=` takes it. It can be unplugged."""
    return EmulatedEdgeTpu()


@pytest.fixture
def assert_verified() -> AssertVerified:
    """A function that fails the test where a model does not meet the gates of an `edgekit.toml`, and names them."""

    def check(model: Union[str, Path], spec: Union[str, Path] = "edgekit.toml") -> None:
        from edgekit.converters.verification.verify import verify

        failed = [each for each in verify(model, spec).outcomes if not each.met]
        if failed:
            pytest.fail("\n".join(f"{each.gate}: {each.found}, not {each.asked}" for each in failed), pytrace=False)

    return check
