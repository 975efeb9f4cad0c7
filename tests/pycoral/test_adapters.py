import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from edgekit.pycoral.adapters import classify, common, detect, segment
from edgekit.pycoral.adapters.detect import BBox, Object
from edgekit.pycoral.utils.edgetpu import make_interpreter
from tests.support import pycoral_models as models
from tests.support.build import GraphBuilder, colour_classifier


def opened(content):
    interpreter = make_interpreter(content)
    interpreter.allocate_tensors()
    return interpreter


def wide():
    """Takes 4 high, 6 wide and answers with it: what was set can be read."""
    graph = GraphBuilder()
    x = graph.input((1, 4, 6, 3), "uint8", quant=(1.0, 0))
    sizes = graph.constant(np.array([1, 4, 6, 3], np.int32))
    return graph.finish([graph.op("RESHAPE", [x, sizes], (1, 4, 6, 3), "uint8", quant=(1.0, 0), options={})])


def test_sizes_are_width_before_height():
    interpreter = opened(wide())
    assert common.input_size(interpreter) == (6, 4)
    assert tuple(common.input_details(interpreter, "shape")) == (1, 4, 6, 3)
    assert common.input_tensor(interpreter).shape == (4, 6, 3)
    assert common.output_tensor(interpreter, 0).shape == (1, 4, 6, 3)


def test_set_input_takes_arrays_and_images():
    interpreter = opened(wide())
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    for data in (pixels, Image.fromarray(pixels)):
        common.set_input(interpreter, np.zeros((4, 6, 3)))
        common.set_input(interpreter, data)
        np.testing.assert_array_equal(common.input_tensor(interpreter), pixels)


@pytest.mark.parametrize("shape", [(6, 4, 3), (4, 6), (4, 6, 4)])
def test_set_input_refuses_other_shapes(shape):
    with pytest.raises(ValueError, match="broadcast"):
        common.set_input(opened(wide()), np.zeros(shape))


@pytest.mark.parametrize(
    ("size", "resized", "scale"),
    [((12, 8), (6, 4), 0.5), ((6, 2), (6, 2), 1.0), ((3, 8), (1, 4), 0.5), ((12, 2), (6, 1), 0.5)],
)
def test_a_resized_image_keeps_its_aspect_and_zeros_fill_the_rest(size, resized, scale):
    interpreter, asked = opened(wide()), []
    common.set_input(interpreter, np.full((4, 6, 3), 9))

    def resize(to):
        asked.append(to)
        return Image.new("RGB", to, (1, 2, 3))

    image, answered = common.set_resized_input(interpreter, size, resize)
    expected = np.zeros((4, 6, 3), np.uint8)
    expected[: resized[1], : resized[0]] = (1, 2, 3)
    np.testing.assert_array_equal(common.input_tensor(interpreter), expected)
    assert (asked, image.size, answered) == ([resized], resized, (scale, scale))


@pytest.mark.parametrize("dtype", ["uint8", "int8", "float32"])
def test_scores_are_real_numbers(dtype):
    interpreter = opened(colour_classifier(dtype))
    green = np.zeros((8, 8, 3)) + (-128 if dtype == "int8" else 0)
    green[..., 1] += 5
    common.set_input(interpreter, green.astype(dtype))
    interpreter.invoke()
    expected = np.exp([0, 5, 0]) / np.exp([0, 5, 0]).sum()
    np.testing.assert_allclose(classify.get_scores(interpreter), expected, atol=1 / 256)
    assert classify.num_classes(interpreter) == 3
    best = classify.get_classes(interpreter, top_k=1)
    assert [found.id for found in best] == [1] and best[0].score == classify.get_scores(interpreter).max()
    assert [found.id for found in classify.get_classes(interpreter, score_threshold=0.5)] == [1]


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=30),
    st.integers(1, 40) | st.just(float("inf")),
    st.floats(0, 1),
)
def test_the_best_classes_are_the_best(scores, top_k, threshold):
    scores = np.array(scores)
    classes = classify.get_classes_from_scores(scores, top_k, threshold)
    expected = [score for score in sorted(scores, reverse=True)[: int(min(top_k, len(scores)))] if score >= threshold]
    assert [found.score for found in classes] == expected
    assert all(scores[found.id] == found.score for found in classes)
    assert len({found.id for found in classes}) == len(classes)


def test_boxes():
    box = BBox(1, 2, 11, 22)
    assert (box.width, box.height, box.area, box.valid) == (10, 20, 200, True)
    assert box.scale(2, 3) == BBox(2, 6, 22, 66)
    assert box.translate(5, -2) == BBox(6, 0, 16, 20)
    assert BBox(1.9, 2.1, 3.5, 4.99).map(int) == BBox(1, 2, 3, 4)
    assert not BBox(5, 0, 4, 1).valid and BBox(4, 0, 4, 0).valid


def test_intersection_and_union():
    a, b, far = BBox(0, 0, 10, 10), BBox(5, 5, 15, 15), BBox(20, 20, 30, 25)
    assert BBox.intersect(a, b) == BBox(5, 5, 10, 10)
    assert BBox.union(a, b) == BBox(0, 0, 15, 15)
    assert BBox.iou(a, b) == pytest.approx(25 / 175)
    assert BBox.iou(a, a) == 1 and BBox.iou(a, far) == 0 and not BBox.intersect(a, far).valid


@pytest.mark.parametrize("order", ["tf1", "tf2", "signature"])
def test_objects_in_each_order_of_outputs(order):
    interpreter = opened(models.detector(order))
    common.set_input(interpreter, np.zeros((10, 20, 3)))
    interpreter.invoke()
    first = Object(7, pytest.approx(0.9), BBox(4, 1, 12, 5))
    assert detect.get_objects(interpreter) == [first, Object(3, 0.5, BBox(0, 0, 20, 10))]
    assert detect.get_objects(interpreter, 0.6) == [first]
    (scaled,) = detect.get_objects(interpreter, 0.6, image_scale=(0.5, 0.25))
    assert scaled.bbox == BBox(8, 4, 24, 20)


def test_a_classifier_is_no_detector():
    interpreter = opened(colour_classifier())
    interpreter.invoke()
    with pytest.raises(ValueError, match="no object detector: it has 1 outputs"):
        detect.get_objects(interpreter)


def test_a_mask_is_uint8():
    graph = GraphBuilder()
    x = graph.input((1, 2, 2, 3))
    axis = graph.constant(np.array(3, np.int32))
    interpreter = opened(graph.finish([graph.op("ARG_MAX", [x, axis], (1, 2, 2), "int64", options={"outputType": 4})]))
    common.set_input(interpreter, np.eye(3)[[[0, 1], [2, 1]]])
    interpreter.invoke()
    mask = segment.get_output(interpreter)
    assert mask.dtype == np.uint8 and mask.tolist() == [[0, 1], [2, 1]]


def test_scores_of_a_mask_keep_their_last_dimension():
    interpreter = opened(wide())
    interpreter.invoke()
    assert segment.get_output(interpreter).shape == (4, 6, 3)
