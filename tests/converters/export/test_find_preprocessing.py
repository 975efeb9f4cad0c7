import warnings
from dataclasses import fields, replace

import numpy as np
import pytest
from PIL import Image

from edgekit.calibration.samples import open_samples
from edgekit.converters.export.find_preprocessing import (
    CLEAR_RATIO,
    FIRST_IMAGES,
    IMAGES,
    convention_scores,
    find_preprocessing,
)
from edgekit.converters.export.reference import resolve_preprocessing
from edgekit.converters.sources.open import load_source
from edgekit.converters.sources.source import FirstNorm, KerasSource, TfliteSource
from edgekit.errors import PreprocessingError
from edgekit.preprocess import CONVENTIONS, InputSpec, describe, normalize, parse_preprocess
from tests.support.tiny_keras import classifier, save

SPEC = InputSpec(48, 48)
FILTERS = np.random.default_rng(2).normal(size=(3, 8)).astype(np.float32)


def photographs(seed=1, count=32):
    return open_samples(None, SPEC, count=count, seed=seed)


def converted(model):
    import tensorflow as tf

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return tf.lite.TFLiteConverter.from_keras_model(model).convert()


def moments(images):
    """Mean and variance of a 1×1 convolution's outputs."""
    seen = (images @ FILTERS).reshape(-1, FILTERS.shape[1])
    return seen.mean(axis=0), seen.var(axis=0)


def trained_with(convention, seed=99, **changes):
    """A source whose first norm has seen other images, scaled by a convention."""
    spec = SPEC.with_convention(convention)
    images = np.stack([normalize(sample.pixels, spec) for sample in photographs(seed)])
    norm = FirstNorm("stem_bn", *moments(images), moments)
    source = KerasSource(
        path="model.h5",
        format="keras3",
        framework="keras",
        sha256="",
        spec=SPEC,
        classes=2,
        output="logits",
        rescales=False,
        predict=lambda images: images[:, 0, 0, :2],
        call=lambda images: images,
        first_norm=norm,
        build=lambda: None,
    )
    return replace(source, **changes)


@pytest.mark.parametrize("convention", [name for name in CONVENTIONS if name not in ("lite", "caffe", "raw")])
def test_each_convention_is_found(convention):
    finding = find_preprocessing(trained_with(convention), photographs())
    assert (finding.name, finding.certain) == (convention, True)
    assert finding.spec == SPEC.with_convention(convention)
    assert "times nearer than" in finding.how and "stem_bn" in finding.how
    assert min(finding.scores, key=finding.scores.get) == convention


@pytest.mark.parametrize("convention", ["raw", "caffe"])
def test_raw_and_caffe_differ_by_their_means_alone_and_still_are_found(convention):
    scores = convention_scores(trained_with(convention).first_norm, SPEC, photographs())
    assert min(scores, key=scores.get) == convention
    assert min(scores["0..1"], scores["-1..1"], scores["imagenet"]) > CLEAR_RATIO


def test_lite_is_named_only_where_the_architecture_is_one():
    assert find_preprocessing(trained_with("lite"), photographs()).name == "-1..1"
    lite = trained_with("lite", architecture="EfficientNetLite0")
    finding = find_preprocessing(lite, photographs())
    assert (finding.name, finding.spec.mean, finding.spec.std) == ("lite", (127.0,) * 3, (128.0,) * 3)


def test_scores_are_the_formulas():
    """Against the formula written out for one channel: ½·ln²(v/w) + (m−n)²/(v+w)."""
    norm = FirstNorm("n", np.float32([1.0]), np.float32([4.0]), lambda images: (np.float32([2]), np.float32([9])))
    expected = 0.5 * np.log(9 / 4) ** 2 + 1 / 13
    score = convention_scores(norm, SPEC, photographs(count=1))["raw"]
    assert score == pytest.approx(expected, rel=1e-2)


def test_dead_channels_count_as_agreeing():
    stored = FirstNorm("n", np.float32([0, 0]), np.float32([1, 1e-9]), lambda p: (np.zeros(2), np.array([1, 1e-14])))
    assert convention_scores(stored, SPEC, photographs(count=1))["raw"] < 1e-3


def test_statistics_of_another_world_are_not_guessed_from():
    strange = trained_with("-1..1")
    norm = replace(strange.first_norm, mean=strange.first_norm.mean + 50, variance=strange.first_norm.variance * 1e-4)
    with pytest.raises(PreprocessingError, match="none of the usual") as caught:
        find_preprocessing(replace(strange, first_norm=norm), photographs())
    assert "--preprocess" in caught.value.hint and "imagenet" in caught.value.hint


