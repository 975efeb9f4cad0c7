"""Images of every kind and depth → upright RGB, against Pillow and numpy; and what is refused."""

import io
import os
import struct
import threading
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps, features

from edgekit import image
from edgekit.errors import ImageError
from edgekit.image import decode, size_problem

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


XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_what_was_turned_upright_is_not_turned_again(kind, mode):
    if kind == "JPEG" and mode == "RGBA":
        mode = "CMYK"
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encoded(four_colours().resize((40, 24)).convert(mode), kind, exif=exif)
    once = decode(content)
    assert once.size == (24, 40)
    for again in (decode(once), decode(once.crop((0, 0, 24, 40)))):
        assert np.array_equal(np.asarray(again), np.asarray(once))


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_an_orientation_in_xmp_is_not_followed_twice(kind):
    once = decode(encoded(four_colours().resize((40, 24)), kind, xmp=XMP))
    assert decode(once.crop((0, 0, *once.size))).size == once.size


def test_broken_exif_spoils_no_image():
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
def test_float_image_with_a_hole_is_refused(value):
    holed = np.full((8, 8), 0.5, np.float32)
    holed[3, 3] = value
    with pytest.raises(ImageError, match="NaN"):
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
    with pytest.raises(ImageError):
        decode(content[: int(len(content) * keep)])


@pytest.mark.parametrize("seed", range(60))
def test_flipped_bytes_give_an_image_or_an_image_error(seed):
    rng = np.random.default_rng(seed)
    kind = ("JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP")[seed % 6]
    content = bytearray(encoded(photo(), kind))
    for place in rng.integers(0, len(content), 12):
        content[place] = rng.integers(0, 256)
    try:
        assert decode(bytes(content)).mode == "RGB"
    except ImageError as error:
        assert len(error.message) < 300


def png_header(width, height):
    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(10000, 9000), (30000, 30000), (2**31 - 1, 2**31 - 1), (1, 49_999_999), (70_000, 1)])
def test_decompression_bombs(size):
    with pytest.raises(ImageError, match="too large"):
        decode(png_header(*size))


def test_a_progressive_jpeg_is_held_to_the_bound_at_its_full_size(monkeypatch):
    monkeypatch.setattr(image, "MAX_PIXELS", 150 * 150)
    large = Image.new("RGB", (200, 200), GREEN)
    assert decode(encoded(large, "JPEG"), least=20).size == (25, 25)
    with pytest.raises(ImageError, match="too large to decode safely"):
        decode(encoded(large, "JPEG", progressive=True), least=20)


def test_a_pipe_or_an_endless_device_is_no_image(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    for path in (tmp_path / "pipe.png", "/dev/zero"):
        with pytest.raises(ImageError, match="device or a pipe, not a regular file"):
            decode(path)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "I;16", "P"])
def test_conversion_in_strips_leaves_no_seam(mode, monkeypatch):
    grey = np.linspace(0, 255, 60 * 40).reshape(60, 40).astype(np.uint8)
    whole = Image.fromarray(grey.astype(np.uint16) * 257 if mode == "I;16" else grey)
    whole = whole if mode == "I;16" else whole.convert(mode)
    options = {"transparency": 7} if mode == "P" else {}
    before = np.asarray(decode(encoded(whole, **options)))
    monkeypatch.setattr(image, "_STRIP", 7 * 40)
    assert np.array_equal(np.asarray(decode(encoded(whole, **options))), before)


