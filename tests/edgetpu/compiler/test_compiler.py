import hashlib
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from edgekit.edgetpu.compiler.comparison import differences
from edgekit.edgetpu.compiler.compiler import compile_model, compile_models, cpu_ops
from edgekit.edgetpu.compiler.package import read_compiled
from edgekit.edgetpu.compiler.run import arguments
from edgekit.edgetpu.compiler.supply import find_compiler
from edgekit.edgetpu.placement.placement import CompilerOptions
from edgekit.errors import CompilerError, ModelFormatError, OutputError, UnsupportedModelError, UsageError
from edgekit.preprocess import InputSpec
from edgekit.tflite.metadata import Metadata, read_metadata, write_metadata
from edgekit.tflite.reader import read_graph
from edgekit.tflite.versions import set_op_versions
from tests.support.build import GraphBuilder
from tests.support.recordings import VERSION, compiled_model, int8_model, record, success_text, table

HEAD = f"Edge TPU Compiler version {VERSION}\nStarted a compilation timeout timer of 180 seconds.\n"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a POSIX script, as the compiler is")


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "net.tflite"
    path.write_bytes(int8_model(tail=True))
    return path


def calls(runs):
    return [json.loads(line) for line in (runs / "calls.jsonl").read_text().splitlines()]


def test_compiles_and_reports(runs, model):
    record(runs, compiled=compiled_model(tail=True), stdout=success_text(tail=True))
    report = compile_model(model)
    assert report.outputs == (str(model.with_name("net_edgetpu.tflite")),)
    assert (report.compiler_version, report.attempts, report.subgraphs) == (VERSION, 1, 1)
    assert (report.mapped, report.fully_mapped) == ((0, 1), False)
    assert [op.opcode for op in cpu_ops(report)] == ["DEQUANTIZE"]
    assert report.logs[0].on_chip_used == 192
    assert read_compiled(report.outputs[0]).cached_bytes == 192
    assert sorted(p.name for p in model.parent.iterdir()) == ["net.tflite", "net_edgetpu.tflite", "runs"]


def test_labels_preprocessing_and_provenance_reach_the_compiled_model(runs, model):
    spec = InputSpec(4, 4, 3).with_convention("-1..1")
    content = write_metadata(
        model.read_bytes(), Metadata(labels=("cat", "dog"), input=spec, output="logits", provenance={"recipe": "int8"})
    )
    model.write_bytes(content)
    record(runs, compiled=compiled_model(tail=True), stdout=success_text(tail=True))
    metadata = read_metadata(compile_model(model).outputs[0])
    assert (metadata.labels, metadata.input, metadata.output) == (("cat", "dog"), spec, "logits")
    assert metadata.provenance == {
        "recipe": "int8",
        "edgetpu": {
            "cpu_twin": "net.tflite",
            "cpu_twin_sha256": hashlib.sha256(content).hexdigest(),
            "compiler_version": VERSION,
            "compiler_flags": ["-s"],
            "compiler_attempts": 1,
        },
    }


def test_the_compiler_gets_op_versions_that_it_knows(runs, tmp_path):
    graph = GraphBuilder()
    x = graph.input((1, 8), "int8", quant=(1 / 255, 0))
    y = graph.op("SOFTMAX", [x], (1, 8), "int8", quant=(1 / 256, -128), options={"beta": 1.0}, version=99)
    path = tmp_path / "new.tflite"
    path.write_bytes(graph.finish([y]))
    lowered = set_op_versions(read_graph(path)).content
    assert lowered != path.read_bytes()
    record(runs, stdout=HEAD)
    record(runs, content=lowered, compiled=compiled_model(), stdout=success_text())
    assert compile_model(path).subgraphs == 1


def test_flags_are_passed_through(runs, model):
    record(runs, compiled=compiled_model(), stdout=success_text())
    options = CompilerOptions(
        all_subgraphs=True, search_delegate=True, min_runtime_version=13, intermediate_tensors=("mean", "soft")
    )
    compile_model(model, options, timeout=300)
    (given,) = calls(runs)
    assert given[:9] == ["-s", "-a", "-d", "-m", "13", "-i", "mean,soft", "-t", "300"]
    assert given[9] == "-o" and given[-1].endswith("/net.tflite")


def test_segments_are_written_in_order(runs, model):
    (runs / "part").write_bytes(compiled_model())
    names = [f"{{stem}}_segment_{i}_of_2_edgetpu.tflite" for i in range(2)]
    record(runs, files=dict.fromkeys(names, str(runs / "part")), stdout=HEAD)
    report = compile_model(model, CompilerOptions(num_segments=2))
    assert [Path(p).name for p in report.outputs] == [f"net_segment_{i}_of_2_edgetpu.tflite" for i in range(2)]
    assert report.subgraphs == 2
    assert calls(runs)[0][:3] == ["-s", "-n", "2"]


