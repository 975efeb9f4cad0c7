"""Models on a phone, with a stand-in for adb that keeps what it was told."""

from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from edgekit.devices.phone.adb import Said
from edgekit.devices.phone.session import Session, open_session
from edgekit.devices.phone.tool import ACCELERATORS
from edgekit.errors import DeviceError, UsageError
from edgekit.tflite.graph import Tensor
from tests.support.phone import binary

FOLDER = "/data/local/tmp/edgekit-1"
DONE = Said("", 0)


class Phone:
    """Runs nothing: `answers` are the bytes of the files that a run leaves."""

    abis = ("arm64-v8a",)

    def __init__(self, answers=(), said=DONE, gone=False):
        self.answers, self.said, self.gone = answers, said, gone
        self.ran, self.pushed, self.patience = [], {}, []

    def run(self, command, patience=60):
        self.ran.append(command)
        self.patience.append(patience)
        if self.gone:
            raise DeviceError("The phone is gone.")
        return self.said

    must = run

    def push(self, source, there):
        source = Path(source)
        files = source.iterdir() if source.is_dir() else [source]
        self.pushed[there] = {file.name: file.read_bytes() for file in files}

    def pull(self, there, here):
        Path(here).mkdir()
        for index, content in enumerate(self.answers):
            Path(here, str(index)).write_bytes(content)


def output(elements, dtype="int8"):
    return Tensor(0, "scores", (1, elements), (1, elements), dtype, None, 0, 0)


def answered(phone, inputs, tensor):
    session = Session(phone, FOLDER, frozenset())
    return session.answers("/m.tflite", ACCELERATORS["cpu"], inputs, tensor, threads=2)


def test_each_input_is_pushed_whole_and_each_output_read():
    inputs = [np.full((1, 2, 3, 1), number, np.uint8) for number in range(3)]
    phone = Phone([bytes([number, 7]) for number in range(3)])
    np.testing.assert_array_equal(answered(phone, inputs, output(2)), [[0, 7], [1, 7], [2, 7]])
    assert phone.pushed == {f"{FOLDER}/inputs": {str(n): bytes([n] * 6) for n in range(3)}}
    (loop,) = (command for command in phone.ran if command.startswith("for"))
    assert "for i in 0 1 2;" in loop and "--input_layer_shape=1,2,3,1" in loop and "--num_threads=2" in loop


def test_the_patience_grows_with_the_number_of_images():
    waits = []
    for count in (1, 4):
        phone = Phone([b"\0"] * count)
        answered(phone, [np.zeros((1, 1), np.uint8)] * count, output(1))
        waits.append(max(phone.patience))
    assert waits[1] - waits[0] == pytest.approx(3 * (waits[0] - 600))


@pytest.mark.parametrize(("dtype", "size"), [("float32", 4), ("int8", 1)])
def test_an_output_that_is_cut_off_is_no_answer(dtype, size):
    whole = np.arange(3).astype(dtype)
    for further in (b"", b"another output's bytes"):
        phone = Phone([whole.tobytes() + further])
        np.testing.assert_array_equal(answered(phone, [np.zeros((1, 1), np.uint8)], output(3, dtype))[0], whole)
    with pytest.raises(DeviceError, match=f"gave {3 * size - 1} bytes for an output of {3 * size}"):
        answered(Phone([whole.tobytes()[:-1]]), [np.zeros((1, 1), np.uint8)], output(3, dtype))


def test_a_failing_binary_is_told_by_its_words_or_by_what_they_mean():
    for said, told in (("ERROR: Op 3 is odd", "binary failed: Op 3 is odd"), ("Segmentation fault", "crashed")):
        with pytest.raises(DeviceError, match=told):
            answered(Phone(said=Said(said, 1)), [np.zeros((1, 1), np.uint8)], output(1))


def test_answers_can_be_had_where_the_binary_takes_inputs_and_writes_outputs():
    both = {"output_filepath", "input_layer_value_files"}
    assert Session(Phone(), FOLDER, frozenset(both)).gives_outputs
    assert Session(Phone(), FOLDER, frozenset(both | {"graph"})).gives_outputs
    assert not any(Session(Phone(), FOLDER, frozenset({flag})).gives_outputs for flag in both)


def test_a_phone_that_goes_hides_no_other_failure():
    with pytest.raises(DeviceError, match="gone"), Session(Phone(gone=True), FOLDER, frozenset()):
        pass

    @contextmanager
    def failing():
        with Session(Phone(gone=True), FOLDER, frozenset()):
            yield

    with pytest.raises(KeyError), failing():
        raise KeyError("the first failure")


def test_a_binary_for_another_processor_is_not_pushed(tmp_path):
    phone = Phone(said=Said("--graph=", 0))
    with pytest.raises(UsageError, match="is for x86_64, the phone runs arm64-v8a"):
        open_session(phone, str(binary(tmp_path / "benchmark_model", "x86_64")))
    assert not phone.pushed
    phone.abis = ()  # a phone that does not tell
    phone.said = Said("Flags:\n\t--graph=\tstring\toptional\tgraph file name\n", 0)
    assert "graph" in open_session(phone, str(binary(tmp_path / "benchmark_model", "x86_64"))).flags