def test_a_bomb_is_refused_although_the_application_lifted_pillows_bound(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(ImageError, match="too large"):
        decode(png_header(30000, 30000))


@pytest.mark.parametrize(
    "content", [b"", b"\0", b"GIF89a", b"%PDF-1.4", b"version https://git-lfs", b"\xff\xd8\xff" * 50]
)
def test_bytes_that_are_no_image(content):
    with pytest.raises(ImageError):
        decode(content)


def test_postscript_never_reaches_ghostscript():
    with pytest.raises(ImageError):
        decode(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n0 0 moveto\nshowpage\n")


@pytest.mark.parametrize("thing", [None, 5, 2.5, [1, 2], {}, object()])
def test_things_that_are_no_image(thing):
    with pytest.raises(ImageError, match="not an image"):
        decode(thing)


def test_paths_that_hold_no_image(tmp_path):
    (tmp_path / "a.jpg").write_text("not an image")
    for path, words in (
        (tmp_path / "none.jpg", "does not exist"),
        (tmp_path, "folder"),
        (tmp_path / "a.jpg", "not an image"),
        ("a\0b", "cannot be decoded"),
        ("x" * 5000, "cannot be read: File name too long"),
    ):
        with pytest.raises(ImageError, match=words) as caught:
            decode(path)
        assert str(path) in caught.value.message


def test_closed_image():
    with Image.open(io.BytesIO(encoded(photo()))) as image:
        pass
    with pytest.raises(ImageError):
        decode(image)


@pytest.mark.parametrize("shape", [(0, 4, 3), (4, 0), (4,), (), (4, 4, 2), (4, 4, 5), (3, 32, 32), (1, 4, 4, 3)])
def test_arrays_of_no_image_shape(shape):
    with pytest.raises(ImageError, match="shape"):
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
def test_arrays_of_no_image_values(values):
    with pytest.raises(ImageError):
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


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([[0, 255]], [0, 255]),  # bytes in 32 bits
        ([[0, 100]], [0, 100]),
        ([[256, 65535]], [1, 255]),  # 16 bits
        ([[0, 257]], [0, 1]),
        ([[0, 65535]], [0, 255]),
        ([[0, 65536]], [0, 255]),  # more: the largest is white
        ([[32768, 131072]], [64, 255]),
    ],
)
def test_wide_greys_are_scaled_by_the_smallest_usual_range_that_holds_them(values, expected):
    image = Image.fromarray(np.array(values, np.int32))
    assert image.mode == "I"
    assert np.asarray(decode(image))[0, :, 0].tolist() == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([[0.0, 1.0]], [0, 255]),
        ([[-1.0, 0.5]], [0, 128]),
        ([[0.0, 1.5]], [0, 2]),
        ([[0.0, 255.0]], [0, 255]),
        ([[0.0, 510.0]], [0, 2]),
    ],
)
def test_float_greys_are_fractions_up_to_1_and_pixels_beyond(values, expected):
    assert np.asarray(decode(Image.fromarray(np.array(values, np.float32))))[0, :, 0].tolist() == expected


@pytest.mark.parametrize(
    ("low", "high", "kind", "sound"),
    [
        (0, 255, "int32", True),
        (-1, 255, "int32", False),
        (0, 256, "int32", False),
        (-64, 319, "float32", True),
        (-65, 255, "float32", False),
        (0, 320, "float32", False),
        (-4, 4, "float32", False),  # normalized
        (-4.1, 4, "float32", True),
        (-4, 4.1, "float32", True),
        (3, 3, "float32", True),  # of one grey
        (0, 1, "int32", True),
    ],
)
def test_arrays_on_both_sides_of_their_bounds(low, high, kind, sound):
    array = np.array([[low, high]] * 2, kind)
    if sound:
        np.testing.assert_array_equal(np.asarray(decode(array))[0, :, 0], np.clip(np.rint([low, high]), 0, 255))
    else:
        with pytest.raises(ImageError):
            decode(array)


def test_an_array_of_one_channel_is_grey():
    values = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)
    np.testing.assert_array_equal(np.asarray(decode(values)), np.repeat(values, 3, axis=2))


@pytest.mark.parametrize(("side", "fits"), [(65535, True), (65536, False)])
def test_no_side_is_longer_than_a_jpegs_can_be(side, fits):
    """A JPEG's header gives each side two bytes."""
    assert (size_problem((side, 1)) == "") == (size_problem((1, side)) == "") == fits


def test_images_of_50_million_pixels_are_decoded_and_of_one_more_are_not():
    assert size_problem((10_000, 5_000)) == ""
    assert "at most 50 million" in size_problem((1_187, 42_123))
