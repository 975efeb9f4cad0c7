"""Images → a model's input, against Pillow, numpy and the conventions' published formulas."""

import io

import numpy as np
import pytest
from PIL import Image

from edgekit import preprocess
from edgekit.errors import UsageError
from edgekit.image import decode
from edgekit.preprocess import (
    CONVENTIONS,
    InputSpec,
    apply,
    contradiction,
    describe,
    fit,
    normalize,
    parse_preprocess,
    parse_resize,
)

RED = (255, 0, 0)
SPEC = InputSpec(4, 4)


def encoded(image, kind="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def photo(size=(64, 48), seed=0):
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, 3)


# --- size -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1, 10000), (10000, 1), (1, 1), (3, 2), (299, 299), (500, 333)])
@pytest.mark.parametrize("resize", ["stretch", "crop"])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_image_fits_any_input(size, resize, channels):
    spec = InputSpec(33, 47, channels, (0,) * channels, (1,) * channels, resize=resize, crop=0.875)
    pixels = fit(Image.new("RGB", size, (90, 90, 90)), spec)
    assert (pixels.shape, pixels.dtype) == ((33, 47, channels), np.uint8)
    assert (pixels == 90).all()


def test_an_image_of_the_right_size_is_not_touched():
    image = photo((40, 30))
    for resize in ("stretch", "crop"):
        assert np.array_equal(fit(image, InputSpec(30, 40, resize=resize)), np.asarray(image))


def test_halving_by_nearest_and_by_bilinear_against_numpy():
    pixels = np.asarray(photo((32, 24))).astype(float)
    half = fit(np.uint8(pixels), InputSpec(12, 16, interpolation="bilinear"))
    kernel = np.array([1, 3, 3, 1]) / 8  # a triangle as wide as two input pixels on each side
    padded = np.pad(pixels, ((1, 1), (1, 1), (0, 0)), "edge")
    rows = sum(weight * padded[i : i + 24 : 2] for i, weight in enumerate(kernel))
    both = sum(weight * rows[:, i : i + 32 : 2] for i, weight in enumerate(kernel))
    assert np.abs(half[1:-1, 1:-1] - both[1:-1, 1:-1]).max() <= 1
    nearest = fit(np.uint8(pixels), InputSpec(12, 16, interpolation="nearest"))
    assert np.array_equal(nearest, np.uint8(pixels)[1::2, 1::2])


@pytest.mark.parametrize("resize", ["stretch", "crop"])
def test_a_narrow_tall_image_is_resized_in_two_steps_to_nearly_the_same(monkeypatch, resize):
    rng = np.random.default_rng(0)
    tall = np.repeat(rng.integers(0, 256, (400, 3, 3), np.uint8), 5, axis=0)
    spec = InputSpec(64, 64, resize=resize)
    at_once = fit(tall, spec).astype(int)
    monkeypatch.setattr(preprocess, "_MOST_BETWEEN", 1000)
    assert np.abs(fit(tall, spec).astype(int) - at_once).max() <= 2  # rounded to 8 bits in between, by either way


@pytest.mark.parametrize(("size", "box"), [((400, 200), (100, 0, 300, 200)), ((200, 400), (0, 100, 200, 300))])
def test_centre_crop_against_slicing(size, box):
    image = photo(size)
    expected = np.asarray(image.crop(box))
    assert np.array_equal(fit(image, InputSpec(200, 200, interpolation="bilinear", resize="crop")), expected)


