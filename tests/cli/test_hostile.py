"""Models that would end the process, by every command that runs one: a line with the file's name, and code 2."""

import pytest
from click.testing import CliRunner

from edgekit.cli import main
from tests.support.build import GraphBuilder, colour_model
from tests.support.float_nets import save_images
from tests.support.hostile import split_inside_a_branch
from tests.support.sparse import sparse_classifier

_COMMANDS = {
    "classify": "classify {evil} {image}",
    "convert": "convert {evil} --no-verify",
    "evaluate": "evaluate {evil} --data {data}",
    "compare, first": "compare {evil} {good} --data {data}",
    "compare, second": "compare {good} {evil} --data {data}",
    "camera": "camera {evil} {data} --headless",
    "serve": "serve {evil} --port 8799",
}


def _out_of_bounds():
    graph = GraphBuilder()
    window = {"padding": 0, "strideW": 1, "strideH": 1, "filterWidth": 2, "filterHeight": -(1 << 31)}
    shape = (1, 8, 8, 3)
    return graph.finish([graph.op("MAX_POOL_2D", [graph.input(shape)], shape, options=window)])


_DAMAGE = {
    "ends its process": split_inside_a_branch(),
    "is cut short": split_inside_a_branch()[:-400],
    "is refused by the checks": _out_of_bounds(),
}


@pytest.mark.parametrize("damage", _DAMAGE)
@pytest.mark.parametrize("command", _COMMANDS)
def test_a_model_that_cannot_be_opened_is_told_with_its_name(command, damage, tmp_path):
    data = save_images(tmp_path / "images", each=1)
    names = {"evil": tmp_path / "evil.tflite", "good": tmp_path / "good.tflite"}
    names["evil"].write_bytes(_DAMAGE[damage])
    names["good"].write_bytes(colour_model())
    arguments = _COMMANDS[command].format(**names, data=data, image=data / "red" / "00.png").split()
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert "evil.tflite" in result.output and "Traceback" not in result.output
    assert len(result.output.splitlines()) <= 3


@pytest.mark.parametrize(
    ("command", "code", "word"),
    [
        ("inspect {model} --edgetpu", 0, "FULLY_CONNECTED"),
        ("classify {model} {image} --preprocess raw", 0, "CPU"),
        ("evaluate {model} --data {data} --preprocess raw", 0, "Top-1"),
        ("compare {model} {model} --data {data} --preprocess raw", 0, "100.0 %"),
        ("convert {model} --data {data} --preprocess raw --no-verify", 2, "stored sparse"),
        ("metadata show {model}", 0, "none"),
    ],
)
def test_a_model_with_sparse_weights_is_run_described_or_refused_as_what_it_is(command, code, word, tmp_path):
    data = save_images(tmp_path / "images", each=1)
    model = tmp_path / "sparse.tflite"
    model.write_bytes(sparse_classifier())
    result = CliRunner().invoke(main, command.format(model=model, data=data, image=data / "red" / "00.png").split())
    assert result.exit_code == code, result.output
    assert word in result.output and "damaged" not in result.output
