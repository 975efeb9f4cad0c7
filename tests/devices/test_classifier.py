import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import numpy as np
import pytest
from PIL import Image

from edgekit.devices import Classifier, ClassScore, Prediction, opening
from edgekit.devices import classifier as classifier_module
from edgekit.errors import (
    DataError,
    DeviceError,
    EdgekitError,
    ImageError,
    ModelError,
    ModelFormatError,
    PreprocessingError,
    UnsupportedModelError,
    UsageError,
)
from edgekit.preprocess import InputSpec
from edgekit.tflite.metadata import Metadata, write_metadata
from tests.support.build import GraphBuilder, colour_classifier, colour_model

COLOURS = ("red", "green", "blue")


def _colour(red, green, blue, size=(30, 20)):
    return Image.new("RGB", size, (red, green, blue))


def _model(dtype, convention="raw", *, softmax=True, output="probabilities", **scaling):
    spec = InputSpec(8, 8).with_convention(convention)
    content = colour_classifier(dtype, softmax=softmax, **scaling)
    return write_metadata(content, Metadata(labels=COLOURS, input=spec, output=output))


@pytest.mark.parametrize("dtype", ["float32", "uint8", "int8"])
@pytest.mark.parametrize(("colour", "name"), [((200, 9, 9), "red"), ((9, 200, 9), "green"), ((9, 9, 200), "blue")])
def test_names_the_colour(dtype, colour, name):
    with Classifier(_model(dtype)) as classifier:
        prediction = classifier.classify(_colour(*colour))
    assert prediction.classes[0].label == name
    assert [c.index for c in prediction.classes] == sorted(range(3), key=lambda i: (-colour[i], i))
    assert prediction.device == "cpu" and prediction.reason
    assert min(asdict(prediction.latency).values()) > 0
    assert prediction.latency.total == sum(asdict(prediction.latency).values())


@pytest.mark.parametrize("convention", ["raw", "0..1", "-1..1", "lite", "imagenet", "caffe"])
def test_float_scores_are_the_softmax_of_the_normalized_means(convention):
    spec = InputSpec(8, 8).with_convention(convention)
    with Classifier(_model("float32", convention)) as classifier:
        found = classifier.classify(_colour(120, 121, 119), k=3).classes
    pixels = np.array([120, 121, 119][:: -1 if spec.order == "bgr" else 1], float)
    logits = (pixels - spec.mean) / spec.std
    expected = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    assert {c.index: c.score for c in found} == pytest.approx(dict(enumerate(expected)), abs=1e-5)


def test_logits_are_softmaxed():
    with Classifier(_model("float32", "0..1", softmax=False, output="logits")) as classifier:
        scores = [c.score for c in classifier.classify(_colour(255, 0, 0)).classes]
    assert scores == pytest.approx([np.e / (np.e + 2), 1 / (np.e + 2), 1 / (np.e + 2)], abs=1e-6)


def test_without_metadata_the_graph_tells_logits_from_probabilities():
    image = _colour(255, 0, 0)
    for softmax in (True, False):
        with Classifier(colour_classifier("float32", softmax=softmax), preprocess="0..1") as classifier:
            scores = [c.score for c in classifier.classify(image).classes]
        assert scores[0] == pytest.approx(np.e / (np.e + 2), abs=1e-6)


def test_a_quantized_model_answers_as_a_bare_interpreter_does():
    from ai_edge_litert.interpreter import Interpreter

    content = _model("uint8", mean=100, std=50, convention="raw")
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image[np.newaxis])
    interpreter.invoke()
    expected = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0] / 256
    spec = InputSpec(8, 8, mean=(100,) * 3, std=(50,) * 3)
    with Classifier(content, preprocess=spec) as classifier:
        found = classifier.classify(image).classes
    assert {c.index: c.score for c in found} == pytest.approx(dict(enumerate(expected)))


@pytest.mark.parametrize("kind", ["path", "string", "bytes", "pillow", "array"])
def test_takes_every_kind_of_image(tmp_path, kind):
    image = _colour(0, 255, 0)
    path = tmp_path / "green.png"
    image.save(path)
    given = {
        "path": path,
        "string": str(path),
        "bytes": path.read_bytes(),
        "pillow": image,
        "array": np.asarray(image),
    }[kind]
    with Classifier(_model("uint8")) as classifier:
        assert classifier.classify(given, k=1).classes[0].label == "green"


