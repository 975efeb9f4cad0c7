"""Foreign compilers as judges: what they say of one op, and every way in which they can fail."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from edgekit.cli import main
from edgekit.edgetpu.placement.words import reasons, verdict
from edgekit.errors import CompilerError, MissingDependencyError, UsageError
from edgekit.targets import TARGETS, tool
from edgekit.targets.ethos_u import CONFIGURATIONS, judge_ethos_u
from edgekit.targets.judges import JUDGES, Place, judge
from edgekit.tflite import read_graph
from tests.support.build import GraphBuilder, colour_classifier
from tests.support.every_op import every_op
from tests.support.one_op import activation, one_op

FOREIGN = ("ethos-u", "coral-npu")
JUDGED = pytest.mark.parametrize("target", FOREIGN)

int8 = read_graph(colour_classifier("int8"))


@pytest.fixture(autouse=True)
def tools():
    pytest.importorskip("ethosu")
    pytest.importorskip("tosa_converter_for_tflite")


def left(placement):
    return {placed.op.opcode: " ".join(reasons(placed)) for placed in placement.ops if placed.device == "cpu"}


@JUDGED
def test_a_whole_int8_model_is_taken(target):
    found = judge(int8, Place(target))
    assert (found.mapped, found.fully_mapped, found.refusal, left(found)) == (2, True, None, {})
    assert verdict(found).startswith("All 2 ops ") and found.judge and found.handoff
    assert {placed.device for placed in found.ops} == {target}


def test_an_op_that_has_no_tosa_form_is_named_with_its_reason():
    found = judge(read_graph(every_op()["TOPK_V2"]), Place("coral-npu"))
    why, remedy = left(found)["TOPK_V2"].split(". ", 1)
    assert why == "The converter has no TOSA form of TOPK_V2" and remedy.startswith("End the model before it")
    assert not found.fully_mapped and found.mapped == len(found.ops) - 1
    assert "In the tfl dialect: TOPK_V2" in verdict(found)


def test_an_op_that_has_a_tosa_form_in_float_alone_says_so():
    found = judge(read_graph(one_op("LOG_SOFTMAX", activation(1, 8))), Place("coral-npu"))
    assert "in float alone" in left(found)["LOG_SOFTMAX"]
    assert judge(read_graph(every_op()["LOG_SOFTMAX"]), Place("coral-npu")).fully_mapped


def test_what_the_converter_refuses_is_a_refusal_that_names_the_op():
    graph = read_graph(one_op("PRELU", activation(1, 8, 8, 4), activation(1, 8, 8, 4)))
    found = judge(graph, Place("coral-npu"))
    assert found.refusal is not None and found.refusal[0].startswith("Op 0 PRELU: 'alpha'")
    assert verdict(found).startswith("tosa-converter-for-tflite ") and " refuses this model." in verdict(found)
    assert found.mapped == 0 and left(found) == {"PRELU": "It is not judged, since the model is refused."}


def test_casts_at_float_ends_stay_on_the_cpu_of_an_ethos_u():
    graph = GraphBuilder()
    x = graph.input((1, 8, 8, 3), "float32")
    q = graph.op("QUANTIZE", [x], (1, 8, 8, 3), "int8", quant=(0.5, 0))
    axes = graph.constant(np.array([1, 2], np.int32))
    y = graph.op("MEAN", [q, axes], (1, 3), "int8", quant=(0.5, 0), options={"keepDims": False})
    model = read_graph(graph.finish([graph.op("DEQUANTIZE", [y], (1, 3), "float32")]))
    found = judge(model, Place("ethos-u"))
    assert set(left(found)) == {"QUANTIZE", "DEQUANTIZE"} and found.mapped == 1
    assert "Float32" in left(found)["QUANTIZE"] and "--io int8" in left(found)["DEQUANTIZE"]
    assert judge(model, Place("coral-npu")).fully_mapped  # TOSA has floats


def test_vela_tells_memory_and_time_for_the_accelerator_that_is_asked_for():
    small, large = (judge(int8, Place("ethos-u", configuration=name)) for name in ("ethos-u55-32", "ethos-u65-512"))
    for found in (small, large):
        figures = {figure.key: figure.value for figure in found.figures}
        assert figures["sram_bytes"] > 0 and figures["cycles"] > 0 and figures["inference_ms"] > 0
    assert "ethos-u55-32" in small.judge and "Ethos_U55" in small.notes[0] and "Ethos_U65" in large.notes[0]


def test_an_unknown_accelerator_names_the_known_ones():
    with pytest.raises(UsageError, match="ethos-u85-2048"):
        judge_ethos_u(int8, "ethos-u55-31")
    with pytest.raises(UsageError, match="coral-npu"):
        judge(int8, Place("cpu"))


def test_every_judge_is_of_a_target():
    assert set(JUDGES) <= set(TARGETS) and len(CONFIGURATIONS) == 11


# What can go wrong.


def doing(monkeypatch, code=0, output="", files=None):
    """The tools answer thus."""

    def run(command, stream, limit, folder):
        from pathlib import Path

        stream.write(output.encode())
        for name, content in (files or {}).items():
            path = Path(folder, name)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        return code

    monkeypatch.setattr(tool, "run_child", run)


@JUDGED
@pytest.mark.parametrize(
    ("code", "said"), [(None, "did not end within 300 s"), (-11, "was ended by SIGSEGV"), (-200, "by signal 200")]
)
def test_a_tool_that_hangs_or_aborts_is_told_in_words(monkeypatch, target, code, said):
    doing(monkeypatch, code)
    with pytest.raises(CompilerError, match=said):
        judge(int8, Place(target))


@JUDGED
def test_a_tool_that_leaves_nothing_is_told_in_words(monkeypatch, target):
    doing(monkeypatch)
    with pytest.raises(CompilerError, match="ended without a"):
        judge(int8, Place(target))


@pytest.mark.parametrize("content", [b"", b"\x00\xff garbage", b'%0 = "tfl.add"(%1)'])
def test_a_damaged_tosa_text_is_told_in_words(monkeypatch, content):
    doing(monkeypatch, files={"model.mlir": content})
    with pytest.raises(CompilerError, match="without a function"):
        judge(int8, Place("coral-npu"))


def test_an_op_without_a_place_is_not_passed_over(monkeypatch):
    doing(monkeypatch, files={"model.mlir": b'func.func @main()\n  %1 = "tfl.add"(%0) loc(unknown)\n'})
    with pytest.raises(CompilerError, match="does not say the place of"):
        judge(int8, Place("coral-npu"))


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"out/model_vela.tflite": b"x" * 64}, "cannot be read"),
        (
            {
                "out/model_vela.tflite": colour_classifier("int8"),
                "out/model_summary_x.csv": b"sram_memory_used\nmany\n",
            },
            "no number",
        ),
    ],
)
def test_damage_in_what_vela_leaves_is_told_in_words(monkeypatch, files, said):
    doing(monkeypatch, files=files)
    with pytest.raises(CompilerError, match=said):
        judge(int8, Place("ethos-u"))


def test_a_traceback_of_vela_is_one_line(monkeypatch):
    doing(monkeypatch, 1, "Traceback (most recent call last):\n  File \"/home/me/x.py\", line 1\nKeyError: '0'\n")
    with pytest.raises(CompilerError, match="broke down on this model: KeyError: '0'") as caught:
        judge(int8, Place("ethos-u"))
    assert "/home" not in str(caught.value)


@JUDGED
def test_the_extras_absence_is_said_with_the_command(monkeypatch, target):
    monkeypatch.setattr(tool, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=rf"pip install \"edgekit-coral\[{target}\]\""):
        judge(int8, Place(target))


# The command.


def inspect(tmp_path, *options):
    path = tmp_path / "m.tflite"
    path.write_bytes(colour_classifier("int8"))
    return CliRunner().invoke(main, ["inspect", str(path), *options])


def test_one_schema_for_all_accelerators(tmp_path):
    documents = [json.loads(inspect(tmp_path, "--target", name, "--json").stdout) for name in JUDGES]
    shared = {"target", "accelerator", "judge", "verdict", "fully_mapped", "ops", "refusal", "advice", "subgraphs"}
    for name, document in zip(JUDGES, documents):
        assert shared <= set(document) and document["target"] == name
        assert document["fully_mapped"] is (name != "ios")  # Core ML takes float alone
        assert set(document["ops"][0]) == set(documents[0]["ops"][0])


def test_the_screen_says_who_judged_and_how_to_go_on(tmp_path):
    said = inspect(tmp_path, "--target", "ethos-u", "--accelerator", "ethos-u55-128").output
    assert "Ethos-U: All 2 ops run on the Ethos-U." in said and "ethos-u55-128" in said
    assert "SRAM" in said and "vela --accelerator-config ethos-u55-128" in said
    said = inspect(tmp_path, "--target", "coral-npu").output
    assert "legalize to TOSA" in said and "coralnpu-compiler" in said


@pytest.mark.parametrize(
    "options",
    [
        ("--target", "coral-npu", "--edgetpu"),
        ("--target", "coral-npu", "--all-subgraphs"),
        ("--accelerator", "ethos-u55-128"),
        ("--target", "ethos-u", "--accelerator", "ethos-u55-31"),
        ("--target", "cpu"),
    ],
)
def test_options_of_another_accelerator_are_refused(tmp_path, options):
    result = inspect(tmp_path, *options)
    assert result.exit_code == 2 and not isinstance(result.exception, (AttributeError, KeyError))
