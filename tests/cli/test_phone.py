"""`edgekit benchmark --adb`, with a stand-in for adb and the phone."""

import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgekit.cli import main
from edgekit.devices.phone import benchmark as phone_benchmark
from edgekit.preprocess import InputSpec
from edgekit.reports import phone as phone_report
from edgekit.reports.page import render
from edgekit.tflite.metadata import Metadata, write_metadata
from tests.support.build import colour_classifier
from tests.support.page import Page, numbers
from tests.support.phone import FakePhone, binary

PAGE = Path(__file__).parents[2] / "docs" / "benchmark.md"


@pytest.fixture
def whole():
    """For a test of the run's length: all of its blocks."""


@pytest.fixture
def phone(tmp_path, monkeypatch, request):
    if "whole" not in request.fixturenames:  # each block starts two processes for each measurement
        for module in (phone_benchmark, phone_report):
            monkeypatch.setattr(module, "BLOCKS", 3)
    folder = tmp_path / "phone"
    folder.mkdir()
    return FakePhone(folder, monkeypatch)


@pytest.fixture
def here(tmp_path, monkeypatch, phone):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.tflite").write_bytes(colour_classifier("uint8"))
    (tmp_path / "float.tflite").write_bytes(
        write_metadata(colour_classifier("float32"), Metadata(input=InputSpec(8, 8)))
    )
    binary(tmp_path / "android_aarch64_benchmark_model")
    return tmp_path


def edgekit(*arguments):
    words = ["benchmark", *map(str, arguments), "--adb", "--binary", "android_aarch64_benchmark_model"]
    return CliRunner().invoke(main, words)


def failure(*arguments):
    result = edgekit("model.tflite", *arguments)
    assert result.exit_code == 2 and "Traceback" not in result.stderr, result.output
    assert len(result.stderr.rstrip().splitlines()) <= 4
    return " ".join(result.stderr.split())