def test_centre_crop_with_a_margin_against_resize_then_slice():
    image = photo((320, 256))
    result = fit(image, InputSpec(112, 112, interpolation="bilinear", resize="crop", crop=0.875)).astype(float)
    wide = np.asarray(image.resize((160, 128), 2)).astype(float)  # shorter side 112 / 0.875
    expected = wide[8:120, 24:136]
    assert np.abs(result - expected)[2:-2, 2:-2].max() <= 1


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("resize", ["stretch", "crop"])
def test_large_jpeg_decoded_at_a_part_of_its_size_gives_the_same_input(orientation, resize):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(photo((1200, 900)), "JPEG", exif=exif, quality=95)
    spec = InputSpec(64, 96, resize=resize, crop=0.875)
    assert max(decode(content, least=220).size) == 300
    assert decode(content).size == ((1200, 900) if orientation == 1 else (900, 1200))
    difference = fit(content, spec).astype(int) - fit(np.asarray(decode(content)), spec)
    assert np.abs(difference).max() <= 2


@pytest.mark.parametrize("turned", [False, True])
def test_an_image_of_the_inputs_aspect_ratio_but_for_rounding_is_cropped_to_all_of_it(turned):
    """7 × (29 ÷ 7) is a little more than 29, and Pillow takes no box that begins before the image."""
    size, spec = ((29, 5), InputSpec(1, 7, resize="crop")) if turned else ((5, 29), InputSpec(7, 1, resize="crop"))
    assert fit(Image.new("RGB", size, (9, 9, 9)), spec).tolist() == np.full(spec.shape, 9).tolist()


def test_centre_crop_keeps_the_inputs_aspect_ratio():
    image = photo((400, 300))
    found = fit(image, InputSpec(100, 200, interpolation="bilinear", resize="crop", crop=0.5))
    assert np.array_equal(found, np.asarray(image.crop((100, 100, 300, 200))))
    found = fit(image, InputSpec(150, 50, interpolation="bilinear", resize="crop", crop=0.5))
    assert np.array_equal(found, np.asarray(image.crop((175, 75, 225, 225))))


@pytest.mark.parametrize(
    ("height", "width", "crop", "least"),
    [(64, 96, 1.0, 192), (96, 64, 1.0, 192), (64, 96, 0.5, 384), (64, 64, 0.875, 147)],
)
def test_an_image_is_decoded_at_twice_the_size_that_is_needed(monkeypatch, height, width, crop, least):
    asked = []
    monkeypatch.setattr(preprocess, "decode", lambda image, *, least: asked.append(least) or decode(image))
    fit(photo(), InputSpec(height, width, crop=crop, resize="crop"))
    assert asked == [least]


def test_pixels_that_fit_go_through_untouched():
    pixels = np.asarray(photo((40, 30)))
    assert fit(pixels, InputSpec(30, 40)) is pixels
    for spec in (InputSpec(30, 40, resize="crop", crop=0.5), InputSpec(30, 40, 1, (0,), (1,)), InputSpec(40, 30)):
        assert fit(pixels, spec).shape == spec.shape
        assert not np.shares_memory(fit(pixels, spec), pixels)
    assert fit(pixels.astype(np.float32), InputSpec(30, 40)).dtype == np.uint8


@pytest.mark.parametrize("kind", ["nearest", "bilinear", "bicubic", "lanczos"])
def test_interpolation_is_pillows_filter_of_that_name(kind):
    filters = {name: getattr(Image.Resampling, name.upper()) for name in ("nearest", "bilinear", "bicubic", "lanczos")}
    found = fit(photo(), InputSpec(20, 30, interpolation=kind))
    assert np.array_equal(found, np.asarray(photo().resize((30, 20), filters[kind])))


def test_grey_input_is_luma():
    assert fit(Image.new("RGB", (9, 9), RED), InputSpec(4, 4, 1, (0,), (1,))).tolist() == [[[76]] * 4] * 4


# --- normalization --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("raw", (0, 128, 255)),
        ("0..1", (0, 128 / 255, 1)),
        ("-1..1", (-1, 128 / 127.5 - 1, 1)),
        ("lite", (-127 / 128, 1 / 128, 1)),
        ("imagenet", (-0.485 / 0.229, (128 / 255 - 0.456) / 0.224, (1 - 0.406) / 0.225)),
        ("caffe", (255 - 103.939, 128 - 116.779, 0 - 123.68)),
    ],
)
def test_conventions_against_their_published_formulas(name, expected):
    spec = InputSpec(1, 1).with_convention(name)
    assert normalize(np.uint8([[[0, 128, 255]]]), spec)[0, 0] == pytest.approx(expected, abs=1e-5)


