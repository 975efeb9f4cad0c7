"""How scores come from feature maps, for heads whose weights are known."""

import numpy as np
import pytest

from edgekit.evaluation.activation.head import find_head
from edgekit.tflite import read_graph
from tests.support.build import GraphBuilder

WEIGHTS = np.arange(10, dtype=np.float32).reshape(5, 2) + 1
AXES = np.array([1, 2], np.int32)


class Net(GraphBuilder):
    """A feature map of 2 × 3 positions and two channels, and what may come behind it."""

    def __init__(self):
        super().__init__()
        self.features = self.op("ABS", [self.input((1, 2, 3, 2))], (1, 2, 3, 2), options={}, name="features")

    def mean(self, tensor, axes=AXES):
        return self.op("MEAN", [tensor, self.constant(axes)], (1, 2), options={"keepDims": False})

    def pool(self, tensor, height, width, shape, padding=1, fused=0):
        sizes = {"filterHeight": height, "filterWidth": width, "strideH": 1, "strideW": 1, "padding": padding}
        sizes["fusedActivationFunction"] = fused
        return self.op("AVERAGE_POOL_2D", [tensor], shape, options=sizes)

    def dense(self, tensor, weights=WEIGHTS, fused=0):
        options = {"fusedActivationFunction": fused}
        return self.op("FULLY_CONNECTED", [tensor, self.constant(weights)], (1, len(weights)), options=options)

    def head(self, scores):
        return find_head(read_graph(self.finish([scores])))


def test_a_mean_and_a_dense_layer_are_the_weights_over_the_positions():
    net = Net()
    head = net.head(net.dense(net.mean(net.features)))
    (part,) = head.parts
    assert (part.features, head.sums) == (net.features, True)
    np.testing.assert_allclose(part.weights, WEIGHTS[:, None, None, :] / 6)


def test_axes_counted_from_the_end_are_the_same_axes():
    net = Net()
    (part,) = net.head(net.dense(net.mean(net.features, np.array([-3, -2], np.int32)))).parts
    np.testing.assert_allclose(part.weights, WEIGHTS[:, None, None, :] / 6)


def test_a_mean_alone_scores_each_channel():
    net = Net()
    (part,) = net.head(net.mean(net.features)).parts
    np.testing.assert_allclose(part.weights, np.eye(2)[:, None, None, :] / 6)


def test_positions_in_a_row_have_weights_of_their_own():
    net = Net()
    weights = np.arange(24, dtype=np.float32).reshape(2, 12)
    (part,) = net.head(
        net.dense(net.op("RESHAPE", [net.features], (1, 12), options={"newShape": [1, 12]}), weights)
    ).parts
    np.testing.assert_array_equal(part.weights, weights.reshape(2, 2, 3, 2))


@pytest.mark.parametrize(("height", "width", "padding", "sums"), [(2, 3, 1, True), (2, 3, 0, False), (1, 3, 1, False)])
def test_an_average_pool_is_a_mean_where_its_window_is_all_of_the_map(height, width, padding, sums):
    net = Net()
    shape = (1, 1, 1, 2) if padding else (1, 2, 3, 2)
    if height == 1:
        shape = (1, 2, 1, 2)
    pooled = net.pool(net.features, height, width, shape, padding)
    count = int(np.prod(shape))
    row = net.op("RESHAPE", [pooled], (1, count), options={"newShape": [1, count]})
    head = net.head(net.dense(row, np.ones((5, count), np.float32)))
    assert (head.parts[0].features == net.features) == sums
    if sums:
        np.testing.assert_allclose(head.parts[0].weights, np.ones((5, 1, 1, 2)) / 6)


def test_an_activation_behind_the_layer_makes_scores_no_sums():
    net = Net()
    head = net.head(net.dense(net.mean(net.features), fused=1))
    assert not head.sums and [part.features for part in head.parts] == [net.features]


def test_a_sum_of_layers_on_two_maps_has_a_part_for_each():
    net = Net()
    later = net.op("ABS", [net.features], (1, 2, 3, 2), options={}, name="later")
    first, second = (
        net.dense(net.mean(tensor), factor * WEIGHTS) for tensor, factor in ((net.features, 1), (later, 2))
    )
    head = net.head(net.op("ADD", [first, second], (1, 5), options={}))
    found = {part.features: part.weights for part in head.parts}
    assert head.sums and set(found) == {net.features, later}
    np.testing.assert_allclose(found[net.features], WEIGHTS[:, None, None, :] / 6)
    np.testing.assert_allclose(found[later], WEIGHTS[:, None, None, :] / 3)