def test_several_models_are_compiled_together(runs, tmp_path):
    paths = [tmp_path / f"{name}.tflite" for name in ("a", "b")]
    for path in paths:
        path.write_bytes(int8_model())
    record(runs, compiled=compiled_model(), stdout=success_text())
    out = tmp_path / "out"
    out.mkdir()
    reports = compile_models(paths, out_dir=out)
    assert [Path(r.outputs[0]).name for r in reports] == ["a_edgetpu.tflite", "b_edgetpu.tflite"]
    assert len(calls(runs)) == 1
    assert [r.logs[0].operations for r in reports] == [2, 2]


def test_a_log_file_stands_in_for_a_missing_table(runs, model):
    logged = f"{HEAD}Input: {{stem}}.tflite\nOutput: {{stem}}_edgetpu.tflite\n\n" + table()
    record(runs, compiled=compiled_model(), stdout="no word of sense\n", log=logged)
    report = compile_model(model)
    assert report.logs[0].mapped_count == 2


@pytest.mark.parametrize("stdout", ["", "\x00\x01garbage \x7f" * 50, "Operator Count Status\n\n1 2 3\nx"])
def test_a_good_file_counts_more_than_a_garbage_log(runs, model, stdout):
    record(runs, compiled=compiled_model(tail=True), stdout=stdout, log="\x00\x01", code=1)
    report = compile_model(model)
    assert (report.mapped, report.logs, report.compiler_version) == ((0, 1), (), None)


def test_a_crash_is_tried_again_and_told(runs, model):
    record(runs, compiled=compiled_model(), stdout=success_text(), crashes=2)
    report = compile_model(model)
    assert report.attempts == 3
    assert read_metadata(report.outputs[0]).provenance["edgetpu"]["compiler_attempts"] == 3


def refused(model, **options):
    """The error of a compilation, after which nothing must have been written."""
    before = sorted(model.parent.iterdir())
    with pytest.raises(CompilerError) as raised:
        compile_model(model, **options)
    assert sorted(model.parent.iterdir()) == before
    return raised.value


def test_a_crash_without_end_is_an_error(runs, model):
    record(runs, crashes=9)
    error = refused(model)
    assert error.message == "edgetpu_compiler stopped with an internal error. It did so 3 times."
    assert len(calls(runs)) == 3


@pytest.mark.parametrize(
    "run", [{"signal": signal.SIGSEGV}, {"code": 1, "stdout": f"Edge TPU Compiler version {VERSION}\n"}]
)
def test_an_end_without_a_word_is_tried_again(runs, model, run):
    record(runs, **run)
    assert "stopped without a word (exit code" in refused(model).message
    assert len(calls(runs)) == 3


@pytest.mark.parametrize(
    ("stdout", "message"),
    [
        ("Invalid model: net.tflite\nModel not quantized\n", "the model is not quantized"),
        ("Invalid model: net.tflite\nModel could not be parsed\n", "could not parse the model"),
        ("Compilation failed: Compilation failed due to large activation tensors in model.\n", "are too large"),
        ("ERROR: Didn't find op for builtin opcode 'CONV_2D' version '6'\n", "does not know CONV_2D in version 6"),
        ("ERROR: Attempting to use a delegate that only supports static-sized tensors\n", "known at run time"),
        ("ERROR: Encountered unresolved custom op: Foo.\n", "custom op Foo"),
        ("Compilation failed: Model failed in Tflite interpreter.\n", "could not run the model"),
        ("Compilation timeout. This is usually caused by large activations.\n", "time limit"),
        (
            "Compilation child process completed within timeout period.\nCompilation failed! \n",
            "last words: Compilation",
        ),
    ],
)
def test_refusals_are_explained_and_not_repeated(runs, model, stdout, message):
    record(runs, stdout=HEAD + stdout, code=1)
    assert message in refused(model).message
    assert len(calls(runs)) == 1


def test_success_with_no_subgraph_is_refused(runs, model):
    record(runs, compiled=int8_model(), stdout=success_text(subgraphs=0))
    error = refused(model)
    assert "put no operation of net_edgetpu.tflite on the Edge TPU" in error.message


