"""What the benchmark binaries print, in every form known."""

import struct

import pytest

from edgekit.devices.phone.tool import binary_abi, choose, delegation, known_flags, parse
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


@pytest.mark.parametrize(("order", "mark"), [("<", 1), (">", 2)])
@pytest.mark.parametrize(("machine", "abi"), [(3, "x86"), (243, "riscv64"), (62, "x86_64"), (8, "machine 8")])
def test_the_processor_is_read_in_the_order_of_bytes_that_the_header_names(order, mark, machine, abi, tmp_path):
    """Numbers and places as in elf.h: EM_386, EM_RISCV, EM_X86_64, EM_MIPS; the first 20 bytes tell."""
    header = b"\x7fELF\x01" + bytes([mark]) + bytes(10) + struct.pack(f"{order}HH", 3, machine)
    (tmp_path / "tool").write_bytes(header)
    assert binary_abi(str(tmp_path / "tool")) == abi
    (tmp_path / "tool").write_bytes(header[:-1])
    with pytest.raises(UsageError, match="no program"):
        binary_abi(str(tmp_path / "tool"))


def test_the_last_figures_are_those_of_the_counted_inferences():
    found = parse("count=5 avg=9000 median=8000 p95=9500\ncount=50 avg=4000 median=3500 p95=4500\n")
    assert (found.mean, found.median, found.p95, found.runs) == (4, 3.5, 4.5, 50)


def test_how_many_inferences_were_counted_is_zero_where_it_is_not_told():
    assert parse("Inference timings in us: Init: 10, First inference: 1, Inference (avg): 4523").runs == 0


PART = "Explicitly applied GPU delegate, and the model graph will be partially executed by the delegate"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"{PART}.", "a part of it"),
        (f"{PART} w/ 3 delegate kernels.", "a part of it (in 3 parts)"),
        (f"Replacing 5 out of 9 node(s) with delegate (TfLiteGpuDelegateV2)\n{PART}.", "a part of it (5 of 9 ops)"),
        (f"Replacing 5 out of 9 node(s) with delegate (TfLiteXNNPackDelegate)\n{PART}.", "a part of it"),
    ],
)
def test_of_a_delegate_as_much_is_told_as_the_binary_tells(text, told):
    assert delegation(text) == told