def test_times_and_answers_of_each_accelerator(whole, here, phone):
    result = edgekit("model.tflite", "--images", 3, "--device", "cpu,gpu", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    document = json.loads(result.stdout)
    machine = document["machine"]
    assert (machine["processor"], machine["system"]) == ("Maker Fone 3 (SC1000)", "Android 14")
    assert (machine["governors"], machine["load"]) == (["schedutil"], 1.25)
    cpu, gpu = document["results"]
    assert (cpu["device"], cpu["threads"], gpu["device"], gpu["delegated"]) == ("cpu", 4, "gpu", "all of it")
    assert (cpu["blocks_ms"], cpu["load_ms"], cpu["inference_ms"]["mean"]) == ([66.75] * 9, 9.5, 66.75)
    assert gpu["ratio"] == pytest.approx(119.5 / 66.75)
    for row in (cpu, gpu):
        assert (row["agreement"]["agreement"], row["agreement"]["images"], row["agreement"]["broken"]) == (1, 3, None)
    assert (document["accepted"], document["failed"]) == (True, [])
    assert phone.left == ["notes.txt"]  # what was put there is gone, what was there is not


def test_accelerators_take_turns_in_blocks(whole, here, phone):
    edgekit("model.tflite", "float.tflite", "--images", 1, "--device", "cpu,gpu", "--threads", "1,2", "--runs", 90)
    timed = [
        (device, flags["graph"][-8], flags["num_threads"])
        for device, flags in phone.calls
        if "output_filepath" not in flags
    ]
    rows = {
        ("cpu", "0", "1"),
        ("cpu", "0", "2"),
        ("gpu", "0", "1"),
        ("cpu", "1", "1"),
        ("cpu", "1", "2"),
        ("gpu", "1", "1"),
    }
    blocks = [timed[start : start + 6] for start in range(0, len(timed), 6)]
    assert len(blocks) == 9 and all(set(block) == rows for block in blocks)
    assert len({tuple(block) for block in blocks}) > 1  # in another order
    flags = phone.calls[0][1]
    assert (flags["num_runs"], flags["min_secs"], flags["warmup_runs"]) == ("10", "0", "10")


@pytest.mark.parametrize(
    ("wrong", "told"), [("zeros", "zeros alone"), ("nan", "values that are no numbers"), ("turned", None)]
)
def test_wrong_answers_of_a_gpu_are_told(wrong, told, here, phone, images):
    phone.behave(wrong={"gpu": wrong})
    result = edgekit("float.tflite", "--device", "cpu,gpu", "--data", images, "--json")
    document = json.loads(result.stdout)
    cpu, gpu = (row["agreement"] for row in document["results"])
    assert (cpu["agreement"], cpu["source"], cpu["images"], cpu["broken"]) == (1, "data", 3, None)
    assert gpu["broken"] == told and gpu["agreement"] < 1 and gpu["interval"][1] <= 1
    assert (result.exit_code, document["unmet"]) == (
        (1, f"float.tflite on gpu answers with {told}") if told else (0, None)
    )


def test_the_same_scores_for_every_image_or_class_are_told():
    import numpy as np

    from edgekit.evaluation.phone import broken

    expected = np.array([[0.1, 0.9], [0.8, 0.2]])
    assert broken(expected, expected, expected) == ""
    assert broken(expected, expected, np.array([[0.3, 0.7], [0.3, 0.7]])) == "the same scores for every image"
    assert broken(expected, np.full((2, 2), 5), np.full((2, 2), 0.5)) == "the same score for every class"
    assert broken(expected[:1], expected[:1], np.array([[0.3, 0.7]])) == ""  # one image shows nothing constant


def test_the_table_and_the_notes(here, phone):
    result = edgekit("model.tflite", "--images", 2, "--device", "cpu,gpu-fp32,nnapi")
    assert result.exit_code == 2  # NNAPI takes nothing of it
    told = " ".join(result.stdout.split())
    assert "Phone Maker Fone 3, SC1000, Android 14, arm64-v8a, armeabi-v7a (FAKE1)" in told
    assert re.search(
        r"model\.tflite +gpu-fp32 +4 +412 +22\.1 +8\.95 +9\.4 +32\.50MiB +100\.0 % \(95 % CI", result.stdout
    )
    assert "took a part of it (97 of 117 ops in 2 parts), the CPU computes the rest: ARG_MAX" in told
    assert "model.tflite on nnapi could not be timed. The NNAPI delegate took nothing of the model" in told
    assert "governor is schedutil" in told


def test_an_accelerator_that_fails_leaves_the_others(here, phone):
    phone.behave(fails={"gpu": "FAILED"})
    result = edgekit("model.tflite", "--images", 2, "--device", "cpu,gpu", "--json")
    assert result.exit_code == 2  # since it was named
    document = json.loads(result.stdout)
    assert [row["device"] for row in document["results"]] == ["cpu"]
    (failed,) = document["failed"]
    assert failed["device"] == "gpu" and "Can not open OpenCL library" in failed["message"]
    assert "Can not open OpenCL" in failure("--device", "gpu")


@pytest.mark.parametrize("kind", ["old", "litert"])
def test_a_binary_that_gives_no_outputs_times_alone(kind, here, phone):
    phone.behave(binary=kind, texts={"cpu": "LITERT"})
    result = edgekit("model.tflite", "--device", "cpu", "--json")
    document = json.loads(result.stdout)
    assert result.exit_code == 0 and document["results"][0]["agreement"]["agreement"] is None
    assert "--output_filepath" in " ".join(document["notes"])


def test_a_model_that_does_not_tell_its_scaling_is_timed_alone(here, phone):
    (here / "model.tflite").write_bytes(colour_classifier("float32"))
    document = json.loads(edgekit("model.tflite", "--device", "cpu", "--json").stdout)
    assert document["results"][0]["blocks_ms"] and "edgekit metadata set" in " ".join(document["notes"])


def test_a_short_output_is_told(here, phone):
    phone.behave(wrong={"cpu": "short"})
    document = json.loads(edgekit("float.tflite", "--device", "cpu", "--images", 1, "--json").stdout)
    assert "bytes for an output of" in document["results"][0]["agreement"]["why_not"]


def test_a_page_of_the_phone(here, phone):
    pytest.importorskip("jinja2")
    phone.behave(fails={"nnapi": "FAILED"})
    result = edgekit("model.tflite", "--images", 2, "--report", "phone.html", "--json")
    assert result.exit_code == 0  # none was named
    document, page = json.loads(result.stdout), (here / "phone.html").read_text(encoding="utf-8")
    assert page == render([document]) and "FAKE1" not in page
    (here / "phone.json").write_text(result.stdout, encoding="utf-8")
    assert CliRunner().invoke(main, ["report", "phone.json", "-o", "again.html"]).exit_code == 0
    assert (here / "again.html").read_text(encoding="utf-8") == page
    shown = {json.loads(value) for value in Page(page).data}
    typical = {row["inference_ms"]["p50"] or row["inference_ms"]["mean"] for row in document["results"]}
    assert typical <= shown <= numbers(document)
    told = " ".join("".join(Page(page).text).split())
    assert "Answers beside the CPU interpreter's" in told and "Could not be timed" in told


def test_a_baseline_from_the_phone_is_compared_with(here, phone):
    options = ("--device", "cpu", "--images", 1)
    (here / "baseline.json").write_text(edgekit("model.tflite", *options, "--json").stdout)
    same = edgekit("model.tflite", *options, "--against", "baseline.json", "--max-slowdown", "5%")
    assert same.exit_code == 0 and "model.tflite takes 1.000" in same.stdout
    phone.behave(texts={"cpu": "GPU"})
    slower = edgekit("model.tflite", *options, "--against", "baseline.json", "--max-slowdown", "5%", "--json")
    document = json.loads(slower.stdout)
    assert slower.exit_code == 1 and "1.790 times as long" in document["unmet"]
    assert document["results"][0]["slowdown"] == pytest.approx(119.5 / 66.75)


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [
        ({"devices": {}}, "No phone is attached"),
        ({"devices": {"A": "unauthorized"}}, "has not authorised this computer"),
        ({"devices": {"A": "offline"}}, "does not answer (offline)"),
        ({"devices": {"A": "recovery"}}, "in state «recovery»"),
        (
            {"devices": {"A": "no permissions (user in plugdev group; udev rules wrong?)"}},
            "may not open the phone's USB",
        ),
        ({"devices": {"A": "device", "B": "offline"}}, "2 phones are attached: A, B (offline)"),
        ({"adb": "adb: device 'FAKE1' not found"}, "not attached any more"),
        ({"adb": "error: closed"}, "does not answer"),
        ({"adb": "adb: something else"}, "adb shell failed (exit code 1): adb: something else"),
        (
            {"push": "adb: error: failed to copy 'a' to 'b': remote write failed: No space left on device"},
            "storage is full",
        ),
        (
            {"push": "adb: error: failed to copy: remote couldn't create file: Permission denied"},
            "does not let adb write",
        ),
        ({"shell": {"mkdir": "mkdir: '/data/local/tmp/x': Read-only file system"}}, "/data/local/tmp is read-only"),
        ({"shell": {"--help": "/system/bin/sh: x: not executable: 64-bit ELF file"}}, "for another processor"),
        (
            {"shell": {"--help": 'CANNOT LINK EXECUTABLE "x": library "libc++_shared.so" not found'}},
            "needs the library libc++_shared.so",
        ),
        ({"shell": {"num_runs": "Segmentation fault"}}, "crashed (segmentation fault)"),
        ({"shell": {"num_runs": "Killed"}}, "not enough memory"),
        ({"props": {"ro.product.cpu.abi": "armeabi-v7a"}}, "is for arm64-v8a, the phone runs armeabi-v7a"),
    ],
)
def test_what_can_go_wrong_is_told_in_clear_words(behaviour, told, here, phone):
    phone.behave(**behaviour)
    assert told in failure("--device", "cpu")
    assert phone.left == ["notes.txt"]


