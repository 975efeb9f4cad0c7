"""Fixtures that all tests share."""

import signal
from pathlib import Path

import pytest
from PIL import Image

from edgekit.edgetpu.compiler import run as compiler_run
from tests.support.build import COLOURS, colour_model
from tests.support.recordings import FAKE_COMPILER

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_collection_modifyitems(items):
    if SHARED.is_dir():
        return
    skip = pytest.mark.skip(reason="the shared test data is not beside this checkout")
    for item in items:
        if "shared" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared test data; tests that use it carry the marker `shared`."""
    return SHARED


@pytest.fixture(scope="session", autouse=True)
def _cache(pytestconfig):
    """Models that ran are remembered from one run of the tests to the next, and not among the user's own."""
    if getattr(pytestconfig, "cache", None) is None:  # -p no:cacheprovider
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(pytestconfig.cache.mkdir("models")))
        yield


@pytest.fixture
def model_file(tmp_path):
    """A model that names colours."""
    path = tmp_path / "colours.tflite"
    path.write_bytes(colour_model())
    return path


@pytest.fixture
def images(tmp_path):
    """A folder of a red, a broken, a green and a blue image, and a text."""
    folder = tmp_path / "images"
    folder.mkdir()
    for name, colour in COLOURS.items():
        Image.new("RGB", (20, 10), colour).save(folder / f"{'rgb'.index(name[0])}{name}.png")
    (folder / "0zbroken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not really")
    (folder / "notes.txt").write_text("no image")
    return folder


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """The folder of recordings of the stand-in for edgetpu_compiler, which is the compiler of this machine."""
    folder = tmp_path / "runs"
    folder.mkdir()
    monkeypatch.setenv("EDGEKIT_FAKE_RUNS", str(folder))
    monkeypatch.setenv("EDGEKIT_EDGETPU_COMPILER", str(FAKE_COMPILER))
    monkeypatch.setattr(compiler_run, "_GRACE_S", 0.0)
    return folder


@pytest.fixture
def heard():
    """SIGINT raises KeyboardInterrupt, also below a shell that runs the tests in the background and ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
