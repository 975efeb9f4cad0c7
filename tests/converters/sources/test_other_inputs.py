"""Models that take an image's pixels in another shape, and models with settings of training inside."""

import numpy as np
import pytest

from edgekit.calibration import open_samples
from edgekit.converters.export.reference import float_reference
from edgekit.converters.sources.open import load_source
from edgekit.errors import UnsupportedModelError
from edgekit.preprocess import parse_preprocess
from tests.support.tiny_keras import classifier, save, saved_as

IMAGES = np.random.default_rng(0).random((2, 12, 10, 1), dtype=np.float32)


def grey(keras, *, shape=(12, 10), scaled=False, flat=False):
    layers = keras.layers
    body = [layers.Flatten()] if flat else [layers.Reshape((12, 10, 1)), layers.Conv2D(4, 3), layers.Flatten()]
    before = [layers.Rescaling(1 / 255)] if scaled else []
    return keras.Sequential([keras.Input(shape), *before, *body, layers.Dense(3, activation="softmax")])


@pytest.mark.parametrize("kind", ["keras", "savedmodel", "tflite"])
@pytest.mark.parametrize("flat", [False, True], ids=["Reshape", "Flatten"])
def test_a_grey_image_without_its_axis_of_channels(kind, flat, keras3, tmp_path):
    model = grey(keras3, flat=flat)
    source = load_source(saved_as(kind, model, tmp_path))
    assert source.spec.shape == (12, 10, 1)
    expected = np.asarray(model(IMAGES[..., 0]))
    np.testing.assert_allclose(source.predict(IMAGES), expected, atol=1e-5)
    spec = parse_preprocess("0..1", source.spec)
    exported = float_reference(source, spec, open_samples(None, spec, count=2))  # which compares the two
    assert exported.graph.tensors[exported.graph.inputs[0]].shape == (1, 12, 10, 1)


def test_scaling_before_the_reshape_does_not_hide_it(keras3, keras2, tmp_path):
    for keras, kind in ((keras3, "keras"), (keras2, "h5")):
        source = load_source(saved_as(kind, grey(keras, scaled=True), tmp_path))
        assert (source.spec.shape, source.rescales) == ((12, 10, 1), True)


@pytest.mark.parametrize("kind", ["keras", "savedmodel", "tflite"])
def test_a_sequence_is_no_grey_image(kind, keras3, tmp_path):
    layers = keras3.layers
    model = keras3.Sequential([keras3.Input((12, 10)), layers.Conv1D(4, 3), layers.Flatten(), layers.Dense(3)])
    with pytest.raises(UnsupportedModelError, match=r"shape \(\?, 12, 10\), which is no image") as caught:
        load_source(saved_as(kind, model, tmp_path))
    assert "keras.Sequential([keras.Input((12, 10, 1)), keras.layers.Reshape((12, 10)), model])" in caught.value.hint


@pytest.mark.parametrize(("pixels", "shape"), [(784, "(28, 28, 1)"), (3072, "(32, 32, 3)")])
def test_pixels_in_a_row_are_refused_with_a_remedy_that_works(pixels, shape, keras3, tmp_path):
    layers = keras3.layers
    model = keras3.Sequential([keras3.Input((pixels,)), layers.Dense(3)])
    with pytest.raises(UnsupportedModelError, match=f"{pixels}") as caught:
        load_source(save(model, tmp_path / "m.keras"))
    remedy = f"keras.Sequential([keras.Input({shape}), keras.layers.Flatten(), model])"
    assert remedy in caught.value.hint
    mended = eval(remedy, {"keras": keras3, "model": model})
    assert load_source(save(mended, tmp_path / "mended.keras")).spec.shape == eval(shape)


def test_a_row_of_numbers_that_is_no_image_has_no_such_remedy(keras3, tmp_path):
    model = keras3.Sequential([keras3.Input((13,)), keras3.layers.Dense(3)])
    with pytest.raises(UnsupportedModelError) as caught:
        load_source(save(model, tmp_path / "m.keras"))
    assert "Flatten" not in caught.value.hint


def trained(keras):
    """A compiled classifier whose settings of training are its author's own."""

    class Optimizer(keras.optimizers.Adam):
        pass

    class Metric(keras.metrics.SparseCategoricalAccuracy):
        pass

    def loss(expected, found):
        return keras.losses.sparse_categorical_crossentropy(expected, found, from_logits=True)

    settings = {
        "usual": ("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), ["accuracy"]),
        "schedule": (keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 10)), "mse", ["mae"]),
        "own": (Optimizer(0.01), loss, [Metric()]),
    }
    for name, (optimizer, goal, metrics) in settings.items():
        model = classifier(keras, activation=None)
        model.compile(optimizer=optimizer, loss=goal, metrics=metrics)
        yield name, model


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize("version", ["keras2", "keras3"])
def test_a_compiled_model_within_a_model_is_opened_without_its_settings_of_training(version, suffix, request, tmp_path):
    keras = request.getfixturevalue(version)
    for name, inner in trained(keras):
        model = keras.Sequential([inner, keras.layers.Softmax()])
        model.compile("rmsprop", keras.losses.SparseCategoricalCrossentropy(), metrics=["accuracy"])
        images = np.random.default_rng(0).random((1, *inner.input_shape[1:]), dtype=np.float32)
        expected = np.asarray(model(images))
        source = load_source(save(model, tmp_path / f"{name}.{suffix}"))
        np.testing.assert_allclose(source.predict(images), expected, atol=1e-5)


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize("version", ["keras2", "keras3"])
def test_regularizers_and_constraints_of_ones_own_do_not_matter(version, suffix, request, tmp_path):
    keras = request.getfixturevalue(version)

    class Regularizer(keras.regularizers.Regularizer):
        def __call__(self, weights):
            return 0.0

        def get_config(self):
            return {}

    class Constraint(keras.constraints.Constraint):
        def __call__(self, weights):
            return weights

        def get_config(self):
            return {}

    layer = keras.layers.Conv2D(3, 1, kernel_regularizer=Regularizer(), bias_constraint=Constraint())
    assert load_source(save(classifier(keras, layer), tmp_path / f"m.{suffix}")).classes == 3