def test_takes_a_model_by_path(tmp_path):
    path = tmp_path / "colours.tflite"
    path.write_bytes(_model("uint8"))
    for given in (path, str(path)):
        with Classifier(given, threads=1, device="cpu") as classifier:
            assert classifier.classify(_colour(0, 0, 255), k=1).classes == (ClassScore(2, "blue", 0.99609375),)


def test_every_class_has_a_name():
    with Classifier(_model("uint8")) as classifier:
        assert classifier.class_names == ("red", "green", "blue")
    with Classifier(colour_classifier("uint8")) as classifier:
        assert classifier.labels == () and classifier.class_names == ("class 0", "class 1", "class 2")


def test_the_same_image_twice_gives_the_same_classes():
    with Classifier(_model("int8")) as classifier:
        first, second = (classifier.classify(_colour(9, 80, 70)) for _ in range(2))
    assert isinstance(first, Prediction) and first.classes == second.classes


def test_k_larger_than_the_classes_gives_all_and_none_is_refused():
    with Classifier(_model("uint8")) as classifier:
        assert len(classifier.classify(_colour(1, 2, 3), k=99).classes) == 3
        assert len(classifier.classify(_colour(1, 2, 3), k=1).classes) == 1
        with pytest.raises(UsageError):
            classifier.classify(_colour(1, 2, 3), k=0)


def test_equal_scores_come_in_the_order_of_the_classes():
    with Classifier(_model("uint8")) as classifier:
        assert [c.index for c in classifier.classify(_colour(7, 7, 7)).classes] == [0, 1, 2]


def test_without_labels_classes_have_numbers():
    with Classifier(colour_classifier("uint8")) as classifier:
        assert classifier.labels == ()
        assert classifier.classify(_colour(0, 0, 255), k=1).classes[0].label == "class 2"


def test_labels_can_be_given():
    with Classifier(_model("uint8"), labels=["rot", "grün", "blau"]) as classifier:
        assert classifier.classify(_colour(0, 0, 255), k=1).classes[0].label == "blau"


@pytest.mark.parametrize("labels", [["a"], ["a", "b"], ["a", "b", "c", "d"]])
def test_labels_that_do_not_fit_are_refused(labels):
    with pytest.raises(UsageError, match=f"{len(labels)} labels for 3 classes"):
        Classifier(_model("uint8"), labels=labels)


def test_labels_for_one_value_are_two():
    with pytest.raises(UsageError, match="There are 3 labels for 2 classes"):
        Classifier(_two_classes(), labels=["a", "b", "c"], preprocess="0..1")


def test_the_best_five_are_told_where_no_number_is_asked_for():
    graph = GraphBuilder()
    x = graph.input((1, 4, 4, 1), "uint8", quant=(1.0, 0))
    shape = graph.constant(np.array([1, 16], np.int32))
    content = graph.finish([graph.op("RESHAPE", [x, shape], (1, 16), "uint8", quant=(1.0, 0), options={})])
    image = np.arange(16, dtype=np.uint8).reshape(4, 4)
    with Classifier(content) as classifier:
        for found in (classifier.classify(image), *classifier.classify_many([image])):
            assert [each.index for each in found.classes] == [15, 14, 13, 12, 11]


# One sigmoid value is two classes.


def _two_classes(metadata=None, *, sigmoid=True):
    graph = GraphBuilder()
    x = graph.input((1, 8, 8, 3))
    w = graph.constant(np.ones((1, 192), np.float32) / 192)
    flat = graph.op("RESHAPE", [x, graph.constant(np.array([1, 192], np.int32))], (1, 192), options={})
    y = graph.op("FULLY_CONNECTED", [flat, w, -1], (1, 1), options={})
    content = graph.finish([graph.op("LOGISTIC", [y], (1, 1)) if sigmoid else y])
    return write_metadata(content, metadata) if metadata else content


@pytest.mark.parametrize(
    ("labels", "names"),
    [((), ("class 1", "class 0")), (("cat", "dog"), ("dog", "cat")), (("dog",), ("dog", "not dog"))],
)
@pytest.mark.parametrize("sigmoid", [True, False])
def test_one_value_is_the_second_of_two_classes(labels, names, sigmoid):
    with Classifier(_two_classes(sigmoid=sigmoid), labels=labels, preprocess="0..1") as classifier:
        best, other = classifier.classify(_colour(255, 255, 255)).classes
    assert (best.label, other.label) == names and (best.index, other.index) == (1, 0)
    assert best.score == pytest.approx(1 / (1 + np.exp(-1)), abs=1e-6)
    assert best.score + other.score == pytest.approx(1)


