import numpy as np
import pytest
from PIL import Image

import edgekit
from edgekit.converters.explaining import chosen_files, explain
from edgekit.errors import DataError, ImageError, UsageError
from edgekit.tflite.metadata import Metadata, write_metadata
from tests.support.build import colour_model
from tests.support.float_nets import SIZE as NET_SIZE
from tests.support.float_nets import colour_net, save_images
from tests.support.tiny_keras import SIZE, save

NAMES = ("blue", "green", "red")


def described(path, content=None, labels=NAMES):
    from edgekit.preprocess import InputSpec

    spec = InputSpec(NET_SIZE, NET_SIZE)
    path.write_bytes(write_metadata(content or colour_net(), Metadata(labels=labels, input=spec)))
    return path


@pytest.fixture
def photos(tmp_path):
    """Grey images, each with a red and a blue corner."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        pixels = np.full((NET_SIZE, NET_SIZE, 3), 100 + number, np.uint8)
        pixels[:6, :6] = (250, 20, 20)
        pixels[-4:, -4:] = (20, 20, 250)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


@pytest.mark.parametrize("hidden", [0, 7])
def test_maps_of_a_keras_file_are_keras_own_gradients(keras3, tmp_path, hidden):
    import tensorflow as tf

    keras3.utils.set_random_seed(3)
    layers = keras3.layers
    stem = [layers.Rescaling(1 / 255), layers.Conv2D(6, 3, strides=2, activation="relu")]
    dense = [layers.Dense(hidden, activation="relu")] if hidden else []
    head = [layers.GlobalAveragePooling2D(), *dense, layers.Dense(3)]
    model = keras3.Sequential([keras3.Input((SIZE, SIZE, 3)), *stem, *head, layers.Softmax()])
    pixels = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image.png")

    values = pixels[np.newaxis].astype(np.float32)
    for layer in stem:
        values = layer(values)
    with tf.GradientTape() as tape:
        tape.watch(values)
        scores = values
        for layer in head:
            scores = layer(scores)
        score = scores[0, 2]
    slopes = tape.gradient(score, values).numpy().mean(axis=(0, 1, 2))
    expected = values.numpy()[0] @ slopes

    found = explain(save(model, tmp_path / "m.keras"), tmp_path / "image.png", label="2", preprocess="raw")
    assert found.ways == (("grad-cam",) if hidden else ("cam",))
    np.testing.assert_allclose(found.images[0].maps[0].values, expected, rtol=2e-3, atol=1e-5)


def test_the_class_is_the_first_models_prediction_or_the_one_asked_for(tmp_path, photos):
    model = described(tmp_path / "m.tflite")
    assert {image.label for image in explain(model, photos).images} <= set(NAMES)
    red, blue = (explain(model, photos, label=name).images[0].maps[0].values for name in ("RED", "blue"))
    assert red[:5, :5].mean() > red.mean() > red[-3:, -3:].mean()
    assert blue[-3:, -3:].mean() > blue.mean() > blue[:5, :5].mean()
    with pytest.raises(UsageError, match="no class 'pink'"):
        explain(model, photos, label="pink")
    with pytest.raises(UsageError, match="no class 'class 9'"):
        explain(model, photos, label="9")


def test_maps_of_several_models_are_made_for_one_class_and_compared(tmp_path, photos):
    model = described(tmp_path / "m.tflite")
    turned = described(tmp_path / "turned.tflite", colour_net(dense=6 * np.eye(3)), labels=NAMES[::-1])
    other = described(tmp_path / "other.tflite", colour_net(dense=-6 * np.eye(3)[::-1]))
    found = edgekit.explain(model, photos, against=[turned, other], label="red")
    assert found.models == ("m.tflite", "turned.tflite", "other.tflite")
    assert found.correlations(0) == ()
    assert found.correlations(1) == pytest.approx([1.0] * 3)
    assert found.correlations(2) == pytest.approx([-1.0] * 3)


def test_a_model_of_other_classes_is_no_comparison(tmp_path, photos):
    others = described(tmp_path / "o.tflite", labels=("cat", "dog", "cow"))
    with pytest.raises(UsageError, match=r"o\.tflite has no class 'red'"):
        explain(described(tmp_path / "m.tflite"), photos, against=[others], label="red")


def test_maps_of_different_shapes_are_compared_over_the_image(tmp_path, photos):
    path = tmp_path / "int.tflite"
    path.write_bytes(colour_model())  # explained by occlusion, 8×8, where the other's map is 16×16
    found = explain(described(tmp_path / "m.tflite"), photos, against=[path], label="red")
    assert {each.values.shape for each in found.images[0].maps} == {(8, 8), (16, 16)}
    assert all(0.7 < value < 1 for value in found.correlations(1))


def test_an_integer_model_is_taken_as_it_is(tmp_path, photos):
    path = tmp_path / "int.tflite"
    path.write_bytes(colour_model())
    found = explain(path, photos, label="red")
    assert found.ways == ("occlusion",)
    values = found.images[0].maps[0].values
    assert np.unravel_index(values.argmax(), values.shape) in {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_broken_images_are_skipped_and_said(tmp_path, photos):
    model = described(tmp_path / "m.tflite")
    (photos / "9.jpg").write_bytes(b"\xff\xd8\xff")
    found = explain(model, photos)
    assert len(found.images) == 3 and list(found.skipped) == [str(photos / "9.jpg")]
    with pytest.raises(ImageError, match="None of the 1 images"):
        explain(model, photos / "9.jpg")


def test_a_folder_stands_for_some_of_its_images_evenly_from_its_classes(tmp_path):
    save_images(tmp_path / "images", each=4)
    files = chosen_files([tmp_path / "images"], 6)
    assert [file.split("/")[-2] for file in files] == ["blue"] * 2 + ["green"] * 2 + ["red"] * 2
    assert files == chosen_files([tmp_path / "images"], 6)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no images"):
        chosen_files([tmp_path / "empty"])
