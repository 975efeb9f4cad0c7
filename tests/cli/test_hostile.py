"""Models that would end the process, by every command that runs one: a line with the file's name, and code 2."""

import pytest
from click.testing import CliRunner

from edgekit.cli import main
from tests.support.build import GraphBuilder, colour_model
from tests.support.float_nets import save_images
from tests.support.hostile import split_inside_a_branch

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