def looked_at(source, samples):
    """How many images of one kind went through the model's first layers at most."""
    seen = []
    norm = source.first_norm
    counting = replace(norm, moments=lambda images: (seen.append(len(images)), norm.moments(images))[1])
    find_preprocessing(replace(source, first_norm=counting), samples)
    return max(seen)


def test_a_few_images_suffice_where_they_speak_clearly_and_all_are_asked_where_not():
    assert looked_at(trained_with("0..1"), photographs()) == FIRST_IMAGES
    wider = trained_with("0..1").first_norm
    doubtful = replace(trained_with("0..1"), first_norm=replace(wider, variance=wider.variance * np.float32(4)))
    assert looked_at(doubtful, photographs()) == IMAGES


def dull(count=32):
    """Images of half the contrast: under ImageNet's convention they look like ordinary ones under -1..1."""
    images = [np.clip(125 + (sample.pixels.astype(int) - 125) / 2, 0, 255) for sample in photographs(3, count)]
    return open_samples([image.astype(np.uint8) for image in images], SPEC)


def test_dull_images_alone_would_mislead_and_are_not_trusted():
    source = trained_with("-1..1")
    alone = convention_scores(source.first_norm, SPEC, dull())
    assert min(alone, key=alone.get) == "imagenet"
    with pytest.raises(PreprocessingError, match="equally well"):
        find_preprocessing(source, dull())


def test_a_network_trained_on_dull_images_is_understood():
    source = trained_with("0..1")
    stacked = np.stack([normalize(sample.pixels, SPEC.with_convention("0..1")) for sample in dull()])
    trained = replace(source.first_norm, **dict(zip(("mean", "variance"), moments(stacked), strict=True)))
    assert find_preprocessing(replace(source, first_norm=trained), dull()).name == "0..1"


def test_nothing_that_would_tell():
    for changes in ({"architecture": None}, {"architecture": "VGG16"}):
        with pytest.raises(PreprocessingError, match="no layer that would tell") as caught:
            find_preprocessing(trained_with("raw", first_norm=None, **changes), photographs())
    assert "VGG16 is usually trained with caffe" in caught.value.hint


def test_a_model_that_scales_itself_takes_raw_pixels():
    finding = find_preprocessing(trained_with("raw", rescales=True, first_norm=None), photographs())
    assert (finding.name, finding.certain, finding.scores) == ("raw", True, {})
    assert find_preprocessing(trained_with("raw", rescales=True), photographs()).certain


def test_statistics_that_contradict_the_layers_are_followed_and_that_is_told():
    finding = find_preprocessing(trained_with("0..1", rescales=True), photographs())
    assert (finding.name, finding.certain) == ("0..1", False)
    assert finding.spec == SPEC.with_convention("0..1")
    assert "although the model scales pixels itself" in finding.how


CLASSES = ("bright", "dark")


