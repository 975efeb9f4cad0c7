"""The prediction beside what a compiler is made to say: which differences are told, and how."""

import sys
from dataclasses import replace

import pytest

from edgekit.edgetpu.compiler.comparison import differences
from edgekit.edgetpu.compiler.compiler import compile_model
from tests.support.recordings import compiled_model, int8_model, record, success_text

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a POSIX script, as the compiler is")


@pytest.fixture
def report(runs, tmp_path):
    """Of a compilation that went as predicted: MEAN and SOFTMAX on the Edge TPU, DEQUANTIZE on the CPU."""
    path = tmp_path / "net.tflite"
    path.write_bytes(int8_model(tail=True))
    record(runs, compiled=compiled_model(tail=True), stdout=success_text(tail=True))
    return compile_model(path)


def logged(report, **changes):
    (log,) = report.logs
    return replace(report, logs=(replace(log, **changes),))


def test_what_goes_as_predicted_is_not_told(report):
    assert differences(report) == ()
    assert differences(replace(report, logs=())) == ()


def test_an_op_that_runs_elsewhere_is_named_once(report):
    assert differences(replace(report, mapped=(0,))) == ("op 1 SOFTMAX: expected on the Edge TPU, runs on the CPU",)
    (told,) = differences(replace(report, mapped=(0, 1, 2)))
    assert told == "op 2 DEQUANTIZE: expected on the CPU, runs on the Edge TPU"


def test_the_compilers_other_words_for_a_placement_are_told(report):
    mean, soft, cast = sorted(report.logs[0].rows, key=lambda row: ("MEAN", "SOFTMAX", "DEQUANTIZE").index(row.opcode))
    changed = logged(report, rows=(soft, cast, replace(mean, count=3)))
    assert differences(changed) == ("MEAN: expected 1 times «Mapped to Edge TPU», the compiler reports 3",)
    changed = logged(report, rows=(soft, cast))
    assert differences(changed) == ("MEAN: expected 1 times «Mapped to Edge TPU», the compiler reports 0",)
    twice = replace(report, logs=(report.logs[0], replace(report.logs[0], rows=(mean,))))
    assert differences(twice) == ("MEAN: expected 1 times «Mapped to Edge TPU», the compiler reports 2",)


def test_another_number_of_subgraphs_is_told(report):
    twice = replace(report, compiled=report.compiled * 2)
    assert differences(twice) == ("expected 1 Edge TPU subgraphs, got 2",)
    assert differences(replace(twice, outputs=report.outputs * 2)) == ()  # segments


@pytest.mark.parametrize(
    ("used", "streamed", "told"),
    [
        (16 * 1024, 0, False),  # a few KiB are alignment
        (16 * 1024 + 1, 0, True),
        (10_000, 16 * 1024 - 10_000, False),
        (10_000, 10_000, True),
        (1 << 20, 0, True),
        (None, 1 << 20, False),
        (1 << 20, None, False),
    ],
)
def test_another_size_of_parameters_is_told(report, used, streamed, told):
    """The model has none."""
    found = differences(logged(report, on_chip_used=used, streamed=streamed))
    assert bool(found) == told
    assert not told or found[0].startswith("expected 0.00B of parameters, the compiler has ")


def test_an_expected_refusal_that_did_not_come_is_told(report):
    refused = replace(report.prediction, refusal=("too new", "wait"))
    assert differences(replace(report, prediction=refused)) == ("expected a refusal (too new), but it compiled",)