@pytest.mark.parametrize(("more", "parts"), [(30, 1), (31, 1), (32, 0)])
def test_more_than_32_ops_behind_a_map_are_no_head(more, parts):
    net = Net()
    scores = net.mean(net.features)
    for _ in range(more):
        scores = net.op("ABS", [scores], (1, 2), options={})
    assert len(net.head(scores).parts) == parts


def test_a_model_without_a_map_has_no_parts():
    net = GraphBuilder()
    x = net.input((1, 4))
    assert find_head(read_graph(net.finish([net.op("ABS", [x], (1, 4), options={})]))).parts == ()


def test_a_map_of_one_position_is_none_to_look_at():
    net = Net()
    kernel = net.constant(np.ones((2, 2, 3, 2), np.float32))
    options = {"padding": 1, "strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
    narrow = net.op("CONV_2D", [net.features, kernel, -1], (1, 1, 1, 2), options=options)
    (part,) = net.head(net.dense(net.mean(narrow))).parts
    assert part.features == net.features


@pytest.mark.parametrize(("fused", "sums"), [(0, True), (1, False)])
def test_a_pool_that_clips_its_means_makes_scores_no_sums(fused, sums):
    net = Net()
    pooled = net.pool(net.features, 2, 3, (1, 1, 1, 2), fused=fused)
    head = net.head(net.dense(net.op("RESHAPE", [pooled], (1, 2), options={"newShape": [1, 2]})))
    assert (head.parts[0].features, head.sums) == (net.features, sums)


def test_a_mean_of_rows_that_are_no_map_makes_scores_no_sums():
    """Tokens of a transformer, (1, positions, channels), averaged: the map before them decides in another way."""
    net = Net()
    tokens = net.op("RESHAPE", [net.features], (1, 6, 2), options={"newShape": [1, 6, 2]})
    mean = net.op(
        "MEAN", [net.op("ABS", [tokens], (1, 6, 2), options={}), net.constant(np.array([1], np.int32))], (1, 2)
    )
    head = net.head(net.dense(mean))
    assert [part.features for part in head.parts] == [net.features] and not head.sums


@pytest.mark.parametrize(
    ("kernel", "padding", "sums"), [((2, 3), 1, True), ((2, 3), 0, False), ((1, 3), 1, False), ((2, 1), 1, False)]
)
def test_a_convolution_over_the_whole_map_has_weights_for_each_position(kernel, padding, sums):
    net = Net()
    weights = np.arange(5 * 2 * np.prod(kernel), dtype=np.float32).reshape(5, *kernel, 2)
    options = {"padding": padding, "strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
    shape = (1, *(1 + size - taken if padding else size for size, taken in zip((2, 3), kernel)), 5)
    made = net.op("CONV_2D", [net.features, net.constant(weights), -1], shape, options=options)
    count = int(np.prod(shape))
    head = net.head(net.op("RESHAPE", [made], (1, count), options={"newShape": [1, count]}))
    found = [part.weights for part in head.parts if part.features == net.features]
    assert bool(found and found[0] is not None) is sums
    if sums:
        np.testing.assert_array_equal(found[0], weights)


@pytest.mark.parametrize(("axes", "sums"), [([1, 2], True), ([1], False), ([2, 3], False), ([1, 2, 3], False)])
def test_a_mean_over_other_axes_is_none_over_positions(axes, sums):
    net = Net()
    shape = tuple(size for axis, size in enumerate((1, 2, 3, 2)) if axis not in axes)
    mean = net.op("MEAN", [net.features, net.constant(np.array(axes, np.int32))], shape, options={"keepDims": False})
    count = int(np.prod(shape))
    row = net.op("RESHAPE", [mean], (1, count), options={"newShape": [1, count]})
    assert net.head(net.dense(row, np.ones((5, count), np.float32))).sums is sums


def test_one_position_out_of_all_is_no_mean():
    net = Net()
    options = {"filterHeight": 1, "filterWidth": 1, "strideH": 2, "strideW": 3, "padding": 1}
    picked = net.op("AVERAGE_POOL_2D", [net.features], (1, 1, 1, 2), options=options)
    head = net.head(net.dense(net.op("RESHAPE", [picked], (1, 2), options={"newShape": [1, 2]})))
    assert [part.features for part in head.parts] == [net.features] and not head.sums


def test_a_sum_of_layers_on_the_input_itself_has_no_maps():
    net = GraphBuilder()
    x, weights = net.input((1, 4)), net.constant(np.ones((3, 4), np.float32))
    first, second = (net.op("FULLY_CONNECTED", [x, weights, -1], (1, 3), options={}) for _ in range(2))
    assert find_head(read_graph(net.finish([net.op("ADD", [first, second], (1, 3), options={})]))).parts == ()
