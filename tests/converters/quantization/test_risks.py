import logging

import numpy as np
import pytest

from edgekit.converters import Recipe, convert, load_source
from edgekit.converters.quantization.risks import Risks, assess_risks, hard_swishes, squeeze_excitations, swishes
from edgekit.tflite import read_graph
from tests.support.build import GraphBuilder
from tests.support.float_nets import colour_net, save_images

SHAPE, SQUEEZED = (1, 8, 8, 4), (1, 1, 1, 4)
CONV = {"padding": 0, "strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}


class Net(GraphBuilder):
    """Two inputs of four channels, and the parts that a risk is made of."""

    def __init__(self):
        super().__init__()
        self.x, self.other = self.input(SHAPE), self.input(SHAPE)

    def sigmoid(self, tensor, shape=SHAPE):
        return self.op("LOGISTIC", [tensor], shape)

    def mul(self, *tensors, shape=SHAPE):
        return self.op("MUL", list(tensors), shape, options={})

    def pool(self, tensor):
        axes = self.constant(np.array([1, 2], np.int32))
        return self.op("MEAN", [tensor, axes], SQUEEZED, options={"keepDims": True})

    def conv(self, tensor):
        weights = self.constant(np.ones((4, 1, 1, 4), np.float32))
        return self.op("CONV_2D", [tensor, weights], SQUEEZED, options=CONV)

    def gate(self, tensor):
        """What squeeze-and-excitation multiplies a tensor by, with a swish between two convolutions."""
        reduced = self.conv(self.pool(tensor))
        return self.sigmoid(self.conv(self.mul(reduced, self.sigmoid(reduced, SQUEEZED), shape=SQUEEZED)), SQUEEZED)

    def hard_gate(self, tensor):
        return self.op("RELU6", [self.conv(self.pool(tensor))], SQUEEZED)


#: what a graph ends in, and how many (swishes, hard swishes, squeeze-and-excitation blocks) that has
CASES = {
    "swish": (lambda g: g.mul(g.x, g.sigmoid(g.x)), (1, 0, 0)),
    "swish turned around": (lambda g: g.mul(g.sigmoid(g.x), g.x), (1, 0, 0)),
    "sigmoid of another tensor": (lambda g: g.mul(g.x, g.sigmoid(g.other)), (0, 0, 0)),
    "square": (lambda g: g.mul(g.x, g.x), (0, 0, 0)),
    "hard swish": (lambda g: g.op("HARD_SWISH", [g.x], SHAPE), (0, 1, 0)),
    "squeeze and excitation": (lambda g: g.mul(g.x, g.gate(g.x)), (1, 0, 1)),
    "squeeze and excitation turned around": (lambda g: g.mul(g.gate(g.x), g.x), (1, 0, 1)),
    "hard gate": (lambda g: g.mul(g.x, g.hard_gate(g.x)), (0, 0, 1)),
    "gate of another tensor": (lambda g: g.mul(g.x, g.hard_gate(g.other)), (0, 0, 0)),
    "scaling by constants": (lambda g: g.mul(g.x, g.constant(np.ones(4, np.float32))), (0, 0, 0)),
    "spatial attention": (lambda g: g.mul(g.x, g.op("TANH", [g.x], (1, 8, 8, 1))), (0, 0, 0)),
    "nothing": (lambda g: g.sigmoid(g.x), (0, 0, 0)),
}


@pytest.mark.parametrize(("build", "expected"), CASES.values(), ids=CASES)
def test_traits_are_counted(build, expected):
    net = Net()
    graph = read_graph(net.finish([build(net)]))
    assert (swishes(graph), hard_swishes(graph), squeeze_excitations(graph)) == expected


def risks(case, architecture=None, ranges="auto", corrections="auto"):
    net = Net()
    graph = read_graph(net.finish([CASES[case][0](net)]))
    return assess_risks(graph, architecture, ranges=ranges, corrections=corrections)


def test_nothing_is_said_of_models_without_such_traits():
    assert risks("nothing", ranges="minmax", corrections="none") is None


def test_what_was_found_and_what_it_costs():
    found = risks("squeeze and excitation", "EfficientNetB3")
    assert found.found == {"swish": 1, "squeeze-and-excitation block": 1}
    assert found.expected.startswith("EfficientNetB3 has 1 swish and 1 squeeze-and-excitation block. Known: ")
    assert "75 to 46 %" in found.expected and "two B0 measured for edgekit" in found.expected
    assert "B0" not in risks("squeeze and excitation", "EfficientNetV2B3").expected
    assert risks("hard swish").expected.startswith("The model has 1 hard-swish. Known: the authors of MobileNetV3")


@pytest.mark.parametrize(
    ("case", "ranges", "corrections", "handled", "words"),
    [
        ("swish", "auto", "auto", True, "Swishes are split per channel where that helps, the range method is chosen"),
        ("swish", "auto", "split-swish", True, "Swishes are split per channel, the range method is chosen"),
        ("swish", "percentile", "auto", True, "ranges are chosen by percentile."),
        ("swish", "far/away.json", "auto", True, "ranges are those of away.json."),
        ("swish", "auto", "none", False, "Swishes stay as they are (--corrections none)"),
        ("swish", "minmax", "auto", False, "every outlier widens its range (--ranges minmax)"),
        ("swish", "minmax", "none", False, "without these options edgekit does more."),
        ("hard swish", "auto", "none", True, "The range method is chosen by what the scores lose."),
        ("hard swish", "minmax", "none", False, "Every outlier widens its range"),
    ],
)
def test_what_will_be_done_and_what_not(case, ranges, corrections, handled, words):
    found = risks(case, ranges=ranges, corrections=corrections)
    assert words in found.measures
    assert found.handled is handled
    assert str(found).startswith("Expect: " if handled else "Warning: ")


@pytest.mark.parametrize(("ranges", "level"), [("auto", logging.INFO), ("minmax", logging.WARNING)])
def test_it_is_logged_before_the_work(tmp_path, caplog, ranges, level):
    pytest.importorskip("litert_quantizer")
    (tmp_path / "m.tflite").write_bytes(colour_net(between="HARD_SWISH"))
    images, heard = save_images(tmp_path / "images", each=5), []

    def progress(stage, done, total):
        heard.append((stage, len(caplog.records)))

    caplog.set_level(logging.INFO, logger="edgekit")
    source = load_source(tmp_path / "m.tflite")
    conversion = convert(source, images, recipe=Recipe(ranges=ranges), verify=False, progress=progress)
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (level, str(conversion.risks))
    assert isinstance(conversion.risks, Risks)
    said = dict(reversed(heard))  # stage → remarks when it began
    assert (said["Checking the export"], said["Calibrating"]) == (0, 1)