@pytest.fixture
def labelled(tmp_path):
    """60 images each of a bright and of a dark class."""
    for place, name in enumerate(CLASSES):
        (tmp_path / name).mkdir()
        for number in range(60):
            pixels = np.full((48, 48, 3), (131 if place == 0 else 10) + 2 * number, np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{number:02}.png")
    return open_samples(tmp_path, SPEC)


def right_under(convention, share=1.0, **changes):
    """A source that tells images by their brightness where they are scaled by a convention, and guesses elsewhere."""
    spec = SPEC.with_convention(convention)
    low, high = (normalize(np.full(SPEC.shape, value, np.uint8), spec).mean() for value in (0, 255))
    chance = np.random.default_rng(0)

    def answer(image):
        bright = image.mean() > low + (high - low) * 0.51
        known = low <= image.min() and image.max() <= high and chance.random() < share
        return (0 if bright else 1) if known else int(chance.integers(2))

    def predict(images):
        return np.eye(2, dtype=np.float32)[[answer(image) for image in images]]

    return replace(trained_with("raw", first_norm=None, labels=CLASSES), predict=predict, **changes)


def test_labelled_images_decide_where_nothing_in_the_model_tells(labelled):
    finding = find_preprocessing(right_under("raw"), labelled)
    assert (finding.name, finding.certain) == ("raw", True)
    assert "right on 120 labelled images: raw" in finding.how


def test_labelled_images_decide_between_layers_and_statistics(labelled):
    norm = trained_with("0..1").first_norm
    assert find_preprocessing(right_under("raw", rescales=True, first_norm=norm), labelled).name == "raw"
    finding = find_preprocessing(right_under("0..1", rescales=True, first_norm=norm), labelled)
    assert (finding.name, finding.certain) == ("0..1", True)


def test_labelled_images_on_which_a_model_only_guesses_decide_nothing(labelled):
    with pytest.raises(PreprocessingError, match="right on 120 labelled images"):
        find_preprocessing(right_under("raw", share=0), labelled)


def test_folders_that_are_not_the_classes_of_the_model_decide_nothing(labelled):
    source = replace(right_under("raw"), labels=("cat", "dog"))
    with pytest.raises(PreprocessingError, match="no layer that would tell"):
        find_preprocessing(source, labelled)


def test_labels_that_do_not_tell_two_conventions_apart_settle_it_unsurely(labelled):
    source = right_under("0..1")
    known = source.predict
    alike = replace(source, predict=lambda images: known(images / 255 if images.max() > 2 else images))
    finding = find_preprocessing(alike, labelled)
    assert finding.name in ("raw", "0..1") and not finding.certain
    few = replace(labelled, candidates=labelled.candidates[:40], count=40)
    with pytest.raises(PreprocessingError, match="right on 40 labelled images"):
        find_preprocessing(alike, few)


def test_a_scaling_layer_before_statistics_of_pixels_that_nobody_scaled_is_refused():
    """Sequential([Rescaling(1/255), a model trained on raw pixels])."""
    raw = trained_with("raw", rescales=True)
    norm = raw.first_norm
    divided = replace(norm, moments=lambda images: norm.moments(images / 255))
    with pytest.raises(PreprocessingError, match="pixels that were not scaled"):
        find_preprocessing(replace(raw, first_norm=divided), photographs())


def test_statistics_that_training_never_moved_contradict_no_layer():
    raw = trained_with("raw", rescales=True)
    norm = raw.first_norm
    fresh = replace(
        norm,
        mean=np.zeros_like(norm.mean),
        variance=np.ones_like(norm.variance),
        moments=lambda images: norm.moments(images / 255),
    )
    assert find_preprocessing(replace(raw, first_norm=fresh), photographs()).name in ("raw",)


@pytest.mark.parametrize("name", ["EfficientNetB0", "EfficientNetV2B0"])
def test_an_efficientnet_without_scaling_inside_is_not_said_to_take_raw_pixels(name):
    with pytest.raises(PreprocessingError) as caught:
        find_preprocessing(trained_with("raw", first_norm=None, architecture=name), photographs())
    assert f"{name} is usually trained with" in caught.value.hint and "with raw" not in caught.value.hint


@pytest.mark.parametrize("version", ["keras2", "keras3"])
def test_arithmetic_that_stretches_wants_pixels_that_somebody_scaled(request, tmp_path, version):
    keras = request.getfixturevalue(version)
    cases = (
        (lambda x: (x * 255.0 - 127.0) / 128.0, False),
        (lambda x: (x + 1.0) * 127.5, False),
        (lambda x: x / (1 / 255.0), False),
        (lambda x: (x - 127.5) / 127.5, True),
        (lambda x: x - 127.5, True),
        (lambda x: x * (1 / 255.0), True),
    )
    for number, (scale, expected) in enumerate(cases):
        given = keras.Input(SPEC.shape)
        model = keras.Model(given, classifier(keras, shape=SPEC.shape)(scale(given)))
        source = load_source(save(model, tmp_path / f"{number}{'.h5' if version == 'keras2' else '.keras'}"))
        assert source.rescales == expected, number


def test_stretching_counts_together_with_the_weights_behind_it(keras2, tmp_path):
    """As a `.tflite`, where the batch normalization, and with it the statistics, went into the convolution."""
    given = keras2.Input(SPEC.shape)
    body = classifier(keras2, shape=SPEC.shape)
    body.layers[0].set_weights([body.layers[0].get_weights()[0] / 128])
    for name, scale, expected in (("in01", 255.0, False), ("raw", 1.0, True)):
        model = keras2.Model(given, body(given * scale - 0.5))
        path = tmp_path / f"{name}.tflite"
        path.write_bytes(converted(model))
        assert load_source(path).rescales == expected, name


def test_what_the_file_states_is_taken():
    source, stated = trained_with("-1..1"), SPEC.with_convention("imagenet")
    kept = {item.name: getattr(source, item.name) for item in fields(TfliteSource) if hasattr(source, item.name)}
    finding = find_preprocessing(TfliteSource(**kept, content=b"", stated=stated), photographs())
    assert (finding.spec, finding.name, finding.certain) == (stated, "imagenet", True)


@pytest.mark.parametrize("version", ["keras2", "keras3"])
@pytest.mark.parametrize("convention", ["0..1", "-1..1", "imagenet"])
def test_a_network_trained_a_little_tells(request, tmp_path, version, convention):
    """Batch normalization that really has seen images, in both Kerases, read back from the file."""
    keras = request.getfixturevalue(version)
    model = classifier(keras, shape=SPEC.shape)
    seen = np.stack([normalize(sample.pixels, SPEC.with_convention(convention)) for sample in photographs(7)])
    outputs = np.asarray(model.layers[0](seen)).reshape(-1, 4)
    norm = model.get_layer("first_norm")
    norm.moving_mean.assign(outputs.mean(axis=0))
    norm.moving_variance.assign(outputs.var(axis=0))
    source = load_source(save(model, tmp_path / "m.h5"))
    assert find_preprocessing(source, photographs()).name == convention


@pytest.mark.parametrize("version", ["keras2", "keras3"])
def test_scaling_layers_are_seen(request, tmp_path, version):
    keras = request.getfixturevalue(version)
    layers = keras.layers
    cases = (
        ([layers.Rescaling(1 / 255)], True),
        ([layers.Rescaling(1 / 127.5, offset=-1)], True),
        ([layers.Resizing(48, 48), layers.RandomFlip(), layers.Rescaling(1 / 255)], True),
        ([layers.Normalization(mean=[120, 115, 100], variance=[3600, 3500, 3700])], True),
        ([layers.Rescaling(1 / 255), layers.Normalization(mean=[0.5] * 3, variance=[0.05] * 3)], True),
        ([layers.Rescaling(2.0, offset=-1)], False),
        ([layers.Normalization(mean=[0.5] * 3, variance=[0.05] * 3)], False),
        ([layers.Conv2D(4, 1), layers.Rescaling(1 / 255)], False),
        ([layers.Activation("relu"), layers.Rescaling(1 / 255)], False),
        ([], False),
    )
    for number, (before, expected) in enumerate(cases):
        model = classifier(keras, *before, shape=SPEC.shape)
        assert load_source(save(model, tmp_path / f"{number}.keras")).rescales == expected, number


@pytest.mark.parametrize("version", ["keras2", "keras3"])
@pytest.mark.parametrize("network", ["mobilenet_v2", "resnet50", "densenet"])
def test_preprocess_input_inside_the_model_is_seen(request, tmp_path, version, network):
    keras = request.getfixturevalue(version)
    given = keras.Input(SPEC.shape)
    scaled = getattr(keras.applications, network).preprocess_input(given)
    model = keras.Model(given, classifier(keras, shape=SPEC.shape)(scaled))
    # Each Keras loses a part of this arithmetic in the other suffix: slices in tf_keras's .keras, all in Keras 3's .h5.
    source = load_source(save(model, tmp_path / ("m.h5" if version == "keras2" else "m.keras")))
    assert source.rescales
    images = np.stack([sample.pixels for sample in photographs(count=2)]).astype(np.float32)
    np.testing.assert_allclose(source.predict(images), np.asarray(model(images)), atol=1e-5)


@pytest.mark.shared
def test_real_networks(shared):
    for model, convention in (
        ("user-models/cat-dog/keras_model.h5", "-1..1"),
        ("models/b0_hard.h5", "imagenet"),
        ("models/b0_flowers.h5", "raw"),
    ):
        source = load_source(shared / model)
        samples = open_samples(shared / "imagenet/calibration", source.spec, count=32)
        assert find_preprocessing(source, samples).name == convention


@pytest.mark.parametrize(
    ("trained", "given", "told"),
    [
        ("imagenet", "0..1", True),
        ("raw", "caffe", True),
        ("0..1", "0,1", True),
        ("imagenet", "imagenet", False),
        ("-1..1", "lite", False),
        ("-1..1", "127,128", False),
        ("imagenet", "127.5,57", False),
    ],
)
def test_a_given_scaling_that_the_statistics_clearly_contradict_is_told(trained, given, told):
    finding = resolve_preprocessing(trained_with(trained), photographs(), given)
    assert finding.spec == parse_preprocess(given, SPEC)
    assert bool(finding.contradicted) == told
    assert not told or f"the model says {describe(SPEC.with_convention(trained))} (" in finding.contradicted


def test_nothing_contradicts_where_the_model_does_not_tell():
    assert not resolve_preprocessing(trained_with("0..1", first_norm=None), photographs(), "caffe").contradicted
