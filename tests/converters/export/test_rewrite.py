"""Rewrites that compute the same, against the interpreter."""

import numpy as np
import pytest

from edgekit.converters.export.rewrite import rewrite
from edgekit.devices.interpreter import open_interpreter
from edgekit.tflite import read_graph
from edgekit.tflite.editor import Editor
from tests.support.build import GraphBuilder


def mean_over(height, width, axes=(1, 2), keep=True):
    g = GraphBuilder()
    image = g.input((1, height, width, 3), name="image")
    shape = tuple(1 if axis in axes else size for axis, size in enumerate((1, height, width, 3)))
    shape = shape if keep else tuple(size for axis, size in enumerate(shape) if axis not in axes)
    read = g.constant(np.array(axes, np.int32))
    return g.finish([g.op("MEAN", [image, read], shape, options={"keepDims": keep}, name="mean")])


def run(content, image):
    interpreter = open_interpreter(content)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def rewritten(content):
    editor = Editor(read_graph(content))
    rewrite(editor)
    return editor.finish()


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize(
    ("height", "width", "parts"), [(190, 190, (38, 38)), (200, 300, (50, 75)), (256, 128, (128, 64))]
)
def test_a_mean_over_a_large_image_is_one_of_means_over_its_parts(height, width, parts, keep):
    content = mean_over(height, width, keep=keep)
    graph = rewritten(content)
    assert [op.opcode for op in graph.ops] == ["AVERAGE_POOL_2D", "MEAN"]
    assert graph.tensors[graph.ops[0].outputs[0]].shape[1:3] == parts
    image = np.random.default_rng(0).normal(1, 3, (1, height, width, 3)).astype(np.float32)
    np.testing.assert_allclose(run(graph.content, image), image.mean((1, 2), keepdims=keep), rtol=1e-5)


OTHERS = [mean_over(64, 128), mean_over(112, 112), mean_over(256, 256, axes=(1,)), mean_over(256, 256, axes=(3,))]


@pytest.mark.parametrize("mean", [*OTHERS, mean_over(191, 181)])
def test_other_means_stay(mean):
    assert [op.opcode for op in rewritten(mean).ops] == ["MEAN"]