def test_apply_is_the_whole_path():
    spec = InputSpec(20, 30).with_convention("imagenet")
    result = apply(encoded(photo()), spec)
    assert (result.shape, result.dtype) == ((1, 20, 30, 3), np.float32)
    assert np.array_equal(result[0], normalize(fit(photo(), spec), spec))


@pytest.mark.parametrize("name", CONVENTIONS)
def test_conventions_of_grey_inputs(name):
    spec = InputSpec(4, 4, 1, (0,), (1,)).with_convention(name)
    assert normalize(np.zeros((4, 4, 1), np.uint8), spec).shape == (4, 4, 1)
    assert spec.order == "rgb"
    mean, std, _ = CONVENTIONS[name]
    assert spec.mean == pytest.approx([np.mean(mean)]) and spec.std == pytest.approx([np.mean(std)])


@pytest.mark.parametrize(
    ("text", "mean", "std"),
    [
        ("127.5,127.5", (127.5,) * 3, (127.5,) * 3),
        (" Lite ", (127.0,) * 3, (128.0,) * 3),
        ("0/255", (0.0,) * 3, (255.0,) * 3),
        ("1,2,3/4,5,6", (1.0, 2.0, 3.0), (4.0, 5.0, 6.0)),
        ("1,2,3/4", (1.0, 2.0, 3.0), (4.0,) * 3),
    ],
)
def test_scaling_that_a_user_writes(text, mean, std):
    spec = parse_preprocess(text, SPEC)
    assert (spec.mean, spec.std, spec.shape) == (mean, std, SPEC.shape)


@pytest.mark.parametrize("text", ["", "x", "1", "1,2,3", "1,2/3,4", "1/0", "1/-1", "nan,1", "1,inf", "1/2/3", "1,,2/3"])
def test_scaling_that_is_none(text):
    with pytest.raises(UsageError, match="not understood"):
        parse_preprocess(text, SPEC)


def test_scaling_of_a_grey_input():
    grey = InputSpec(4, 4, 1, (0,), (1,))
    assert parse_preprocess("1,2", grey) == InputSpec(4, 4, 1, (1,), (2,))
    assert parse_preprocess("imagenet", grey) == grey.with_convention("imagenet")


def test_unknown_convention():
    with pytest.raises(UsageError, match="imagenet"):
        InputSpec(4, 4).with_convention("tensorflow")


# --- the description ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CONVENTIONS)
def test_description_round_trip(name):
    spec = InputSpec(np.int64(240), 224, resize="crop", crop=0.875, interpolation="bicubic").with_convention(name)
    value = spec.to_json()
    assert InputSpec.from_json(dict(value, unknown=1)) == spec
    assert type(value["height"]) is int
    assert describe(spec) == {"raw": "raw pixels 0..255", "caffe": "caffe (BGR, mean subtracted)"}.get(name, name)


def test_an_input_unless_told_otherwise_takes_raw_colours():
    spec = InputSpec(4, 4)
    assert spec.shape == (4, 4, 3) and (spec.crop, spec.resize) == (1.0, "stretch")
    assert spec == spec.with_convention("raw")


@pytest.mark.parametrize(
    "change", [{"height": 8192}, {"width": 8192}, {"height": 1}, {"width": 1}, {"crop": 1.0}, {"crop": 0.01}]
)
def test_descriptions_at_the_bounds(change):
    assert InputSpec.from_json(dict(InputSpec(8, 8).to_json(), **change))


