import random
import re

import pytest

from benchmarks.edgetpu_reader import check_logs
from edgekit.edgetpu.compiler.failures import FAILURES, explain
from edgekit.edgetpu.compiler.log import LogRow, ModelLog, merge_logs, parse_log
from edgekit.edgetpu.statuses import MEANINGS, explain_status
from edgekit.sizes import size_bytes, size_text
from tests.support.recordings import success_text, table

OLD = """Edge TPU Compiler version 1.0.249710469

Models compiled successfully in 80 ms.

Input model: a.tflite
Input size: 10.50KiB
Output model: a_edgetpu.tflite
Output size: 20.00KiB
On-chip memory available for caching model parameters: 7.96MiB
On-chip memory used for caching model parameters: 8.25KiB
Off-chip memory used for streaming uncached model parameters: 0.00B
Number of Edge TPU subgraphs: 1
Total number of operations: 2
Operation log: a_edgetpu.log

Operator                       Count      Status

CONV_2D                        1          Mapped to Edge TPU
SOFTMAX                        1          Mapped to Edge TPU

Input model: b.tflite
Input size: 1.00MiB
Output model: b_edgetpu.tflite
On-chip memory available for caching model parameters: 7.95MiB

Operator                       Count      Status

CONV_2D                        3          Mapped to Edge TPU
CONV_2D                        1          Some status of tomorrow: 42%
"""


def test_reads_the_whole_summary():
    log = parse_log(success_text(tail=True, stem="net"))
    assert (log.version, log.milliseconds) == ("16.0.384591198", 12)
    (model,) = log.models
    assert model == ModelLog(
        input="{dir}/net.tflite",
        output="{dir}/net_edgetpu.tflite",
        operation_log="{dir}/net_edgetpu.log",
        input_bytes=2304,
        output_bytes=29184,
        on_chip_used=192,
        on_chip_remaining=8063549,
        streamed=64,
        subgraphs=1,
        operations=3,
        edgetpu_operations=2,
        cpu_operations=1,
        rows=(
            LogRow("SOFTMAX", 1, "Mapped to Edge TPU"),
            LogRow("MEAN", 1, "Mapped to Edge TPU"),
            LogRow("DEQUANTIZE", 1, "Operation is working on an unsupported data type"),
        ),
    )
    assert model.mapped_count == 2
    assert log.notes[-1] == "Compilation succeeded!"


def test_reads_several_models_of_an_old_compiler_and_unknown_statuses():
    first, second = parse_log(OLD).models
    assert (first.on_chip_available, first.on_chip_used, first.on_chip_remaining) == (8346665, 8448, None)
    assert [row.count for row in first.rows] == [1, 1]
    assert (second.input, second.input_bytes, second.streamed) == ("b.tflite", 1 << 20, None)
    assert second.rows[1] == LogRow("CONV_2D", 1, "Some status of tomorrow: 42%")
    assert second.mapped_count == 3


def test_segments_are_models_of_their_own():
    head = "Input model: m.tflite\nInput size: 1.00KiB\n"
    parts = [
        f"Output model: m_segment_{i}_of_2_edgetpu.tflite\n"
        f"On-chip memory used for caching model parameters: {i}.00KiB\n"
        for i in range(2)
    ]
    first, second = parse_log(head + "".join(parts)).models
    assert (first.input, first.output, first.on_chip_used) == ("m.tflite", "m_segment_0_of_2_edgetpu.tflite", 0)
    assert (second.output, second.on_chip_used) == ("m_segment_1_of_2_edgetpu.tflite", 1024)


def test_a_log_file_completes_an_output_without_tables():
    logged = parse_log("Edge TPU Compiler version 2.0\nInput: a.tflite\nOutput: a_edgetpu.tflite\n\n" + table())
    printed = parse_log("Input model: a.tflite\nOutput model: a_edgetpu.tflite\nNumber of Edge TPU subgraphs: 1\n")
    merged = merge_logs(printed, logged)
    assert merged.version == "2.0"
    assert merged.models[0].subgraphs == 1
    assert merged.models[0].mapped_count == 2
    assert merge_logs(parse_log(""), logged).models == logged.models


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "Input size: huge",
        "Number of Edge TPU subgraphs: one",
        "\x00\xff%s{}",
        "CONV_2D 3 Mapped to Edge TPU",
    ],
)
def test_garbage_becomes_notes(text):
    log = parse_log(text)
    assert (log.version, log.milliseconds, log.models) == (None, None, ())
    assert list(log.notes) == [line for line in text.splitlines() if line]


