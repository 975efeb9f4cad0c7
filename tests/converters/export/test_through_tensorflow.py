import warnings
from dataclasses import replace

import numpy as np
import pytest

from edgekit.calibration import open_samples
from edgekit.converters.export.through_tensorflow import check_export, export_float
from edgekit.converters.sources.keras.loader import load_keras
from edgekit.converters.sources.open import load_source
from edgekit.converters.sources.sniff import KERAS_ZIP
from edgekit.errors import ConversionError
from edgekit.preprocess import InputSpec
from edgekit.tflite import read_graph
from tests.support.float_nets import colour_net
from tests.support.tiny_keras import SIZE, classifier, save

SPEC = InputSpec(SIZE, SIZE)


def images(count=3):
    return open_samples(None, SPEC, count=count)


@pytest.fixture(scope="module")
def keras_source(keras3, tmp_path_factory):
    keras3.utils.set_random_seed(0)
    model = classifier(keras3, keras3.layers.Rescaling(1 / 255))
    path = save(model, tmp_path_factory.mktemp("export") / "m.keras")
    return load_keras(path, KERAS_ZIP, trust=False, size=None)


def tflite_source(tmp_path, content):
    (tmp_path / "m.tflite").write_bytes(content)
    return load_source(tmp_path / "m.tflite")


def test_a_keras_model_becomes_static_and_frozen_and_answers_alike(keras_source):
    model = export_float(keras_source, SPEC)
    graph = model.graph
    assert [graph.tensors[i].shape for i in (*graph.inputs, *graph.outputs)] == [(1, SIZE, SIZE, 3), (1, 3)]
    assert not any(tensor.is_dynamic for tensor in graph.tensors)
    assert not {"VAR_HANDLE", "READ_VARIABLE", "SHAPE"} & set(graph.op_counts())
    assert (model.spec, model.output, model.labels) == (SPEC, "probabilities", ())
    assert check_export(keras_source, SPEC, model, images()) < 1e-5


def test_a_fixed_batch_in_keras_becomes_1(keras2, tmp_path):
    source = load_source(save(classifier(keras2, batch=32), tmp_path / "m.h5"))
    model = export_float(source, SPEC)
    assert model.graph.tensors[0].shape[0] == 1
    check_export(source, SPEC, model, images())


@pytest.mark.parametrize("batch", [32, None])
@pytest.mark.parametrize("head", ["pooling", "flatten"])
def test_other_batches_in_a_tflite_become_1(keras2, tmp_path, batch, head):
    import tensorflow as tf

    layers = keras2.layers
    middle = layers.GlobalAveragePooling2D() if head == "pooling" else layers.Flatten()
    given = keras2.Input(batch_shape=(batch, SIZE, SIZE, 3))
    answer = layers.Dense(4, "softmax")(middle(layers.Conv2D(4, 3, strides=4)(given)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        content = tf.lite.TFLiteConverter.from_keras_model(keras2.Model(given, answer)).convert()
    source = tflite_source(tmp_path, content)
    model = export_float(source, SPEC)
    graph = model.graph
    assert [graph.tensors[i].shape for i in (*graph.inputs, *graph.outputs)] == [(1, SIZE, SIZE, 3), (1, 4)]
    assert check_export(source, SPEC, model, images()) < 1e-5


def test_names_become_unique(tmp_path):
    source = tflite_source(tmp_path, colour_net().replace(b"conv_0", b"logits").replace(b"scores", b"logits"))
    names = [tensor.name for tensor in read_graph(source.content).tensors]
    assert names.count("logits") == 3
    names = [tensor.name for tensor in export_float(source, source.spec).graph.tensors]
    assert len(set(names)) == len(names)


def test_an_export_that_computes_something_else_is_refused(keras_source):
    model = export_float(keras_source, SPEC)
    wrong = replace(model, spec=InputSpec(SIZE, SIZE, mean=(60.0,) * 3))
    with pytest.raises(ConversionError, match="does not compute what") as caught:
        check_export(keras_source, SPEC, wrong, images())
    assert "-v" in caught.value.hint


def test_a_source_that_answers_nan_is_refused(tmp_path):
    source = tflite_source(tmp_path, colour_net(dense=np.full((3, 3), np.nan)))
    model = export_float(source, source.spec)
    with pytest.raises(ConversionError, match="answers NaN or infinity to an ordinary image"):
        check_export(source, source.spec, model, open_samples(None, source.spec, count=1))


def test_an_export_that_alone_answers_nan_is_refused(tmp_path):
    source = tflite_source(tmp_path, colour_net())
    model = export_float(source, source.spec)
    broken = replace(model, graph=read_graph(colour_net(dense=np.full((3, 3), np.nan))))
    with pytest.raises(ConversionError, match="does not compute what"):
        check_export(source, source.spec, broken, open_samples(None, source.spec, count=1))


def test_what_tensorflow_refuses_is_told_in_a_line(keras_source):
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((1, SIZE, SIZE, 3))], autograph=False)
    def fails(images):
        raise TypeError("first line\nsecond line")

    with pytest.raises(ConversionError, match=r"could not convert .*: first line ") as caught:
        export_float(replace(keras_source, call=fails), SPEC)
    assert "-v" in caught.value.hint


def test_of_a_dump_of_the_compiler_the_ops_are_named(keras_source):
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((1, SIZE, SIZE, 3))], autograph=False)
    def unknown(images):
        return tf.linalg.det(tf.einsum("bhwc,bhwd->bcd", images, images))

    with pytest.raises(ConversionError) as caught:
        export_float(replace(keras_source, call=unknown), SPEC)
    assert "TFLite has no MatrixDeterminant of this kind" in caught.value.message
    assert len(str(caught.value).splitlines()) <= 2


def test_a_model_of_another_shape_than_the_source_says_is_refused(keras_source):
    with pytest.raises(ConversionError, match="instead of"):
        export_float(replace(keras_source, classes=5), SPEC)