def test_description_without_a_name_gives_numbers():
    assert describe(InputSpec(4, 4, mean=(1, 2, 3), std=(4, 5, 6), order="bgr")) == "(x - [1, 2, 3]) / [4, 5, 6] BGR"


@pytest.mark.parametrize(
    "change",
    [
        {"height": 0},
        {"width": 0},
        {"width": -3},
        {"height": 8193},
        {"width": 8193},
        {"height": 2.5},
        {"height": "224"},
        {"height": None},
        {"channels": 2},
        {"channels": "rgb"},
        {"mean": (0, 0)},
        {"mean": None},
        {"mean": "abc"},
        {"mean": (0, 0, float("nan"))},
        {"std": (1, 1, 0)},
        {"std": (1, 1, -1)},
        {"std": (1, float("inf"), 1)},
        {"order": "grb"},
        {"resize": "pad"},
        {"resize": ["crop"]},
        {"interpolation": "area"},
        {"interpolation": ["bilinear"]},
        {"crop": 0},
        {"crop": 1.001},
        {"crop": float("nan")},
        {"crop": "all"},
    ],
)
def test_unusable_descriptions(change):
    with pytest.raises(UsageError, match="not usable"):
        InputSpec.from_json(dict(InputSpec(8, 8).to_json(), **change))


@pytest.mark.parametrize("value", [None, [], "x", {}, {"height": 4}])
def test_descriptions_without_a_size(value):
    with pytest.raises(UsageError, match="height and width"):
        InputSpec.from_json(value)


def test_public_names():
    assert set(preprocess.INTERPOLATIONS) == {"nearest", "bilinear", "bicubic", "lanczos"}


def test_pixels_that_fit_stay_as_they_are():
    pixels = np.random.default_rng(0).integers(0, 256, (8, 6, 3), dtype=np.uint8)
    assert np.array_equal(fit(pixels, InputSpec(8, 6)), pixels)
    assert fit(pixels, InputSpec(8, 6, resize="crop", crop=0.5)).shape == (8, 6, 3)
    assert fit(pixels.astype(float), InputSpec(8, 6)).dtype == np.uint8


@pytest.mark.parametrize(
    ("given", "known", "told"),
    [
        ("raw", "raw", False),
        ("-1..1", "lite", False),  # which differ by half a grey level
        ("0..1", "-1..1", True),
        ("raw", "0..1", True),
        ("0..1", "raw", True),
        ("imagenet", "caffe", True),
    ],
)
def test_a_preprocessing_that_the_model_contradicts_is_told(given, known, told):
    spec = InputSpec(8, 8)
    said = contradiction(spec.with_convention(given), spec.with_convention(known), "its batch normalization")
    assert bool(said) is told
    assert not told or "its batch normalization" in said


@pytest.mark.parametrize(("shift", "told"), [(0.0, False), (25.4, False), (25.6, True), (-25.4, False), (-25.6, True)])
def test_a_tenth_of_the_models_range_is_no_contradiction(shift, told):
    known = InputSpec(8, 8)
    given = InputSpec(8, 8, mean=(0.0, 0.0, -shift))
    assert bool(contradiction(given, known, "")) is told
    scaled = InputSpec(8, 8, mean=(0.0, 0.0, -shift), std=(255.0,) * 3)
    assert bool(contradiction(scaled, known.with_convention("0..1"), "")) is told


def test_blue_before_red_is_a_contradiction_however_alike_the_scales():
    known = InputSpec(8, 8)
    assert contradiction(InputSpec(8, 8, order="bgr"), known, "")


@pytest.mark.parametrize(
    ("text", "resize", "crop"),
    [
        ("stretch", "stretch", 1),
        ("crop", "crop", 1),
        ("crop:0.875", "crop", 0.875),
        ("crop:.5", "crop", 0.5),
    ],
)
def test_ways_to_resize(text, resize, crop):
    spec = parse_resize(text, InputSpec(8, 8))
    assert (spec.resize, spec.crop) == (resize, crop)