@pytest.mark.parametrize("seed", range(3))
def test_damaged_logs_are_read_as_far_as_they_go(seed):
    rng = random.Random(seed)
    lines = (success_text(tail=True) + OLD).splitlines()
    digits = ["9" * 5000, "-1", "", "١٢", "1e9", "nan"]
    for _ in range(200):
        damaged = [re.sub(r"\d+", lambda _: rng.choice(digits), line) if rng.random() < 0.3 else line for line in lines]
        rng.shuffle(damaged)
        text = "\n".join(damaged)[: rng.randrange(1, 4000)]
        log = parse_log(text)
        assert len(log.notes) + sum(len(model.rows) for model in log.models) <= len(text.splitlines())


@pytest.mark.parametrize("size", [0, 1, 1023, 1024, 67584, 1048575, 1048576, 4445962, 8063549, 3 << 30])
def test_sizes_round_trip_to_the_printed_precision(size):
    text = size_text(size)
    assert size_bytes(size_text(size_bytes(text))) == size_bytes(text)
    assert abs(size_bytes(text) - size) <= 0.0051 * 1024 ** ("B", "KiB", "MiB", "GiB").index(text.lstrip("0123456789."))


def test_sizes_as_the_compiler_prints_them():
    assert [size_text(n) for n in (0, 67584, 4445962)] == ["0.00B", "66.00KiB", "4.24MiB"]
    for text in ("", "4", "MiB", "4.24 MiB", "-1.00B", "1e3B"):
        with pytest.raises(ValueError, match="not a size"):
            size_bytes(text)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("Internal compiler error. Aborting!", "stopped with an internal error", "--search"),
        ("libc++abi: terminating with uncaught exception of type std::out_of_range", "internal error", "--search"),
        (
            "Compilation failed: Compilation failed due to large activation tensors in model.",
            "intermediate tensors are too large",
            "smaller input",
        ),
        ("Invalid model: net.tflite\nModel not quantized", "not quantized", "--int8"),
        ("Invalid model: net.tflite\nModel could not be parsed", "could not parse", "edgekit inspect"),
        ("Invalid model: net.tflite", "calls the model net.tflite invalid", "edgekit inspect"),
        (
            "ERROR: Didn't find op for builtin opcode 'CONV_2D' version '6'\nERROR: Registration failed.",
            "does not know CONV_2D in version 6",
            "edgekit",
        ),
        (
            "ERROR: Attempting to use a delegate that only supports static-sized tensors with a graph that has "
            "dynamic-sized tensors.\nCompilation failed: Model failed in Tflite interpreter.",
            "only known at run time",
            "batch 1",
        ),
        ("ERROR: Encountered unresolved custom op: FlexErf.", "custom op FlexErf,", "Remove it"),
        (
            "Compilation failed: Model failed in Tflite interpreter. Please ensure model can be loaded/run.",
            "own TFLite interpreter could not run",
            "CPU",
        ),
        ("Compilation timeout. This is usually caused by large activations.", "time limit", "--timeout"),
        (
            "Package requires runtime version (14), which is newer than this runtime version (13).",
            "compiled for Edge TPU runtime 14; this device has runtime 13",
            "libedgetpu",
        ),
        ("Compilation failed: something of tomorrow", "failed: something of tomorrow", "--search"),
    ],
)
def test_failure_texts_are_explained(text, message, hint):
    failure = explain("Edge TPU Compiler version 16.0.384591198\n" + text)
    assert message in failure.message
    assert hint in failure.hint


def test_success_and_unknown_texts_are_no_failure():
    assert explain(success_text(tail=True)) is None
    assert explain("A word of tomorrow") is None
    assert [f.transient for f in FAILURES].count(True) == 1


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        ("Mapped to Edge TPU", "Runs on the Edge TPU"),
        ("More than one subgraph is not supported", "--all-subgraphs"),
        (
            "Operation is otherwise supported, but not mapped due to some unspecified limitation",
            "not with these sizes or options",
        ),
        ("Operation is working on an unsupported data type", "quantize the whole model"),
        ("Operation not supported", "replace it"),
        ("Operation version not supported", "newer version of the op"),
        ("Tensor has unsupported rank (up to 3 innermost dimensions mapped)", "more than three sizes"),
        ("For example, a fully-connected or softmax layer with 2D output", "one-dimensional"),
    ],
)
def test_statuses_are_explained(status, meaning):
    assert meaning in explain_status(status)
    assert status in MEANINGS


def test_an_unknown_status_explains_itself():
    assert explain_status("Status of tomorrow") == "Status of tomorrow"


@pytest.mark.shared
def test_no_field_of_a_real_log_is_lost(shared):
    read, wrong = check_logs(shared / "edgetpu")
    assert read == 175
    assert wrong == []


def test_a_line_like_a_row_is_a_note_where_no_table_began():
    said = "ADD 3 things before they are too many"
    log = parse_log(OLD.replace("Input size: 1.00MiB", said))
    assert said in log.notes and [len(model.rows) for model in log.models] == [2, 2]
    assert parse_log(said).models == ()
