import numpy as np
import pytest

from edgekit.devices import discovery
from edgekit.pycoral.interpreter import say_once
from edgekit.pycoral.learn.imprinting.engine import FACTOR, ImprintingEngine
from edgekit.tflite import Metadata, read_graph, read_metadata
from edgekit.tflite.metadata import pixel_input, write_metadata
from tests.support import pycoral_models as models
from tests.support.build import GraphBuilder, colour_classifier
from tests.support.pycoral_models import COLOURS, scores, written
from tests.support.recordings import custom_options, typical_package

KINDS = {
    "pycoral's own": models.imprinting_model,
    "int8": models.classifier,
    "uint8": lambda: models.classifier("uint8"),
    "float": lambda: models.classifier("float32"),
    "1x1 convolution": lambda: models.classifier("uint8", kernel="CONV_2D"),
}


def trained(path, keep_classes=False, first=0):
    """An engine that has seen two images of each colour, and the embeddings of each class."""
    engine, seen = ImprintingEngine(path, keep_classes), {}
    for number, colour in enumerate(COLOURS):
        for shade in (colour, colour // 2 + 20):
            embedding = scores(engine.serialize_extractor_model(), shade)
            engine.train(embedding, first + number)
            seen.setdefault(first + number, []).append(embedding)
    return engine, seen


def expected(weights, embedding, factor):
    """Softmax of factor times the cosines."""
    logits = factor * weights @ embedding
    return np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()


@pytest.mark.parametrize("kind", KINDS)
def test_answers_are_those_of_the_formula(tmp_path, kind):
    path = written(tmp_path, KINDS[kind]())
    engine, seen = trained(path)
    means = np.stack([np.mean(found, axis=0) for found in seen.values()])
    weights = means / np.linalg.norm(means, axis=1, keepdims=True)
    content, extractor = engine.serialize_model(), engine.serialize_extractor_model()
    factor = 16.0 if kind == "pycoral's own" else FACTOR
    for number, colour in enumerate(COLOURS):
        embedding = scores(extractor, colour)
        assert np.linalg.norm(embedding) == pytest.approx(1, abs=0.02) and embedding.shape == (engine.embedding_dim,)
        answer = scores(content, colour)
        assert answer.argmax() == number
        # The steps of the cosine (1/128), times the factor, move a probability p by p(1 - p) of that.
        tolerance = 1e-4 if kind == "float" else 0.01 + factor / 128 / 4
        np.testing.assert_allclose(answer, expected(weights, embedding, factor), atol=tolerance)


@pytest.mark.parametrize("kind", KINDS)
def test_the_models_type_is_kept(tmp_path, kind):
    path = written(tmp_path, KINDS[kind]())
    source = read_graph(path)
    graph = read_graph(trained(path)[0].serialize_model())
    assert [op.opcode for op in graph.ops][-5:] == ["RESHAPE", "CONV_2D", "MUL", "RESHAPE", "SOFTMAX"] or (
        [op.opcode for op in graph.ops][-5:] == ["L2_NORMALIZATION", "CONV_2D", "MUL", "RESHAPE", "SOFTMAX"]
    )
    ends = [(graph.tensors[index].dtype, graph.tensors[index].quant) for index in (*graph.inputs, *graph.outputs)]
    assert ends == [
        (source.tensors[index].dtype, source.tensors[index].quant) for index in (*source.inputs, *source.outputs)
    ]
    # No op of another type: what computes in 8 bits is mapped to the Edge TPU as a whole.
    activations = {tensor.dtype for op in graph.ops for tensor in graph.op_outputs(op)}
    assert activations == {source.tensors[source.inputs[0]].dtype}


def test_weights_of_pycorals_own_models_are_stored_as_they_ask(tmp_path):
    path = written(tmp_path, models.imprinting_model())
    engine, seen = trained(path)
    graph = read_graph(engine.serialize_model())
    kernel = graph.tensors[next(op for op in graph.ops if op.opcode == "CONV_2D").inputs[1]]
    assert (kernel.quant.scale, kernel.quant.zero_point) == ((np.float32(0.01),), (120,))
    lengths = [np.linalg.norm(np.sum(found, axis=0)) for found in seen.values()]
    assert graph.description == "".join(f"{i} {length:f}\n" for i, length in enumerate(lengths))


def test_the_answer_to_a_pycoral_model_is_the_same_before_and_after_saving_it_again(tmp_path):
    content = models.imprinting_model()
    again = ImprintingEngine(written(tmp_path, content), keep_classes=True).serialize_model()
    for colour in COLOURS:
        np.testing.assert_allclose(scores(again, colour), scores(content, colour), atol=2 / 256)


@pytest.mark.parametrize("kind", KINDS)
def test_training_goes_on_where_it_was_saved(tmp_path, kind):
    path = written(tmp_path, KINDS[kind]())
    engine = ImprintingEngine(path)
    embeddings = [scores(engine.serialize_extractor_model(), colour) for colour in COLOURS]
    engine.train(embeddings[0], 0)
    saved = ImprintingEngine(written(tmp_path, engine.serialize_model(), "saved.tflite"), keep_classes=True)
    assert (saved.num_classes, saved.embedding_dim) == (1, 3)
    for target in (engine, saved):
        target.train(embeddings[1], 0)
        target.train(embeddings[2], 1)
    for colour in COLOURS:
        at_once, in_two = scores(engine.serialize_model(), colour), scores(saved.serialize_model(), colour)
        np.testing.assert_allclose(in_two, at_once, atol=1e-4 if kind == "float" else 0.08)


@pytest.mark.parametrize("kind", KINDS)
def test_classes_of_the_model_are_kept_and_cannot_be_trained(tmp_path, kind):
    path = written(tmp_path, KINDS[kind]())
    classes = read_graph(path).tensors[read_graph(path).outputs[0]].shape[1]
    engine, _ = trained(path, keep_classes=True, first=classes)
    assert engine.num_classes == classes + 3
    with pytest.raises(RuntimeError, match="Cannot change the base model classes not trained with imprinting method!"):
        engine.train(np.ones(3), 0)
    assert scores(engine.serialize_model(), COLOURS[1]).shape == (classes + 3,)


def test_wrong_training(tmp_path):
    engine = ImprintingEngine(written(tmp_path, models.classifier()))
    with pytest.raises(RuntimeError, match=r"Model is not trained\."):
        engine.serialize_model()
    for embedding in (np.ones(4), np.ones((1, 3)), np.float32(1)):
        with pytest.raises(RuntimeError, match=r"Invalid weights array shape\."):
            engine.train(embedding, 0)
    with pytest.raises(RuntimeError, match="class index of a new category is too large!"):
        engine.train(np.ones(3), 1)
    with pytest.raises(RuntimeError, match="negative"):
        engine.train(np.ones(3), -1)
    with pytest.raises(RuntimeError, match="no numbers"):
        engine.train(np.array([1, np.nan, 0]), 0)
    assert engine.num_classes == 0


def test_a_class_of_nothing_but_zeros_harms_no_other(tmp_path):
    engine, _ = trained(written(tmp_path, models.classifier()))
    engine.train(np.zeros(3), 3)
    answer = scores(engine.serialize_model(), COLOURS[2])
    assert answer.argmax() == 2 and np.all(np.isfinite(answer))


def test_weights_that_do_not_fit_the_models_quantization_get_their_own(tmp_path):
    engine = ImprintingEngine(written(tmp_path, models.imprinting_model()))
    engine.train(np.array([0, 0, -1.5]), 0)  # the model's weights go from -1.2 on; a unit vector to -1
    engine.train(np.array([0, 0, 1.5]), 1)
    graph = read_graph(engine.serialize_model())
    kernel = graph.tensors[next(op for op in graph.ops if op.opcode == "CONV_2D").inputs[1]]
    assert kernel.quant.scale == (np.float32(0.01),)
    # After int8 training of another model: the stored range grows with the weights.
    other = ImprintingEngine(written(tmp_path, models.classifier()))
    other.train(np.array([1, 1, 1]), 0)
    again = ImprintingEngine(written(tmp_path, other.serialize_model(), "one.tflite"), keep_classes=True)
    again.train(np.array([1, 0, 0]), 1)
    assert scores(again.serialize_model(), np.array([255, 0, 0])).argmax() == 1


def test_how_images_become_the_input_is_taken_over_and_labels_are_not(tmp_path):
    content = models.classifier("uint8")
    spec = pixel_input(read_graph(content).tensors[0])
    path = written(tmp_path, write_metadata(content, Metadata(labels=("a", "b", "c", "d"), input=spec)))
    metadata = read_metadata(trained(path)[0].serialize_model())
    assert (metadata.input, metadata.output, metadata.labels) == (spec, "probabilities", ())


def test_a_missing_file_is_named():
    with pytest.raises(ValueError, match=r"Failed to open file: invalid_model_path\.tflite"):
        ImprintingEngine("invalid_model_path.tflite")


@pytest.mark.parametrize("content", [b"", b"nonsense" * 9, colour_classifier(), models.detector()])
def test_what_is_no_classifier_is_refused(tmp_path, content):
    with pytest.raises(ValueError, match=r"truncated|not a \.tflite|Unsupported model architecture"):
        ImprintingEngine(written(tmp_path, content))


def test_a_convolution_over_several_places_is_no_last_layer(tmp_path):
    graph = GraphBuilder()
    x = graph.input((1, 2, 2, 3))
    w, b = graph.constant(np.ones((4, 1, 1, 3), np.float32)), graph.constant(np.zeros(4, np.float32))
    y = graph.op("CONV_2D", [x, w, b], (1, 2, 2, 4), options={"strideW": 1, "strideH": 1})
    with pytest.raises(ValueError, match="Unsupported model architecture"):
        ImprintingEngine(written(tmp_path, graph.finish([y])))


def compiled_classifier(folder):
    """`models.classifier` and its compiled file, all of it in one custom op; returns the latter's path."""
    plain = read_graph(models.classifier())
    written(folder, plain.content, "net.tflite")
    graph = GraphBuilder()
    ends = []
    for index in (*plain.inputs, *plain.outputs):
        like = plain.tensors[index]
        quant = (like.quant.scale[0], like.quant.zero_point[0])
        ends.append(graph.tensor(like.shape, like.dtype, quant=quant, name=like.name))
    graph.graph.inputs.append(ends[0])
    package = custom_options(typical_package())
    graph.raw_op("CUSTOM:edgetpu-custom-op", ends[:1], ends[1:], options=package)
    return written(folder, graph.finish(ends[1:]), "net_edgetpu.tflite")


@pytest.mark.parametrize("attached", [False, True])
def test_of_a_compiled_classifier_the_twin_is_trained(tmp_path, attached, request, monkeypatch, capfd):
    if attached:
        request.getfixturevalue("one_usb_device")
    else:
        monkeypatch.setattr(discovery, "ROOT", tmp_path / "bare machine")
    say_once.cache_clear()
    # The file's parameters are those of a recording, not of the model beside it.
    monkeypatch.setattr("edgekit.devices.twin._inside", lambda model, compiled, graph: "")
    engine = ImprintingEngine(compiled_classifier(tmp_path))
    plain = ImprintingEngine(str(tmp_path / "net.tflite"))
    assert engine.serialize_extractor_model() == plain.serialize_extractor_model()
    reason = "the last layer is compiled" if attached else "no Edge TPU is attached"
    said = capfd.readouterr().err
    assert said.count("is trained in place of") == 1 and reason in said


def test_a_compiled_classifier_without_its_twin_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(discovery, "ROOT", tmp_path / "bare machine")
    path = compiled_classifier(tmp_path)
    (tmp_path / "net.tflite").unlink()
    with pytest.raises(ValueError, match=r"usually net\.tflite"):
        ImprintingEngine(path)
