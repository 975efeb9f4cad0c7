import csv
import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from edgekit.cli import main
from edgekit.edgetpu import CompilerOptions
from edgekit.edgetpu.observed import COLUMNS, observe, record_rows, write_record
from edgekit.edgetpu.placement.precedents import Precedent
from edgekit.edgetpu.placement.traits import Trait
from edgekit.errors import ModelFormatError, OutputError
from edgekit.tflite.reader import read_graph
from tests.support import compiled_nets
from tests.support.build import GraphBuilder
from tests.support.recordings import VERSION, compiled_model, int8_model

NUMBERS = compiled_nets.numbers()


@pytest.fixture
def pair(tmp_path):
    (tmp_path / "secret.tflite").write_bytes(int8_model(tail=True))
    (tmp_path / "made.tflite").write_bytes(compiled_model(tail=True))
    return str(tmp_path / "secret.tflite"), str(tmp_path / "made.tflite")


def run(*arguments):
    return CliRunner().invoke(main, ["inspect", *arguments])


def test_the_two_files_tell_what_was_mapped(pair):
    observed = observe(*pair, CompilerOptions())
    assert observed.mapped == (0, 1)
    assert observed.surprises == () and observed.runtime == 14
    assert observed.compiler == VERSION


def test_ops_elsewhere_than_predicted_are_named(tmp_path, pair):
    (tmp_path / "whole.tflite").write_bytes(compiled_model())
    observed = observe(pair[0], tmp_path / "whole.tflite", CompilerOptions())
    assert [placed.op.opcode for placed in observed.surprises] == ["DEQUANTIZE"]
    said = run(pair[0], "--compiled", str(tmp_path / "whole.tflite")).output
    assert "3 of 3 ops were mapped" in said and "1 of 3 ops elsewhere" in said and "op 2 DEQUANTIZE is mapped" in said


def test_a_record_tells_kinds_and_sizes_and_no_names(pair, tmp_path):
    target = tmp_path / "rows.csv"
    result = run(pair[0], "--compiled", pair[1], "--record", str(target))
    assert result.exit_code == 0 and "predicted     the same" in result.output
    text = target.read_text()
    with target.open(newline="") as file:
        header, *rows = csv.reader(file)
    assert tuple(header) == COLUMNS
    assert [row[0] for row in rows] == ["DEQUANTIZE", "MEAN", "SOFTMAX"]
    mean = dict(zip(header, rows[1]))
    assert (mean["mapped"], mean["elements"], mean["options"]) == ("1", "128", "over -3 -2")
    assert dict(zip(header, rows[0]))["mapped"] == "0"
    assert not any(word in text for word in ("secret", "made", "net/input", "scores", str(tmp_path)))


def test_custom_ops_and_ops_without_their_inputs_have_no_row(pair):
    graph = GraphBuilder()
    x = graph.input((1, 4), "int8", quant=(0.5, 0))
    y = graph.op("TANH", [x], (1, 4), "int8", quant=(0.5, 0))
    z = graph.op("ADD", [y], (1, 4), "int8", quant=(0.5, 0), options={})
    model = read_graph(graph.finish([graph.op("CUSTOM:mine", [z], (1, 4), "int8", quant=(0.5, 0))]))
    assert [op.opcode for op in model.ops] == ["TANH", "ADD", "CUSTOM"]
    observed = replace(observe(*pair, CompilerOptions()), graph=model, mapped=(0,))
    assert record_rows(observed) == [("TANH", "int8", "2", "v", "", "4", "1", observed.compiler, "14")]


def test_records_of_several_models_add_up_and_none_counts_twice(pair, tmp_path):
    target = tmp_path / "rows.csv"
    observed = observe(*pair, CompilerOptions())
    assert write_record(target, observed) == write_record(target, observed) == 3
    (tmp_path / "net.tflite").write_bytes(compiled_nets.network(NUMBERS))
    (tmp_path / "net_edgetpu.tflite").write_bytes(compiled_nets.compiled(compiled_nets.parameters(NUMBERS)))
    other = observe(tmp_path / "net.tflite", tmp_path / "net_edgetpu.tflite", CompilerOptions())
    assert other.contents.same and write_record(target, other) == 5


def test_another_file_is_not_overwritten_by_a_record(pair, tmp_path):
    (tmp_path / "mine.csv").write_text("a,b\n1,2\n")
    with pytest.raises(OutputError, match="no record of ops"):
        write_record(tmp_path / "mine.csv", observe(*pair, CompilerOptions()))
    assert (tmp_path / "mine.csv").read_text() == "a,b\n1,2\n"


def test_a_file_compiled_from_another_model_is_refused(pair, tmp_path):
    (tmp_path / "net.tflite").write_bytes(compiled_nets.network(NUMBERS))
    with pytest.raises(ModelFormatError, match="was not compiled from"):
        observe(tmp_path / "net.tflite", pair[1], CompilerOptions())


def test_a_model_trained_on_since_is_said(tmp_path):
    (tmp_path / "net.tflite").write_bytes(compiled_nets.network({**NUMBERS, "dense_bias": NUMBERS["dense_bias"] + 1}))
    (tmp_path / "c.tflite").write_bytes(compiled_nets.compiled(compiled_nets.parameters(NUMBERS)))
    result = run(str(tmp_path / "net.tflite"), "--compiled", str(tmp_path / "c.tflite"))
    assert "other model   8 biases of op 1 CONV_2D (end) differ" in result.output


def test_a_record_needs_a_compiled_file(pair, tmp_path):
    result = run(pair[0], "--record", str(tmp_path / "r.csv"))
    assert result.exit_code == 2 and "Add --compiled" in result.output and not (tmp_path / "r.csv").exists()


def test_json(pair):
    document = json.loads(run(pair[0], "--compiled", pair[1], "--json").output)
    assert (document["ops"], document["mapped"], document["surprises"]) == (3, [0, 1], [])


def test_a_record_adds_to_the_table_of_precedents(pair, tmp_path):
    from scripts.precedents import with_record

    write_record(tmp_path / "rows.csv", observe(*pair, CompilerOptions()))
    trait = Trait("MEAN", "int8", 4, "vc", "over -3 -2")
    table = with_record({trait: Precedent(64, 2)}, tmp_path / "rows.csv")
    assert table[trait] == Precedent(128, 3)
    assert not any(found.opcode == "DEQUANTIZE" for found in table)


@pytest.mark.shared
def test_real_pairs_are_observed_as_they_were_recorded(shared):
    for folder in sorted((shared / "edgetpu" / "pairs").iterdir()):
        observed = observe(folder / "model.tflite", folder / "model_edgetpu.tflite", CompilerOptions())
        assert observed.surprises == (), folder.name
