"""Channels turned around: found where an interpreter turns them, and nowhere else."""

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from edgekit.tflite import read_graph
from edgekit.tflite.turns import channel_turn
from tests.support.build import GraphBuilder

WHOLE, ONE, SHRUNK = (1, 4, 4, 3), (1, 4, 4, 1), (1, 4, 4)


def turned(*, steps=(1, 1, 1, -1), masks=(), shape=(1, 4, 4, 3), computed=False, last=False):
    """An image whose channels are turned around, and a TANH behind it."""
    graph = GraphBuilder()
    x = graph.input((1, 4, 4, 3))
    slots = [graph.constant(np.array(value, np.int32), name=f"c{n}") for n, value in enumerate(((0,) * 4, (0,) * 4))]
    step = graph.input((4,), "int32", name="steps") if computed else graph.constant(np.array(steps, np.int32))
    options = dict.fromkeys(("beginMask", "endMask", *masks), 15)
    y = graph.op("STRIDED_SLICE", [x, *slots, step], shape, options=options)
    return read_graph(graph.finish([y if last else graph.op("TANH", [y], shape)]))


@pytest.mark.parametrize(
    ("graph", "found"),
    [
        (turned(), True),
        (turned(steps=(1, 1, -1, 1)), False),
        (turned(steps=(1, 1, 1, 1)), False),
        (turned(steps=(1, 1, 1, -2)), False),
        (turned(steps=(1, 2, 1, -1)), False),
        (turned(shape=(1, 4, 4, 2)), False),
        (turned(computed=True), False),
        (turned(last=True), False),
        *((turned(masks=(mask,)), False) for mask in ("ellipsisMask", "newAxisMask", "shrinkAxisMask")),
    ],
)
def test_a_turn_of_the_channels_leaves_all_else_in_place(graph, found):
    assert bool(channel_turn(graph, graph.inputs[0])) is found


class Image(GraphBuilder):
    """An image of three channels, and ops upon it."""

    def __init__(self):
        super().__init__()
        self.image = self.input(WHOLE)

    def integers(self, *values):
        return self.constant(np.array(values, np.int32))

    def channel(self, place, *, shrunk=True, side=4, masks=None):
        """`image[..., place]`, or `image[..., place:place + 1]`."""
        given = [self.image, self.integers(0, 0, 0, place), self.integers(1, side, 4, place + 1)]
        options = {
            "beginMask": 7,
            "endMask": 7 if side == 4 else 1,
            "shrinkAxisMask": 8 if shrunk else 0,
            **(masks or {}),
        }
        shape = SHRUNK if shrunk else (1, side, 4, 1)
        return self.op("STRIDED_SLICE", [*given, self.integers(1, 1, 1, 1)], shape, options=options)

    def apart(self, opcode):
        """All channels, by one op."""
        shape = ONE if opcode == "SPLIT" else SHRUNK
        outputs = [self.tensor(shape, "float32") for _ in range(3)]
        if opcode == "SPLIT":
            self.raw_op(opcode, [self.constant(np.array(3, np.int32)), self.image], outputs, options={"numSplits": 3})
        else:
            self.raw_op(opcode, [self.image], outputs, options={"num": 3, "axis": -1})
        return outputs

    def joined(self, opcode, parts, axis=-1, shape=WHOLE):
        options = {"valuesCount": len(parts), "axis": axis} if opcode == "PACK" else {"axis": axis}
        return read_graph(self.finish([self.op("TANH", [self.op(opcode, parts, shape, options=options)], shape)]))


def slices(places=(2, 1, 0), **form):
    image = Image()
    parts = [image.channel(place, **form) for place in places]
    return image.joined("PACK" if form.get("shrunk", True) else "CONCATENATION", parts)


def taken(opcode, join, places=(2, 1, 0)):
    image = Image()
    parts = image.apart(opcode)
    return image.joined(join, [parts[place] for place in places])


def at_once(opcode, numbers, **options):
    image = Image()
    turned = image.op(opcode, [image.image, image.integers(*numbers)], WHOLE, options=options or None)
    return read_graph(image.finish([image.op("TANH", [turned], WHOLE)]))


BACKWARDS = {
    "reversed": at_once("REVERSE_V2", [3]),
    "reversed, counted from the end": at_once("REVERSE_V2", [-1]),
    "gathered": at_once("GATHER", [2, 1, 0], axis=3),
    "slices, stacked": slices(),
    "slices that keep the axis": slices(shrunk=False),
    "slices counted from the end": slices((-1, -2, -3)),
    "split": taken("SPLIT", "CONCATENATION"),
    "unstacked": taken("UNPACK", "PACK"),
}


@pytest.mark.parametrize("form", BACKWARDS)
def test_every_form_that_turns_the_channels_is_found_whole(form):
    graph = BACKWARDS[form]
    image = np.random.default_rng(0).normal(size=WHOLE).astype(np.float32)
    interpreter = Interpreter(model_content=graph.content)
    interpreter.allocate_tensors()
    interpreter.set_tensor(graph.inputs[0], image)
    interpreter.invoke()
    np.testing.assert_allclose(interpreter.get_tensor(graph.outputs[0]), np.tanh(image[..., ::-1]), atol=1e-6)
    found = channel_turn(graph, graph.inputs[0])
    assert [op.index for op in found] == list(range(len(graph.ops) - 1))


def _one_more_reader():
    image = Image()
    parts = [image.channel(place) for place in (2, 1, 0)]
    image.op("TANH", [image.image], WHOLE)
    return image.joined("PACK", parts)


def _stacked_first():
    image = Image()
    return image.joined("PACK", [image.channel(place) for place in (2, 1, 0)], axis=0, shape=(3, 1, 4, 4))


@pytest.mark.parametrize(
    "graph",
    [
        at_once("REVERSE_V2", [2]),
        at_once("GATHER", [2, 1, 0, 0], axis=2),
        at_once("GATHER", [1, 2, 0], axis=3),
        slices((0, 1, 2)),
        slices((2, 1, 1)),
        slices((2, 1)),
        slices(masks={"newAxisMask": 8}),
        taken("UNPACK", "PACK", (1, 0, 2)),
        taken("SPLIT", "CONCATENATION", (2, 1)),
        _one_more_reader(),
        _stacked_first(),
    ],
)
def test_what_leaves_the_channels_or_reads_more_is_not(graph):
    assert channel_turn(graph, graph.inputs[0]) == ()