def test_one_of_several_phones_is_chosen(here, phone, monkeypatch):
    phone.behave(devices={"A": "device", "B": "device"})
    options = ("--device", "cpu", "--images", 1, "--json")
    assert json.loads(edgekit("model.tflite", *options, "--serial", "B").stdout)["machine"]["serial"] == "B"
    monkeypatch.setenv("ANDROID_SERIAL", "A")
    assert json.loads(edgekit("model.tflite", *options).stdout)["machine"]["serial"] == "A"
    assert "No phone C is attached. There are: A, B." in failure("--serial", "C")


def test_without_adb_its_installation_is_named(here, monkeypatch):
    monkeypatch.setenv("PATH", str(here))
    assert "adb is not installed" in failure()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--adb"], "--adb needs the official benchmark binary"),
        (["--serial", "A"], "--serial is for a run on a phone"),
        (["--data", "images"], "--data is for a run on a phone"),
        (["--adb", "--binary", "model.tflite"], "no program for Android"),
        (["--adb", "--binary", "b", "--image", "x.png"], "--image cannot be timed on a phone"),
    ],
)
def test_options_that_do_not_go_together(options, told, here):
    result = CliRunner().invoke(main, ["benchmark", "model.tflite", *options])
    assert result.exit_code == 2 and told in " ".join(result.stderr.split())


def test_the_examples_of_the_page_run(here, phone):
    commands = re.findall(r"^edgekit (benchmark .*--adb.*)$", PAGE.read_text(encoding="utf-8"), re.M)
    assert commands
    (here / "validation").mkdir()
    (here / "validation" / "a.png").write_bytes(_png())
    for command in commands:
        result = CliRunner().invoke(main, shlex.split(command))
        assert result.exit_code == 0, result.output


def _png():
    import io

    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(stream, "PNG")
    return stream.getvalue()
