import numpy as np
import pytest

from edgekit.devices.interpreter import open_interpreter
from edgekit.evaluation.activation.places import Places, even, places_of
from edgekit.tflite import read_graph
from tests.support.build import GraphBuilder

SIDE = 96
PADDING = {"SAME": 0, "VALID": 1}


def net(*layers, side=SIDE):
    """Sums over windows, one channel: (kernel, stride, padding) each, ("pad", before, after), or a pool's name."""
    graph = GraphBuilder()
    x, size = graph.input((1, side, side, 1)), side
    for kind, kernel, stride, padding in layers:
        if kind == "PAD":
            size += kernel + stride
            amounts = np.array([[0, 0], [kernel, stride], [kernel, stride], [0, 0]], np.int32)
            x = graph.op("PAD", [x, graph.constant(amounts)], (1, size, size, 1))
            continue
        size = -(-size // stride) if padding == "SAME" else -(-(size - kernel + 1) // stride)
        step = {"padding": PADDING[padding], "strideW": stride, "strideH": stride}
        if kind == "CONV_2D":
            weights = graph.constant(np.ones((1, kernel, kernel, 1), np.float32))
            inputs = [x, weights, graph.constant(np.zeros(1, np.float32))]
            x = graph.op(kind, inputs, (1, size, size, 1), options={**step, "dilationWFactor": 1, "dilationHFactor": 1})
        else:
            x = graph.op(kind, [x], (1, size, size, 1), options={**step, "filterWidth": kernel, "filterHeight": kernel})
    return graph.finish([x]), x


def seen_rows(content, side=SIDE):
    """For each row of the last map, the first and the last row of the image that it depends on, by trying."""
    interpreter = open_interpreter(content)
    given, answer = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    reach = []
    for row in range(side):
        image = np.zeros((1, side, side, 1), np.float32)
        image[0, row] = 1
        interpreter.set_tensor(given, image)
        interpreter.invoke()
        reach.append(interpreter.get_tensor(answer)[0, :, 2, 0] != 0)
    return [(rows.min(), rows.max()) for rows in (np.flatnonzero(column) for column in np.array(reach).T)]


@pytest.mark.parametrize(
    "layers",
    [
        pytest.param([("CONV_2D", 3, 2, "SAME")] * 4, id="strides"),
        pytest.param([("CONV_2D", 5, 2, "SAME"), ("CONV_2D", 3, 1, "SAME")], id="kernels"),
        pytest.param([("CONV_2D", 3, 2, "VALID"), ("MAX_POOL_2D", 3, 2, "VALID")], id="valid"),
        pytest.param([("PAD", 0, 1, ""), ("CONV_2D", 3, 2, "VALID"), ("AVERAGE_POOL_2D", 2, 2, "VALID")], id="padded"),
    ],
)
def test_positions_are_at_the_centres_of_what_they_depend_on(layers):
    content, last = net(*layers)
    centres = places_of(read_graph(content), last).rows * SIDE - 0.5
    spans = seen_rows(content)
    widths = [high - low for low, high in spans]
    inner = [place for place, width in enumerate(widths) if width == max(widths)]  # those that no edge cuts off
    assert len(inner) > 2
    np.testing.assert_allclose([centres[place] for place in inner], [sum(spans[place]) / 2 for place in inner])


def test_what_cannot_be_followed_divides_the_image_evenly():
    graph = GraphBuilder()
    x = graph.input((1, 8, 8, 1))
    x = graph.op("SPACE_TO_DEPTH", [x], (1, 4, 4, 4), options={"blockSize": 2})
    found = places_of(read_graph(graph.finish([x])), x)
    np.testing.assert_allclose(found.rows, [0.125, 0.375, 0.625, 0.875])


def test_a_map_is_linear_between_centres_and_unchanging_beyond():
    values = np.array([[0.0, 4.0], [2.0, 6.0]])
    spread = Places(np.array([0.25, 0.75]), np.array([0.5, 0.75])).spread(values, 4, 8)
    np.testing.assert_allclose(spread[0], [0, 0, 0, 0, 1, 3, 4, 4])
    np.testing.assert_allclose(spread[:, 0], [0, 0.5, 1.5, 2])
    np.testing.assert_allclose(even(2, 2).spread(values, 2, 2), values)


def test_a_coarse_map_on_finer_positions_keeps_its_sum_and_its_place():
    coarse, finer = even(2, 3), even(8, 12)
    values = np.array([[5.0, 0.0, 0.0], [0.0, 0.0, -2.0]])
    found = coarse.onto(finer, values)
    assert found.shape == (8, 12) and found.sum() == pytest.approx(3.0)
    assert found[:4, :4].sum() > 3 and found[4:, 8:].sum() < -1
    assert np.unravel_index(found.argmax(), found.shape) < (4, 4)
    assert coarse.onto(coarse, values) is values


def test_positions_that_are_shifted_are_dealt_out_where_they_look():
    coarse = Places(np.array([0.75]), np.array([0.1, 0.9]))
    finer = even(4, 10)
    found = coarse.onto(finer, np.array([[0.0, 1.0]]))
    assert (found.sum(axis=0) * finer.columns).sum() > 0.6 and found.sum() == pytest.approx(1.0)


def windowed(kind, *, kernel, stride, padding, dilation=(1, 1), image=(10, 12)):
    """One op on an image of one channel, everything (height, width); each size by TensorFlow's rule."""
    graph = GraphBuilder()
    x = graph.input((1, *image, 1))
    reach = [(size - 1) * wide + 1 for size, wide in zip(kernel, dilation)]
    room = [size if padding == "SAME" else size - width + 1 for size, width in zip(image, reach)]
    shape = (1, *(-(-size // step) for size, step in zip(room, stride)), 1)
    options = {"padding": PADDING[padding], "strideH": stride[0], "strideW": stride[1]}
    if kind == "CONV_2D":
        options.update(dilationHFactor=dilation[0], dilationWFactor=dilation[1])
        inputs = [x, graph.constant(np.ones((1, *kernel, 1), np.float32)), -1]
    else:
        options.update(filterHeight=kernel[0], filterWidth=kernel[1])
        inputs = [x]
    y = graph.op(kind, inputs, shape, options=options)
    return places_of(read_graph(graph.finish([y])), y)


@pytest.mark.parametrize("kind", ["CONV_2D", "MAX_POOL_2D", "AVERAGE_POOL_2D"])
def test_rows_and_columns_are_followed_each_by_its_own_window(kind):
    found = windowed(kind, kernel=(3, 5), stride=(1, 2), padding="VALID")  # the first looks at row 1 and column 2
    np.testing.assert_allclose(found.rows, (np.arange(8) + 1.5) / 10)
    np.testing.assert_allclose(found.columns, (2 * np.arange(4) + 2.5) / 12)
    found = windowed(
        kind, kernel=(3, 5), stride=(2, 1), padding="SAME"
    )  # one row is added, at the end; two columns each
    np.testing.assert_allclose(found.rows, (2 * np.arange(5) + 1.5) / 10)
    np.testing.assert_allclose(found.columns, (np.arange(12) + 0.5) / 12)


def test_a_window_with_gaps_looks_at_its_middle():
    found = windowed("CONV_2D", kernel=(3, 3), stride=(1, 1), padding="VALID", dilation=(2, 3))
    np.testing.assert_allclose(found.rows, (np.arange(6) + 2.5) / 10)
    np.testing.assert_allclose(found.columns, (np.arange(6) + 3.5) / 12)


def test_a_map_of_one_row_is_followed_too():
    found = windowed("CONV_2D", kernel=(1, 3), stride=(1, 2), padding="SAME", image=(1, 4))
    np.testing.assert_allclose((found.rows[0], *found.columns), (0.5, 0.375, 0.875))


def test_padding_before_the_image_moves_centres_out_of_it():
    graph = GraphBuilder()
    amounts = graph.constant(np.array([[0, 0], [1, 2], [3, 4], [0, 0]], np.int32))
    y = graph.op("PAD", [graph.input((1, 10, 12, 1)), amounts], (1, 13, 19, 1))
    found = places_of(read_graph(graph.finish([y])), y)
    np.testing.assert_allclose(found.rows, (np.arange(13) - 0.5) / 10)
    np.testing.assert_allclose(found.columns, (np.arange(19) - 2.5) / 12)


@pytest.mark.parametrize(
    ("opcode", "side", "options", "follows"),
    [
        ("TRANSPOSE", 4, {}, False),  # rows become columns
        ("RESIZE_NEAREST_NEIGHBOR", 8, {}, False),
        ("ABS", 4, {}, True),
    ],
)
def test_what_moves_values_to_other_places_is_not_followed(opcode, side, options, follows):
    graph = GraphBuilder()
    weights = graph.constant(np.ones((1, 3, 3, 1), np.float32))
    step = {"padding": 0, "strideW": 2, "strideH": 2, "dilationWFactor": 1, "dilationHFactor": 1}
    x = graph.op("CONV_2D", [graph.input((1, 8, 8, 1)), weights, -1], (1, 4, 4, 1), options=step)
    how = {"TRANSPOSE": np.array([0, 2, 1, 3], np.int32), "RESIZE_NEAREST_NEIGHBOR": np.array([8, 8], np.int32)}
    further = [graph.constant(how[opcode])] if opcode in how else []
    y = graph.op(opcode, [x, *further], (1, side, side, 1), options=options)
    found, plain = places_of(read_graph(graph.finish([y])), y), even(side, side)
    shift = 0.5 / 8 if follows else 0  # by half a pixel of the image: the padding is at the far end
    np.testing.assert_allclose(found.rows, plain.rows + shift)


def test_the_images_own_pixels_are_where_they_are():
    graph = GraphBuilder()
    x = graph.input((1, 4, 6, 3))
    found = places_of(read_graph(graph.finish([graph.op("ABS", [x], (1, 4, 6, 3), options={})])), x)
    np.testing.assert_allclose(found.rows, even(4, 6).rows)
    np.testing.assert_allclose(found.columns, even(4, 6).columns)
