"""What the benchmark binaries print, in every form known."""

import pytest

from edgekit.devices.phone.tool import binary_abi, choose, known_flags, parse
from edgekit.errors import DeviceError, UsageError
from tests.support import benchmark_texts as texts
from tests.support.phone import MACHINES, binary


def test_the_form_of_2018_has_a_mean_and_the_initialization():
    found = parse(texts.OLD)
    assert (found.load, found.first, found.mean, found.median, found.p95) == (9.5, None, 66.75, None, None)
    assert (found.runs, found.memory_bytes, found.delegated, found.typical) == (15, None, "", 66.75)


def test_the_form_of_2021_has_the_first_inference_memory_and_the_delegate():
    found = parse(texts.GPU)
    assert (found.load, found.first, found.mean, found.median) == (870.5, 130.5, 119.5, None)
    assert (found.runs, found.memory_bytes, found.delegated) == (50, round(96.25 * 2**20), "all of it")


def test_the_form_of_2024_has_percentiles_and_names_the_ops_left_to_the_cpu():
    found = parse(texts.PART)
    assert (found.load, found.first, found.mean, found.median, found.p95) == (412.3, 22.11, 9.0012, 8.95, 9.4)
    assert (found.typical, found.runs) == (8.95, 50)
    assert found.delegated == "a part of it (97 of 117 ops in 2 parts)"
    assert found.on_cpu == ("ARG_MAX: Operation is not supported.", "GATHER_ND: Operation is not supported.")


def test_the_form_of_litert_is_in_milliseconds():
    found = parse(texts.LITERT)
    assert (found.load, found.first, found.mean, found.median) == (45.32, 12.5, 4.05, 4.02)
    assert (found.runs, found.memory_bytes) == (50, round(32.5 * 2**20))


def test_one_counted_inference_has_its_own_form():
    found = parse("count=1 curr=4523\nInference timings in us: Init: 10, First inference: 1, Inference (avg): 4523")
    assert (found.mean, found.runs) == (4.523, 1)


@pytest.mark.parametrize("text", [texts.NOTHING, texts.UNSUPPORTED])
def test_a_delegate_that_takes_nothing_is_seen(text):
    assert parse(text).delegated == "nothing of it"


def test_an_older_sentence_about_the_delegate_is_known():
    text = "Applied NNAPI delegate, and the model graph will be completely executed w/ the delegate.\n" + texts.OLD
    assert parse(text).delegated == "all of it"


@pytest.mark.parametrize("text", ["", "hello\n", "count=0\n", texts.FAILED])
def test_a_text_without_times_is_an_error(text):
    with pytest.raises(DeviceError, match="no times"):
        parse(text)


def test_what_the_binary_knows_decides_what_is_run():
    new, litert = known_flags(texts.USAGES["new"]), known_flags(texts.USAGES["litert"])
    assert {"graph", "use_gpu", "output_filepath"} <= new and "output_filepath" not in known_flags(texts.USAGES["old"])
    assert [each.name for each in choose(["auto"], new)] == ["cpu", "gpu", "nnapi"]
    assert [each.name for each in choose(["auto"], litert)] == ["cpu", "gpu"]
    assert [each.name for each in choose(["npu"], litert)] == ["npu"]
    with pytest.raises(UsageError, match="knows no npu"):
        choose(["npu"], new)
    with pytest.raises(UsageError, match="no device 'usb'"):
        choose(["usb"], new)


@pytest.mark.parametrize("abi", MACHINES)
def test_a_binary_says_for_which_processor_it_is(abi, tmp_path):
    assert binary_abi(str(binary(tmp_path / "tool", abi))) == abi


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"PK\x03\x04" + bytes(40), "an app"),
        (b"#!/bin/sh\necho", "no program"),
        (b"\x7fELF", "no program"),
        (b"", "no"),
    ],
)
def test_what_is_no_binary_is_refused(content, told, tmp_path):
    (tmp_path / "tool").write_bytes(content)
    with pytest.raises(UsageError, match=told):
        binary_abi(str(tmp_path / "tool"))
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        binary_abi(str(tmp_path / "nothing"))
