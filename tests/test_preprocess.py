"""Pictures of every kind → input, against Pillow, numpy and Keras-like references; and what is refused."""

import io
import struct
import threading
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps, features

from edgekit import preprocess
from edgekit.errors import PictureError, UsageError
from edgekit.preprocess import CONVENTIONS, InputSpec, apply, decode, describe, fit, normalize

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def encoded(image, kind="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def corners(image):
    """Colours of the four corners, clockwise from the top left, each pure enough to be named."""
    pixels = np.asarray(image).astype(int)
    return [tuple(int(v > 127) * 255 for v in pixels[y, x]) for y, x in ((0, 0), (0, -1), (-1, -1), (-1, 0))]


def four_colours(size=(40, 24)):
    image = Image.new("RGB", size, WHITE)
    for colour, place in ((RED, (0, 0)), (GREEN, (size[0] // 2, 0)), (BLUE, (size[0] // 2, size[1] // 2))):
        image.paste(colour, (*place, place[0] + size[0] // 2, place[1] + size[1] // 2))
    return image


def photo(size=(64, 48), seed=0):
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, 3)


# --- decoding -------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I", "F", "LA", "RGBX"])
def test_every_mode_becomes_rgb(mode):
    result = decode(photo().convert(mode))
    assert (result.mode, result.size) == ("RGB", (64, 48))


@pytest.mark.parametrize("mode", ["PA", "RGBa", "La"])
def test_modes_that_come_about_by_a_second_conversion(mode):
    image = photo().convert({"PA": "P", "RGBa": "RGBA", "La": "LA"}[mode]).convert(mode)
    assert decode(image).mode == "RGB"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "GIF", "TIFF", "PPM", "WEBP", "TGA", "ICO"])
def test_formats(kind):
    if kind == "WEBP" and not features.check("webp"):
        pytest.skip("this Pillow has no WebP")
    result = decode(encoded(four_colours((32, 32)), kind))
    assert corners(result) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_exif_orientation_agrees_with_pillow(orientation, kind):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(four_colours(), kind, exif=exif)
    # Pillow below 11 turns TIFF files twice when asked to: once when loading, once more afterwards.
    reference = encoded(four_colours(), "PNG", exif=exif) if kind == "TIFF" else content
    with Image.open(io.BytesIO(reference)) as opened:
        expected = ImageOps.exif_transpose(opened).convert("RGB")
    result = decode(content)
    assert result.size == expected.size
    assert np.array_equal(np.asarray(result), np.asarray(expected))
    if orientation == 6:
        assert corners(result) == [WHITE, RED, GREEN, BLUE]


def test_broken_exif_spoils_no_picture():
    content = encoded(four_colours(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 40)
    assert corners(decode(content)) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_unknown_orientation_is_upright(value):
    exif = Image.Exif()
    exif[0x0112] = value
    assert decode(encoded(four_colours(), "JPEG", exif=exif)).size == (40, 24)


def test_transparency_is_laid_over_white():
    clear = Image.new("RGBA", (4, 4), (10, 20, 30, 0))
    half = Image.new("RGBA", (4, 4), (0, 0, 0, 128))
    assert decode(encoded(clear)).getpixel((0, 0)) == WHITE
    assert decode(encoded(half)).getpixel((0, 0)) == (127, 127, 127)
    assert decode(encoded(Image.new("LA", (4, 4), (0, 0)))).getpixel((0, 0)) == WHITE


def test_transparent_palette_and_colour_key():
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([9, 9, 9] + [200, 0, 0] * 255)
    assert decode(encoded(palette, "PNG", transparency=0)).getpixel((1, 1)) == WHITE
    assert decode(encoded(palette, "PNG", transparency=bytes([0, 255]))).getpixel((1, 1)) == WHITE
    assert decode(encoded(Image.new("RGB", (4, 4), (1, 2, 3)), "PNG", transparency=(1, 2, 3))).getpixel((1, 1)) == WHITE


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("top", [65535, 200])
def test_sixteen_bit_grey_is_scaled_not_clipped(kind, top):
    values = np.linspace(0, top, 64, dtype=np.uint16).reshape(8, 8)
    pixels = np.asarray(decode(encoded(Image.fromarray(values), kind)))
    assert np.array_equal(pixels[:, :, 0], np.rint(values / 257).astype(np.uint8))


def test_float_tiff_of_fractions_and_of_pixels():
    ramp = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    expected = np.rint(ramp * 255).astype(np.uint8)
    for scale in (1, 255):
        pixels = np.asarray(decode(encoded(Image.fromarray(ramp * np.float32(scale)), "TIFF")))
        assert np.array_equal(pixels[:, :, 1], expected)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_float_picture_with_a_hole_is_refused(value):
    holed = np.full((8, 8), 0.5, np.float32)
    holed[3, 3] = value
    with pytest.raises(PictureError, match="NaN"):
        decode(Image.fromarray(holed))


def test_inverted_cmyk_jpeg_of_adobe():
    # Pillow writes CMYK as Adobe does (inverted, with an APP14 marker); read back it must not be a negative.
    assert decode(encoded(Image.new("CMYK", (16, 16), (0, 0, 0, 0)), "JPEG")).getpixel((4, 4)) == WHITE


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_first_frame_of_an_animation(kind):
    if kind == "WEBP" and not features.check("webp"):
        pytest.skip("this Pillow has no WebP")
    frames = [Image.new("RGB", (20, 20), colour) for colour in (RED, GREEN, BLUE)]
    content = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)
    assert corners(decode(content)) == [RED] * 4


def test_file_named_as_another_format(tmp_path):
    path = tmp_path / "really_png.jpg"
    path.write_bytes(encoded(four_colours()))
    assert corners(decode(path)) == corners(decode(str(path))) == [RED, GREEN, BLUE, WHITE]


def test_no_warning_filter_of_the_caller_matters():
    content = encoded(four_colours(), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x02\0\x12\x01\x03\0\xff\xff\xff\xff")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode(content).size == (40, 24)


def test_decoding_in_threads_leaves_the_warning_filters_alone():
    decode(encoded(four_colours()))
    before = list(warnings.filters)
    threads = [threading.Thread(target=decode, args=(encoded(four_colours()),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("keep", [0, 0.02, 0.5, 0.9])
def test_truncated_files(kind, keep):
    content = encoded(photo((128, 96)), kind)
    with pytest.raises(PictureError):
        decode(content[: int(len(content) * keep)])


@pytest.mark.parametrize("seed", range(60))
def test_flipped_bytes_give_a_picture_or_a_picture_error(seed):
    rng = np.random.default_rng(seed)
    kind = ("JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP")[seed % 6]
    content = bytearray(encoded(photo(), kind))
    for place in rng.integers(0, len(content), 12):
        content[place] = rng.integers(0, 256)
    try:
        assert decode(bytes(content)).mode == "RGB"
    except PictureError as error:
        assert len(error.message) < 300


def png_header(width, height):
    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(10000, 9000), (30000, 30000), (2**31 - 1, 2**31 - 1)])
def test_decompression_bombs(size):
    with pytest.raises(PictureError, match="too large"):
        decode(png_header(*size))


def test_a_bomb_is_refused_although_the_application_lifted_pillows_bound(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(PictureError, match="too large"):
        decode(png_header(30000, 30000))


@pytest.mark.parametrize(
    "content", [b"", b"\0", b"GIF89a", b"%PDF-1.4", b"version https://git-lfs", b"\xff\xd8\xff" * 50]
)
def test_bytes_that_are_no_picture(content):
    with pytest.raises(PictureError):
        decode(content)


def test_postscript_never_reaches_ghostscript():
    with pytest.raises(PictureError):
        decode(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n0 0 moveto\nshowpage\n")


@pytest.mark.parametrize("thing", [None, 5, 2.5, [1, 2], {}, object()])
def test_things_that_are_no_picture(thing):
    with pytest.raises(PictureError, match="not a picture"):
        decode(thing)


def test_paths_that_hold_no_picture(tmp_path):
    (tmp_path / "a.jpg").write_text("not a picture")
    for path, words in (
        (tmp_path / "none.jpg", "does not exist"),
        (tmp_path, "folder"),
        (tmp_path / "a.jpg", "not a picture"),
        ("a\0b", "cannot be decoded"),
        ("x" * 5000, "cannot be decoded"),
    ):
        with pytest.raises(PictureError, match=words) as caught:
            decode(path)
        assert str(path) in caught.value.message


def test_closed_image():
    with Image.open(io.BytesIO(encoded(photo()))) as image:
        pass
    with pytest.raises(PictureError):
        decode(image)


@pytest.mark.parametrize("shape", [(0, 4, 3), (4, 0), (4,), (), (4, 4, 2), (4, 4, 5), (3, 32, 32), (1, 4, 4, 3)])
def test_arrays_of_no_picture_shape(shape):
    with pytest.raises(PictureError, match="shape"):
        decode(np.zeros(shape, np.uint8))


@pytest.mark.parametrize(
    "values",
    [
        np.full((4, 4), np.nan),
        np.full((4, 4), np.inf),
        np.full((4, 4), 1000.0),
        np.full((4, 4), -200.0),
        np.full((4, 4), 256, np.int32),
        np.full((4, 4), -1, np.int8),
        np.full((4, 4), 40000, np.uint16),
        np.linspace(0, 1, 16).reshape(4, 4),
        np.linspace(-1, 1, 16).reshape(4, 4),
        np.zeros((4, 4), bool),
        np.zeros((4, 4), complex),
        np.zeros((4, 4), object),
        np.zeros((4, 4), "U3"),
    ],
)
def test_arrays_of_no_picture_values(values):
    with pytest.raises(PictureError):
        decode(values)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.uint16, np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3), (5, 7, 4)])
def test_arrays_of_pixels(dtype, shape):
    pixels = np.full(shape, 200, dtype)
    if shape[-1] == 4:
        pixels[..., 3] = 255
    assert np.array_equal(np.asarray(decode(pixels)), np.full((5, 7, 3), 200))


def test_array_layout_does_not_matter():
    pixels = np.asarray(photo())
    for view in (pixels[::-1][::-1], np.asfortranarray(pixels), pixels.byteswap().astype("<u1")):
        assert np.array_equal(np.asarray(decode(view)), np.asarray(decode(np.ascontiguousarray(view))))


def test_overshoot_of_a_bicubic_resize_is_clipped():
    assert np.asarray(decode(np.array([[-20.0, 0.4, 280.0]])))[0, :, 0].tolist() == [0, 0, 255]


# --- size -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1, 10000), (10000, 1), (1, 1), (3, 2), (299, 299), (500, 333)])
@pytest.mark.parametrize("resize", ["stretch", "crop"])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_picture_fits_any_input(size, resize, channels):
    spec = InputSpec(33, 47, channels, (0,) * channels, (1,) * channels, resize=resize, crop=0.875)
    pixels = fit(Image.new("RGB", size, (90, 90, 90)), spec)
    assert (pixels.shape, pixels.dtype) == ((33, 47, channels), np.uint8)
    assert (pixels == 90).all()


def test_a_picture_of_the_right_size_is_not_touched():
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


@pytest.mark.parametrize(("size", "box"), [((400, 200), (100, 0, 300, 200)), ((200, 400), (0, 100, 200, 300))])
def test_centre_crop_against_slicing(size, box):
    image = photo(size)
    expected = np.asarray(image.crop(box))
    assert np.array_equal(fit(image, InputSpec(200, 200, resize="crop")), expected)


def test_centre_crop_with_a_margin_against_resize_then_slice():
    image = photo((320, 256))
    result = fit(image, InputSpec(112, 112, resize="crop", crop=0.875)).astype(float)
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
    assert describe(spec)


def test_description_without_a_name_gives_numbers():
    assert describe(InputSpec(4, 4, mean=(1, 2, 3), std=(4, 5, 6), order="bgr")) == "(x - [1, 2, 3]) / [4, 5, 6] BGR"


@pytest.mark.parametrize(
    "change",
    [
        {"height": 0},
        {"width": -3},
        {"height": 100_000},
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
        {"crop": 1.5},
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