def test_a_grey_model_sees_grey():
    graph = GraphBuilder()
    x = graph.input((1, 4, 4, 1), "uint8", quant=(1.0, 0))
    shape = graph.constant(np.array([1, 16], np.int32))
    content = graph.finish([graph.op("RESHAPE", [x, shape], (1, 16), "uint8", quant=(1.0, 0), options={})])
    with Classifier(content) as classifier:
        assert classifier.spec.shape == (4, 4, 1)
        assert classifier.classify(_colour(255, 255, 255)).classes[0].score == pytest.approx(1 / 16)


# Preprocessing is known, or asked for.


def test_a_float_model_that_says_nothing_is_not_guessed():
    with pytest.raises(PreprocessingError, match="does not say") as caught:
        Classifier(colour_classifier("float32"))
    assert "--preprocess" in caught.value.hint and "imagenet" in caught.value.hint


def test_an_8_bit_model_that_says_nothing_takes_pixels_as_they_are():
    for dtype in ("uint8", "int8"):
        with Classifier(colour_classifier(dtype, mean=128, std=128)) as classifier:
            assert classifier.classify(_colour(9, 9, 200), k=1).classes[0].index == 2
            assert classifier.spec.mean == (128.0,) * 3


def test_preprocessing_given_wins_over_the_models():
    with Classifier(_model("float32", "raw"), preprocess="127.5,127.5") as classifier:
        assert classifier.spec == InputSpec(8, 8).with_convention("-1..1")


def test_preprocessing_for_another_size_is_refused():
    with pytest.raises(PreprocessingError, match=r"\(9, 9, 3\)"):
        Classifier(_model("float32"), preprocess=InputSpec(9, 9))


def test_preprocessing_that_is_not_understood_is_refused():
    with pytest.raises(UsageError, match="not understood"):
        Classifier(_model("float32"), preprocess="torch")


# What is no classifier, or no model.


def _graph(shape, outputs, opcode="LOGISTIC", dtype="float32"):
    graph = GraphBuilder()
    x = graph.input(shape, dtype)
    return graph.finish([graph.op(opcode, [x], shape, dtype) for _ in range(outputs)])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (_graph((1, 8, 8, 3), 1), "map"),
        (_graph((1, 8, 8, 3), 2), "2 outputs"),
        (_graph((1, 8, 8, 3), 4), "object detector"),
        (_graph((1, 10), 1), "not one image"),
        (_graph((1, 3, 8, 8), 1), "not one image"),
        (_graph((32, 8, 8, 3), 1), "not one image"),
        (_graph((1, 8, 8, 4), 1), "not one image"),
    ],
)
def test_what_is_no_classifier_is_refused_with_what_it_looks_like(content, reason):
    with pytest.raises(UnsupportedModelError, match=reason):
        Classifier(content, preprocess="raw")


def test_several_inputs_are_refused():
    graph = GraphBuilder()
    x, y = graph.input((1, 8, 8, 3)), graph.input((1, 8, 8, 3))
    with pytest.raises(UnsupportedModelError, match="2 inputs"):
        Classifier(graph.finish([graph.op("ADD", [x, y], (1, 8, 8, 3), options={})]))


def test_class_numbers_are_no_scores():
    graph = GraphBuilder()
    x = graph.input((1, 8, 8, 3))
    axis = graph.constant(np.array([3], np.int32))
    content = graph.finish([graph.op("ARG_MAX", [x, axis], (1, 8, 8), "int64", options={"outputType": 4})])
    with pytest.raises(UnsupportedModelError, match="class numbers"):
        Classifier(content, preprocess="raw")


def test_an_image_size_unknown_until_run_time_is_refused():
    graph = GraphBuilder()
    x = graph.input((1, 1, 1, 3), signature=(-1, -1, -1, 3))
    axes = graph.constant(np.array([1, 2], np.int32))
    with pytest.raises(UnsupportedModelError, match="known size"):
        Classifier(graph.finish([graph.op("MEAN", [x, axes], (1, 3), options={})]), preprocess="raw")


