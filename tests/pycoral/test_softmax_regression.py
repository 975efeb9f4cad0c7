import numpy as np
import pytest

from edgekit.pycoral.adapters import classify
from edgekit.pycoral.learn.backprop.softmax_regression import SoftmaxRegression
from edgekit.pycoral.learn.head import embedding_extractor
from edgekit.pycoral.utils.edgetpu import make_interpreter
from edgekit.tflite import read_graph
from tests.support import pycoral_models as models
from tests.support.pycoral_models import COLOURS, scores, written

KINDS = {"int8": "FULLY_CONNECTED", "uint8": "CONV_2D", "float32": "FULLY_CONNECTED"}


def clouds(images=120, spread=1.0, seed=0):
    """Three classes around three points of the plane."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, images)
    centres = np.array([[3, 3], [-3, -3], [3, -3]])
    return (centres[labels] + spread * rng.normal(size=(images, 2))).astype(np.float32), labels


def data(spread=1.0):
    (train, train_labels), (held_out, held_out_labels) = clouds(spread=spread), clouds(60, spread, 1)
    return {"data_train": train, "labels_train": train_labels, "data_val": held_out, "labels_val": held_out_labels}


def test_separate_classes_are_learnt():
    np.random.seed(0)
    model = SoftmaxRegression(2, 3)
    model.train_with_sgd(data(), 50, 0.1, print_every=0)
    assert model.get_accuracy(*clouds(200, seed=2)) > 0.98


@pytest.mark.parametrize("reg", [0.0, 0.1])
def test_steps_are_those_of_the_gradient(reg):
    """Against the loss itself, differentiated numerically in float64."""
    np.random.seed(1)
    features, labels = clouds(7)
    model = SoftmaxRegression(2, 3, weight_scale=0.5, reg=reg)
    weights, bias = model._weights.astype(np.float64), model._bias.astype(np.float64)

    def loss(flat):
        w, b = flat[:6].reshape(2, 3), flat[6:]
        logits = features @ w + b
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        return -np.log(probabilities[np.arange(7), labels]).mean() + reg / 2 * np.sum(w**2)

    flat = np.concatenate([weights.reshape(-1), bias])
    gradient = [(loss(flat + step) - loss(flat - step)) / 2e-5 for step in 1e-5 * np.eye(9)]
    told = model._step(features, labels, 0.5)
    assert told == pytest.approx(loss(flat), rel=1e-5)
    moved = np.concatenate([model._weights.reshape(-1), model._bias]) - flat
    np.testing.assert_allclose(moved, -0.5 * np.array(gradient), atol=1e-5)


def test_training_can_be_repeated():
    answers = []
    for _ in range(2):
        np.random.seed(5)
        model = SoftmaxRegression(2, 3)
        model.train_with_sgd(data(3.0), 5, 0.1, batch_size=10, print_every=0)
        answers.append(model.get_accuracy(*clouds(100, 3.0)))
    assert answers[0] == answers[1]


def test_progress_goes_to_standard_error(capsys):
    SoftmaxRegression(2, 3).train_with_sgd(data(), 5, 0.1, print_every=2)
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("Loss: ") == captured.err.count("Valid Acc: ") == 3


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("given", ["extractor", "classifier"])
def test_the_trained_layer_is_put_behind_the_embedding(tmp_path, dtype, given):
    path = written(tmp_path, models.classifier(dtype, kernel=KINDS[dtype]))
    extractor = embedding_extractor(path)
    embeddings = np.stack([scores(extractor, colour) for colour in COLOURS]).astype(np.float32)
    np.testing.assert_allclose(embeddings, COLOURS / 255, atol=1 / 255)
    np.random.seed(3)
    model = SoftmaxRegression(3, 3)
    dataset = {"data_train": embeddings, "labels_train": range(3), "data_val": embeddings, "labels_val": range(3)}
    model.train_with_sgd(dataset, 200, 1.0, batch_size=30, print_every=0)
    assert model.get_accuracy(embeddings, range(3)) == 1
    source = written(tmp_path, extractor, "extractor.tflite") if given == "extractor" else path
    content = model.serialize_model(source)
    for number, colour in enumerate(COLOURS):
        logits = model._logits(embeddings[number])
        expected = np.exp(logits) / np.exp(logits).sum()
        answer = scores(content, colour)
        assert answer.argmax() == number
        np.testing.assert_allclose(answer, expected, atol=1e-5 if dtype == "float32" else 0.03)
    graph = read_graph(content)
    assert [op.opcode for op in graph.ops] == ["MEAN", "FULLY_CONNECTED", "SOFTMAX"]
    assert {tensor.dtype for op in graph.ops for tensor in graph.op_outputs(op)} == {dtype}


def test_an_untrained_layer_can_be_saved(tmp_path):
    path = written(tmp_path, embedding_extractor(written(tmp_path, models.classifier())), "extractor.tflite")
    interpreter = make_interpreter(SoftmaxRegression(3, 5).serialize_model(path))
    interpreter.allocate_tensors()
    assert classify.num_classes(interpreter) == 5


def test_a_layer_of_another_size_is_refused(tmp_path):
    path = written(tmp_path, models.classifier())
    with pytest.raises(ValueError, match="embeddings of 7 values; the model's have 3"):
        SoftmaxRegression(7, 3).serialize_model(path)
    with pytest.raises(ValueError, match=r"Failed to open file: none\.tflite"):
        SoftmaxRegression(7, 3).serialize_model("none.tflite")
    with pytest.raises(ValueError, match="Unsupported model architecture"):
        SoftmaxRegression(7, 3).serialize_model(written(tmp_path, models.detector()))


@pytest.mark.parametrize(("features", "classes"), [(None, None), (0, 3), (3, 0), (-1, 2)])
def test_no_layer(features, classes):
    with pytest.raises(ValueError, match="make no layer"):
        SoftmaxRegression(features, classes)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"data_train": np.zeros((120, 3))}, r"shape \(120, 3\), expected \(images, 2\)"),
        ({"data_train": np.zeros((0, 2)), "labels_train": []}, r"shape \(0, 2\)"),
        ({"labels_train": [0, 1]}, r"labels of shape \(2,\) for 120"),
        ({"labels_val": np.full(60, 3)}, "from 3 to 3, but there are 3 classes"),
        ({"labels_train": np.full(120, -1)}, "from -1 to -1"),
    ],
)
def test_data_that_does_not_fit(change, told):
    with pytest.raises(ValueError, match=told):
        SoftmaxRegression(2, 3).train_with_sgd({**data(), **change}, 1, 0.1)


def test_accuracy_of_nothing_is_no_number():
    assert np.isnan(SoftmaxRegression(2, 3).get_accuracy(np.zeros((0, 2)), []))