def test_success_with_nothing_mapped_says_why(runs, model):
    status = "Operation is working on an unsupported data type"
    logged = f"Output: net_edgetpu.tflite\nNumber of Edge TPU subgraphs: 1\n\n{table(status=status)}"
    record(runs, compiled=int8_model(), stdout=HEAD + logged)
    error = refused(model)
    assert error.message.endswith(f"It says: {status}.")
    assert "quantize the whole model" in error.hint


def test_a_missing_output_is_an_error_even_after_success(runs, model):
    record(runs, stdout=success_text())
    assert refused(model).message.startswith("edgetpu_compiler wrote no net_edgetpu.tflite.")


@pytest.mark.parametrize("content", [b"", b"no tflite", compiled_model()[:-200], compiled_model(options=b"junk")])
def test_an_output_that_cannot_be_read_is_an_error(runs, model, content):
    record(runs, compiled=content, stdout=success_text())
    assert "damaged net_edgetpu.tflite" in refused(model).message


def gone(pid):
    """Whether a process ends within a few seconds (a zombie that nobody waits for has ended)."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
            state = Path(f"/proc/{pid}/stat")
            if state.exists() and state.read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.05)
    return False


def test_a_hang_is_ended_with_its_children(runs, model):
    record(runs, hang=True, child=True, stdout=HEAD)
    error = refused(model, timeout=1)
    assert "did not finish within 1 seconds" in error.message
    assert gone(int((runs / "child.pid").read_text()))


@pytest.mark.usefixtures("heard")
def test_ctrl_c_ends_the_compiler_and_its_children(runs, model):
    record(runs, hang=True, child=True, stdout=HEAD)

    def interrupt():
        while not (runs / "child.pid").exists() or not (runs / "child.pid").read_text():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        compile_model(model)
    assert gone(int((runs / "child.pid").read_text()))
    assert not model.with_name("net_edgetpu.tflite").exists()


def test_a_child_that_outlives_the_compiler_does_not_hold_it_up(runs, model):
    record(runs, child=True, compiled=compiled_model(), stdout=success_text())
    assert compile_model(model).attempts == 1
    assert gone(int((runs / "child.pid").read_text()))


def test_no_compiler_has_an_error_and_a_way_out(monkeypatch, model):
    monkeypatch.delenv("EDGEKIT_EDGETPU_COMPILER", raising=False)
    monkeypatch.setenv("PATH", str(model.parent))
    with pytest.raises(CompilerError, match="edgetpu_compiler is not installed on this machine") as raised:
        compile_model(model)
    assert "--handoff" in raised.value.hint


@pytest.mark.parametrize("machine", [("Linux", "aarch64"), ("Darwin", "arm64"), ("Windows", "AMD64")])
def test_where_it_cannot_be_installed_the_hint_says_so(monkeypatch, tmp_path, machine):
    monkeypatch.delenv("EDGEKIT_EDGETPU_COMPILER", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("platform.system", lambda: machine[0])
    monkeypatch.setattr("platform.machine", lambda: machine[1])
    with pytest.raises(CompilerError) as raised:
        find_compiler()
    assert raised.value.hint.startswith("It exists for Linux on x86-64 only")


def test_the_compiler_is_found_as_given_then_by_variable_then_on_the_path(monkeypatch, tmp_path):
    def program(name):
        path = tmp_path / name
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
        return path

    on_path, other = program("edgetpu_compiler"), program("other")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("EDGEKIT_EDGETPU_COMPILER", raising=False)
    assert find_compiler() == on_path
    monkeypatch.setenv("EDGEKIT_EDGETPU_COMPILER", str(other))
    assert find_compiler() == other
    assert find_compiler(on_path) == on_path


@pytest.mark.parametrize("kind", ["missing", "plain", "folder"])
def test_a_given_compiler_that_cannot_run_is_named(tmp_path, kind):
    path = tmp_path / kind
    if kind == "plain":
        path.write_text("text")
    elif kind == "folder":
        path.mkdir()
    with pytest.raises(CompilerError, match=f"{kind} is not a program"):
        find_compiler(path)


def test_a_program_of_another_machine_is_an_error(runs, model, tmp_path):
    path = tmp_path / "foreign"
    path.write_bytes(b"\x7fELF no real program")
    path.chmod(0o755)
    with pytest.raises(CompilerError, match="could not be started"):
        compile_model(model, compiler=path)


def test_models_that_the_compiler_cannot_be_given(runs, model, tmp_path):
    with pytest.raises(ModelFormatError, match=r"absent\.tflite"):
        compile_model(tmp_path / "absent.tflite")
    with pytest.raises(UsageError, match="No model"):
        compile_models([])
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "net.tflite").write_bytes(int8_model())
    with pytest.raises(UsageError, match=r"Several models are named net\.tflite"):
        compile_models([model, tmp_path / "sub" / "net.tflite"])
    model.write_bytes(compiled_model())
    with pytest.raises(UsageError, match="compiled already"):
        compile_model(model)
    assert not (runs / "calls.jsonl").exists()


def test_an_op_that_the_compiler_cannot_read_is_refused_by_name(runs, tmp_path):
    graph = GraphBuilder()
    x = graph.input((1, 4, 4, 4), "int8", quant=(1.0, 0))
    weights = graph.constant(np.ones((8, 1, 1, 2), np.int8), quant=((1.0,) * 8, (0,) * 8, 0))
    y = graph.op("CONV_2D", [x, weights], (1, 4, 4, 8), "int8", quant=(1.0, 0), options={"strideW": 1, "strideH": 1})
    path = tmp_path / "grouped.tflite"
    path.write_bytes(graph.finish([y]))
    with pytest.raises(UnsupportedModelError, match="CONV_2D needs version 6"):
        compile_model(path)


def test_an_output_folder_that_cannot_be_written(runs, model, tmp_path):
    with pytest.raises(OutputError, match="no folder"):
        compile_model(model, out_dir=tmp_path / "absent")
    (tmp_path / "net_edgetpu.tflite").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        compile_model(model)
    assert not (runs / "calls.jsonl").exists()


def test_a_full_disk_is_an_output_error(runs, model, monkeypatch):
    record(runs, compiled=compiled_model(), stdout=success_text())

    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OutputError, match="No space left on device"):
        compile_model(model)
    assert not model.with_name("net_edgetpu.tflite").exists()


def test_a_temporary_folder_that_is_not_there(runs, model, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "absent"))
    with pytest.raises(OutputError, match="temporary folder"):
        compile_model(model)


@pytest.mark.parametrize(
    ("options", "flags"),
    [
        ({}, []),
        ({"all_subgraphs": True}, ["-a"]),
        ({"search_delegate": True}, ["-d"]),
        ({"num_segments": 2}, ["-n", "2"]),
        ({"min_runtime_version": 1}, ["-m", "1"]),
        ({"intermediate_tensors": ("a", "b")}, ["-i", "a,b"]),
    ],
)
def test_each_option_is_a_flag_of_the_compilers_help_and_only_if_asked_for(options, flags):
    assert arguments(CompilerOptions(**options)) == ["-s", *flags]


@pytest.mark.parametrize("wrong", [{"num_segments": 0}, {"num_segments": -1}, {"min_runtime_version": 0}])
def test_impossible_options_are_refused(wrong):
    with pytest.raises(UsageError, match="at least 1"):
        arguments(CompilerOptions(**wrong))


def test_an_impossible_time_limit_is_refused(runs, model):
    with pytest.raises(UsageError, match="at least 1"):
        compile_model(model, timeout=0)


@pytest.mark.shared
@pytest.mark.parametrize(
    "name", ["mobilenet_v2_1.0_224_inat_bird_quant", "ASR_Model", "movenet_single_pose_lightning_ptq"]
)
def test_replays_real_pairs(runs, shared, tmp_path, name):
    pair = shared / "edgetpu/pairs" / name
    path = tmp_path / "model.tflite"
    path.write_bytes((pair / "model.tflite").read_bytes())
    lowered = set_op_versions(read_graph(path)).content
    record(runs, content=lowered, compiled=(pair / "model_edgetpu.tflite").read_bytes(), stdout=HEAD)
    report = compile_model(path)
    real = read_compiled(pair / "model_edgetpu.tflite")
    assert report.compiled[0].edgetpu_ops == real.edgetpu_ops
    assert len(report.mapped) + len(real.cpu_ops) == len(report.graph.ops)


@pytest.mark.shared
def test_replays_a_whole_real_run(runs, shared, tmp_path):
    """Model, printed output and compiled file of one real run; the prediction agrees with all of it."""
    pair = shared / "edgetpu/pairs/model_retina_net_not_padded"
    path = tmp_path / "model.tflite"
    path.write_bytes((pair / "model.tflite").read_bytes())
    printed = (shared / "edgetpu/logs/mathieugalle__not_padded_edgetpucompiler_output.log").read_text()
    record(runs, compiled=(pair / "model_edgetpu.tflite").read_bytes(), stdout=printed)
    report = compile_model(path)
    assert (report.fully_mapped, report.subgraphs, report.compiler_version) == (True, 1, VERSION)
    assert report.logs[0].mapped_count == len(report.graph.ops) == 134
    assert differences(report) == ()