def test_a_compiled_model_names_its_twin(tmp_path):
    graph = GraphBuilder()
    x = graph.input((1, 8, 8, 3), "uint8", quant=(1.0, 0))
    content = graph.finish([graph.op("CUSTOM:edgetpu-custom-op", [x], (1, 3), "uint8", quant=(1 / 256, 0))])
    path = tmp_path / "colours_edgetpu.tflite"
    path.write_bytes(content)
    with pytest.raises(DeviceError, match="compiled for the Edge TPU") as caught:
        Classifier(path)
    assert "Bring the file" in caught.value.hint and "colours.tflite" in caught.value.hint
    (tmp_path / "colours.tflite").write_bytes(_model("uint8"))
    with pytest.raises(DeviceError, match="is not the model that") as caught:
        Classifier(path)
    assert "edgekit compile colours.tflite" in caught.value.hint
    with pytest.raises(DeviceError, match="compiled for the Edge TPU"):
        Classifier(content)
    other = tmp_path / "renamed.tflite"
    other.write_bytes(content)
    with pytest.raises(DeviceError) as caught:
        Classifier(other)
    assert "renamed" not in caught.value.hint


@pytest.mark.parametrize(("name", "told"), [("MyOp", "MyOp"), ("FlexErf", "Flex")])
def test_operators_that_no_interpreter_brings_along(name, told):
    graph = GraphBuilder()
    x = graph.input((1, 8, 8, 3))
    content = graph.finish([graph.op(f"CUSTOM:{name}", [x], (1, 3))])
    with pytest.raises(UnsupportedModelError, match=told):
        Classifier(content, preprocess="raw")


def test_an_operator_newer_than_the_interpreter():
    graph = GraphBuilder()
    x = graph.input((1, 8, 8, 3))
    axes = graph.constant(np.array([1, 2], np.int32))
    with pytest.raises(DeviceError, match=r"too old.*MEAN version 99"):
        Classifier(graph.finish([graph.op("MEAN", [x, axes], (1, 3), options={}, version=99)]), preprocess="raw")


def test_what_the_interpreter_refuses_is_a_format_error():
    graph = GraphBuilder()
    x = graph.input((1, 8, 8, 3))
    narrow = graph.constant(np.zeros((1, 8, 8, 2), np.float32))
    with pytest.raises(ModelFormatError, match="refused by the interpreter"):
        Classifier(graph.finish([graph.op("ADD", [x, narrow], (1, 8, 8, 3), options={})]), preprocess="raw")


def test_an_answer_of_another_shape_is_a_format_error():
    graph = GraphBuilder()
    x = graph.input((1, 8, 8, 3))
    w = graph.constant(np.zeros((3, 3), np.float32))
    content = graph.finish([graph.op("FULLY_CONNECTED", [x, w, -1], (1, 3), options={})])
    with Classifier(content, preprocess="raw") as classifier, pytest.raises(ModelFormatError, match=r"\[64, 3\]"):
        classifier.classify(_colour(1, 2, 3))


def test_answers_that_are_no_numbers_are_an_error():
    graph = GraphBuilder()
    x = graph.input((1, 8, 8, 3))
    axes = graph.constant(np.array([1, 2], np.int32))
    mean = graph.op("MEAN", [x, axes], (1, 3), options={})
    content = graph.finish([graph.op("LOG", [mean], (1, 3))])
    spec = InputSpec(8, 8, mean=(200,) * 3)
    with Classifier(content, preprocess=spec) as classifier, pytest.raises(ModelError, match="no numbers"):
        classifier.classify(_colour(1, 2, 3))


@pytest.mark.parametrize("content", [b"", b"TFL3", b"not a model" * 10])
def test_what_is_no_model_is_refused(content):
    with pytest.raises(ModelFormatError):
        Classifier(content)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ModelFormatError, match="no file"):
        Classifier(tmp_path / "none.tflite")


@pytest.mark.parametrize("options", [{"device": "gpu"}, {"device": ""}, {"threads": 0}, {"threads": -1}])
def test_options_that_cannot_be(options):
    with pytest.raises(UsageError):
        Classifier(_model("uint8"), **options)


def test_a_closed_classifier_says_so():
    with Classifier(_model("uint8")) as classifier:
        pass
    with pytest.raises(DeviceError, match="closed"):
        classifier.classify(_colour(1, 2, 3))


def _jpeg():
    stream = io.BytesIO()
    _colour(1, 2, 3, (64, 64)).save(stream, "JPEG")
    return stream.getvalue()


