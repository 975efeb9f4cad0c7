"""What the delegates of phones take, on both sides of their limits, and what is told of whole models."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from tflite.BuiltinOperator import BuiltinOperator

from edgekit.cli import main
from edgekit.edgetpu.placement.advice import advice
from edgekit.targets.coreml import COREML
from edgekit.targets.delegates import INSTEAD, judge_delegate
from edgekit.targets.gpu import GPU
from edgekit.targets.judges import Place, judge
from edgekit.targets.phones import REMARKS, page
from edgekit.tflite import read_graph
from tests.support.build import GraphBuilder, colour_classifier
from tests.support.float_nets import colour_net
from tests.support.one_op import activation, one_op

MAP = activation(1, 8, 8, 4, dtype="float32")
ROW = activation(1, 4, dtype="float32")
STEP = {"padding": 0, "strideW": 1, "strideH": 1, "dilationWFactor": 1, "dilationHFactor": 1}


def ints(*values):
    return np.array(values, np.int32)


def floats(*shape, value=1.0):
    return np.full(shape, value, np.float32)


def placed(delegate, content):
    """(whether the op is taken, whether that is certain, its reason)."""
    (op,) = judge_delegate(read_graph(content), delegate._replace(least=1)).ops
    return op.device != "cpu", op.certain, " ".join(violation.reason for violation in op.violations)


PADS = ints([0, 0], [1, 1], [1, 1], [0, 0])
CASES = [
    (GPU, one_op("SOFTMAX", ROW, options={"beta": 1.0}), one_op("SOFTMAX", ROW, options={"beta": 2.0}), "beta is 2"),
    (
        GPU,
        one_op("STRIDED_SLICE", MAP, ints(0, 0, 0, 0), ints(1, 4, 4, 4), ints(1, 1, 1, 1)),
        one_op(
            *("STRIDED_SLICE", MAP, ints(0, 0, 0, 0), ints(1, 4, 4, 4), ints(1, 1, 1, 1)), options={"shrinkAxisMask": 1}
        ),
        "shrink_axis_mask",
    ),
    (
        GPU,
        one_op("SLICE", MAP, ints(0, 0, 0, 0), ints(1, 4, 4, 4)),
        one_op("SLICE", ROW, ints(0, 0), ints(1, 2)),
        "1×4",
    ),
    (GPU, one_op("MEAN", MAP, ints(1, 2)), one_op("MEAN", MAP, activation(2, dtype="int32")), "computed"),
    (GPU, one_op("PAD", MAP, PADS), one_op("PAD", ROW, ints([0, 0], [1, 1])), "2×2"),
    (
        GPU,
        one_op("CAST", activation(1, 4, dtype="int32"), out=ROW),
        one_op("CAST", activation(1, 4, dtype="uint8"), out=ROW),
        "from uint8 to float32",
    ),
    (
        GPU,
        one_op("DEPTHWISE_CONV_2D", MAP, floats(1, 3, 3, 4), floats(4), options={**STEP, "depthMultiplier": 1}),
        one_op(
            *("DEPTHWISE_CONV_2D", MAP, floats(1, 3, 3, 8), floats(8)),
            out=activation(1, 8, 8, 8, dtype="float32"),
            options={**STEP, "depthMultiplier": 2},
        ),
        "the multiplier is 2",
    ),
    (
        GPU,
        one_op("MUL", MAP, activation(1, 1, 1, 4, dtype="float32")),
        one_op(*("MUL", activation(1, 8, 1, 4, dtype="float32"), activation(1, 1, 8, 4, dtype="float32")), out=MAP),
        "1×8×1×4 and 1×1×8×4",
    ),
    (
        GPU,
        one_op("SPACE_TO_DEPTH", MAP, options={"blockSize": 2}),
        one_op("SPACE_TO_DEPTH", MAP, options={"blockSize": 1}),
        "the block is 1",
    ),
    (
        GPU,
        one_op("DEQUANTIZE", activation(1, 4), out=ROW),
        one_op("DEQUANTIZE", activation(1, 4, dtype="int16"), out=ROW),
        "int16",
    ),
    (GPU, one_op("GELU", ROW), one_op("ARG_MAX", ROW, ints(1)), "ARG_MAX is not among the ops"),
    (COREML, one_op("TANH", MAP), one_op("MEAN", MAP, ints(1, 2)), "MEAN is not among the ops"),
    (COREML, one_op("AVERAGE_POOL_2D", MAP), one_op("AVERAGE_POOL_2D", activation(1, 8, 8, 4)), "its values are int8"),
    (COREML, one_op("RELU", MAP), one_op("RESHAPE", MAP, ints(1, 256)), "Core ML 3"),
    (
        COREML,
        one_op("CONV_2D", MAP, floats(4, 1, 1, 4), floats(4), options=STEP),
        one_op("CONV_2D", MAP, activation(4, 1, 1, 4, dtype="float32"), floats(4), options=STEP),
        "they are computed",
    ),
    (
        COREML,
        one_op("FULLY_CONNECTED", ROW, floats(4, 4), floats(4)),
        one_op("FULLY_CONNECTED", activation(2, 4, dtype="float32"), floats(4, 4), floats(4)),
        "its input is 2×4",
    ),
    (
        COREML,
        one_op("MUL", MAP, activation(1, 1, 1, 4, dtype="float32")),
        one_op("MUL", MAP, activation(1, 8, 1, 4, dtype="float32")),
        "1×8×1×4",
    ),
    (COREML, one_op("PAD", MAP, PADS), one_op("PAD", MAP, ints([0, 0], [0, 0], [0, 0], [0, 4])), "the paddings are"),
]


@pytest.mark.parametrize(
    ("delegate", "taken", "left", "told"), CASES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_each_limit_has_two_sides(delegate, taken, left, told):
    assert placed(delegate, taken)[:2] == (True, True)
    on_delegate, _, reason = placed(delegate, left)
    assert not on_delegate and told in reason


def test_a_constant_too_small_for_float16_is_doubtful():
    assert placed(GPU, one_op("ADD", MAP, floats(1, value=1e-3)))[:2] == (True, True)
    taken, certain, reason = placed(GPU, one_op("ADD", MAP, floats(1, value=1e-5)))
    assert taken and not certain and "1.0e-05" in reason and "67216" in reason


def split_net():
    """RELU, ROUND, then three RELU: the largest part is behind the op that no delegate takes."""
    graph = GraphBuilder()
    x = graph.input((1, 8))
    x = graph.op("RELU", [x], (1, 8))
    x = graph.op("ROUND", [x], (1, 8))
    for _ in range(3):
        x = graph.op("RELU", [x], (1, 8))
    return read_graph(graph.finish([x]))


def test_the_gpu_takes_the_largest_part_and_core_ml_all_parts_of_two_ops():
    gpu, coreml = (judge_delegate(split_net(), delegate) for delegate in (GPU, COREML))
    assert [op.device for op in gpu.ops] == ["cpu", "cpu", "android", "android", "android"]
    assert gpu.ops[0].status == "outside the parts taken" and gpu.ops[1].status == "not on the delegate's list"
    assert [op.device for op in coreml.ops] == ["cpu", "cpu", "ios", "ios", "ios"]
    assert (gpu.mapped, gpu.fully_mapped, gpu.subgraphs) == (3, False, 1)


@pytest.mark.parametrize("target", ["android", "ios"])
def test_weights_in_float16_are_unpacked_by_the_delegate(target):
    from edgekit.converters.quantization.backend import with_smaller_weights

    pytest.importorskip("litert_quantizer")
    graph = with_smaller_weights(read_graph(colour_net()), "float16")
    unpacked = [op for op in judge(graph, Place(target)).ops if op.op.opcode == "DEQUANTIZE"]
    assert unpacked and all(not op.violations or op.status == "outside the parts taken" for op in unpacked)


def test_an_int8_model_runs_on_a_gpu_in_float_and_not_on_core_ml():
    graph = read_graph(colour_classifier("int8"))
    android, ios = judge(graph, Place("android")), judge(graph, Place("ios"))
    assert android.fully_mapped and "--float16" in " ".join(android.notes) and "NNAPI" in " ".join(android.notes)
    assert ios.mapped == 0 and any("--float16" in line for line in advice(graph, ios))
    assert "would take 2 of 2 ops" in ios.notes[-1]


def test_each_remark_concerns_some_models_and_not_others():
    graphs = [read_graph(colour_classifier(dtype)) for dtype in ("float32", "int8")]
    graphs += [_dynamic(), _wide(5), _wide(8), _moving()]
    for remark in REMARKS:
        assert {bool(remark.when(graph)) for graph in graphs} == {True, False}, remark.what


def _dynamic():
    return read_graph(one_op("FULLY_CONNECTED", ROW, (np.ones((4, 4), np.int8), (0.1, 0)), floats(4)))


def _wide(channels):
    out = activation(1, 8, 8, channels, dtype="float32")
    return read_graph(one_op("CONV_2D", MAP, floats(channels, 1, 1, 4), floats(channels), out=out, options=STEP))


def _moving():
    graph = GraphBuilder()
    x = graph.input((1, 4, 4, 4))
    order = graph.constant(ints(0, 2, 1, 3))
    for _ in range(4):
        x = graph.op("TRANSPOSE", [x, order], (1, 4, 4, 4))
    return read_graph(graph.finish([x]))


def test_every_row_names_ops_that_exist_and_says_where_it_was_read():
    listed = {name for name in (GPU.ops | COREML.ops | set(INSTEAD)) if name.isupper()}
    assert listed <= {name for name in vars(BuiltinOperator) if name.isupper()}
    for source in [GPU.source, COREML.source, *(remark.source for remark in REMARKS)]:
        assert source.title and len(source.read) == 7


def test_the_page_is_written_from_the_tables():
    text = (Path(__file__).parents[2] / "docs" / "phones.md").read_text(encoding="utf-8")
    assert text.rstrip("\n") == page()


@pytest.mark.parametrize(("target", "title"), [("android", "GPU delegate"), ("ios", "Core ML delegate")])
def test_inspect_says_what_a_phone_makes_of_a_model(target, title, tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(colour_classifier("float32"))
    shown = CliRunner().invoke(main, ["inspect", str(path), "--target", target])
    assert shown.exit_code == 0 and title in shown.stdout and "read 2026-" in shown.stdout
    document = json.loads(CliRunner().invoke(main, ["inspect", str(path), "--target", target, "--json"]).stdout)
    assert (document["target"], document["accelerator"], len(document["ops"])) == (target, title, 2)