@pytest.mark.parametrize("image", [b"", b"GIF89a", _jpeg()[:300], np.zeros((0, 3, 3)), np.zeros(5), "none.jpg"])
def test_what_is_no_image_is_an_image_error_and_the_next_one_works(image):
    with Classifier(_model("uint8")) as classifier:
        with pytest.raises(ImageError) as caught:
            classifier.classify(image)
        assert isinstance(caught.value, DataError) and isinstance(caught.value, EdgekitError)
        assert classifier.classify(_colour(200, 0, 0), k=1).classes[0].label == "red"


@pytest.mark.shared
def test_a_model_maker_file_recognises_flowers(shared):
    model = shared / "user-models" / "flowers-model-maker" / "FlowerModel.tflite"
    images = sorted((shared / "flowers" / "validation").glob("*/*.jpg"))[::25]
    with Classifier(model) as classifier:
        right = sum(classifier.classify(path).classes[0].label == path.parent.name for path in images)
    assert right >= 0.8 * len(images)


# Many images, several threads.


def test_many_images_one_after_the_other():
    images = [_colour(*colour) for colour in ((200, 9, 9), (9, 9, 200), (9, 200, 9))]
    with Classifier(_model("uint8")) as classifier:
        answers = classifier.classify_many((image for image in images), k=1)
        assert [answer.classes[0].label for answer in answers] == ["red", "blue", "green"]


def test_an_endless_stream_is_taken_as_it_comes():
    def stream():
        while True:
            yield _colour(9, 200, 9)

    with Classifier(_model("uint8")) as classifier:
        answers = classifier.classify_many(stream(), k=1)
        assert next(answers) and next(answers).classes[0].label == "green"


def test_a_wrong_image_among_many_is_told_where_it_comes():
    with Classifier(_model("uint8")) as classifier:
        answers = classifier.classify_many([_colour(9, 200, 9), b"no image"])
        assert next(answers).classes[0].label == "green"
        with pytest.raises(ImageError):
            next(answers)


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.4, 0.9])
def test_a_threshold_leaves_out_the_improbable(threshold):
    with Classifier(_model("float32", "0..1")) as classifier:  # softmax of (1, 0.8, 0): 0.46, 0.38, 0.17
        found = classifier.classify(_colour(255, 204, 0), threshold=threshold).classes
    expected = np.exp([1, 0.8, 0]) / np.exp([1, 0.8, 0]).sum()
    assert len(found) == sum(expected >= threshold)


def test_a_shared_classifier_answers_each_thread_rightly():
    colours = {"red": (200, 9, 9), "green": (9, 200, 9), "blue": (9, 9, 200)}
    with Classifier(_model("int8"), threads=1) as classifier, ThreadPoolExecutor(6) as pool:
        names = [name for _ in range(100) for name in colours]
        found = pool.map(lambda name: classifier.classify(_colour(*colours[name]), k=1).classes[0].label, names)
        assert list(found) == names


def test_a_second_thread_does_not_read_the_model_again(monkeypatch):
    with Classifier(_model("int8"), threads=1) as classifier, ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(opening, "read_graph", None)
        found = pool.submit(classifier.classify, _colour(9, 200, 9), k=1).result()
        assert found.classes == classifier.classify(_colour(9, 200, 9), k=1).classes


def test_a_closed_classifier_is_closed_for_all_threads():
    with ThreadPoolExecutor(1) as pool:
        with Classifier(_model("uint8")) as classifier:
            pool.submit(classifier.classify, _colour(1, 2, 3)).result()
        with pytest.raises(DeviceError, match="closed"):
            pool.submit(classifier.classify, _colour(1, 2, 3)).result()


def test_a_new_thread_takes_no_other_model_than_the_first(tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(_model("uint8"))
    with Classifier(path) as classifier, ThreadPoolExecutor(1) as pool:
        other = tmp_path / "other.tflite"
        other.write_bytes(_model("int8"))
        other.replace(path)
        with pytest.raises(DeviceError, match="has changed"):
            pool.submit(classifier.classify, _colour(1, 2, 3)).result()
        assert classifier.classify(_colour(200, 9, 9), k=1).classes[0].label == "red"


def test_latencies_are_milliseconds_of_what_was_done(monkeypatch):
    classifier = Classifier(colour_model())
    clock = iter((1.0, 1.25, 2.25, 2.75))
    monkeypatch.setattr(classifier_module, "perf_counter", lambda: next(clock))
    found = classifier.classify(np.zeros((8, 8, 3), np.uint8)).latency
    assert (found.preprocess, found.inference, found.postprocess, found.total) == (250, 1000, 500, 1750)
