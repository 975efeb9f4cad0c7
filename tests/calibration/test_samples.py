"""Representative data of every kind: what is drawn, in which order, and what is refused."""

import io
import os
import shutil
import threading
import unicodedata
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from numpy.lib import format as npy
from PIL import Image

from edgekit.calibration.folder import drawing_order, list_folder
from edgekit.calibration.samples import Sample, open_samples
from edgekit.errors import DataError, ImageError, UsageError
from edgekit.preprocess import InputSpec, fit

SPEC = InputSpec(8, 8)
LITE = SPEC.with_convention("lite")


def save(path, colour=(10, 20, 30), kind=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (12, 10), colour).save(path, kind)
    return path


def names(samples):
    return [sample.name for sample in samples]


@pytest.fixture
def classes(tmp_path):
    """Three classes of 8, 8 and 2 images."""
    for number, (name, count) in enumerate((("rose", 8), ("daisy", 8), ("tulip", 2))):
        for index in range(count):
            save(tmp_path / "flowers" / name / f"{index}.png", (number * 10, index * 10, 0))
    return tmp_path / "flowers"


# --- folders --------------------------------------------------------------------------------------


def test_classes_become_labels(classes):
    samples = open_samples(classes, SPEC, count=None)
    assert (samples.count, len(samples), samples.kind, samples.origin) == (18, 18, "data", "flowers")
    assert samples.class_names == ("daisy", "rose", "tulip")
    for sample in samples:
        folder, file = sample.name.split("/")
        assert samples.class_names[sample.label] == folder
        assert np.array_equal(sample.pixels, fit(classes / folder / file, SPEC))


@pytest.mark.parametrize("count", [3, 6, 9, 18])
def test_every_beginning_holds_all_classes_evenly(classes, count):
    labels = [sample.label for sample in open_samples(classes, SPEC, count=count)]
    shares = [labels.count(index) for index in range(3)]
    assert sorted(shares) == {3: [1, 1, 1], 6: [2, 2, 2], 9: [2, 3, 4], 18: [2, 8, 8]}[count]


def test_order_is_repeatable_and_depends_on_the_seed(classes):
    samples = open_samples(str(classes), SPEC, count=10)
    assert names(samples) == names(samples) == names(open_samples(classes, SPEC, count=10))
    assert names(samples) != names(open_samples(classes, SPEC, count=10, seed=1))
    assert names(samples) == names(open_samples(classes, SPEC))[:10]


def test_order_does_not_depend_on_the_file_system(classes, monkeypatch):
    expected = names(open_samples(classes, SPEC))
    scan = os.scandir

    class Reversed(list):
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    def backwards(folder):
        with scan(folder) as entries:
            return Reversed(sorted(entries, key=lambda entry: entry.name, reverse=True))

    monkeypatch.setattr(os, "scandir", backwards)
    assert names(open_samples(classes, SPEC)) == expected


def test_known_order():
    # Fixed for ever: another order on another version or machine would be another calibration.
    plain = drawing_order([f"{index}.jpg" for index in range(8)], [None] * 8, 0)
    assert plain == [5, 6, 1, 4, 3, 2, 0, 7]
    composed, decomposed = (unicodedata.normalize(form, "é.jpg") for form in ("NFC", "NFD"))
    others = [f"{index}.jpg" for index in range(8)]
    assert drawing_order([*others, composed], [None] * 9, 0) == drawing_order([*others, decomposed], [None] * 9, 0)


def test_adding_an_image_keeps_the_order_of_the_others(classes):
    before = names(open_samples(classes, SPEC))
    save(classes / "rose" / "new.png")
    after = names(open_samples(classes, SPEC))
    roses = [[name for name in order if name.startswith("rose") and "new" not in name] for order in (before, after)]
    assert roses[0] == roses[1]


@pytest.mark.parametrize(
    ("files", "class_names"),
    [
        (["a.png", "b.png"], ()),
        (["x/a.png", "y/b.png"], ("x", "y")),
        (["x/a.png", "y/b.png", "c.png"], ()),
        (["x/a.png", "x/b.png"], ()),
        (["images/x/a.png", "images/y/b.png"], ("x", "y")),
        (["train/x/a.png", "train/y/b.png", "test/x/c.png"], ("x", "y")),
        (["Train/x/a.png", "Validation/z/c.png"], ("x", "z")),
        (["set/train/x/a.png", "set/val/y/c.png"], ("x", "y")),
        (["train/a.png", "test/b.png"], ()),
        (["train/x/a.png", "test/b.png"], ()),
        (["x/1/a.png", "x/2/b.png", "y/1/c.png"], ("x", "y")),
        (["train/x/a.png", "x/b.png"], ("train", "x")),
        (["B/a.png", "a/b.png", "Ä/c.png"], ("B", "a", "Ä")),
    ],
)
def test_where_classes_are_seen(tmp_path, files, class_names):
    for file in files:
        save(tmp_path / file)
    samples = open_samples(tmp_path, SPEC)
    assert samples.class_names == class_names
    assert sorted(names(samples)) == sorted(files)
    assert {sample.label is None for sample in samples} == {not class_names}


def test_other_files_are_passed_over_quietly(tmp_path):
    save(tmp_path / "a.PNG", kind="PNG")
    save(tmp_path / ".hidden.png")
    save(tmp_path / ".git" / "b.png")
    save(tmp_path / "__MACOSX" / "c.png")
    for name in ("labels.txt", "notes.csv", "Thumbs.db", ".DS_Store", "README", "model.h5", "clip.mpg", "logo.eps"):
        (tmp_path / name).write_bytes(b"something else")
    samples = open_samples(tmp_path, SPEC)
    assert names(samples) == ["a.PNG"]
    assert not samples.skipped


def test_broken_images_are_replaced_and_named(tmp_path):
    for index in range(12):
        save(tmp_path / f"{index}.png")
    whole = names(open_samples(tmp_path, SPEC, count=None))
    for name in whole[1:4]:
        (tmp_path / name).write_bytes(b"broken")
    samples = open_samples(tmp_path, SPEC, count=6)
    assert names(samples) == [whole[0], *whole[4:9]]
    assert list(samples.skipped) == whole[1:4]
    assert list(samples.skipped.values()) == [f"{n} is not an image that Pillow can open." for n in whole[1:4]]
    assert names(samples) == [whole[0], *whole[4:9]]
    assert len(samples.skipped) == 3


def test_images_stay_the_same_ones_however_many_were_found_broken(tmp_path):
    for name in ("a.png", "b.png"):
        save(tmp_path / "images" / name)
    (tmp_path / "images" / "c.png").write_bytes(b"broken")
    samples = open_samples(tmp_path / "images", SPEC, count=None)
    fresh = replace(samples, skipped={})
    assert len(list(samples)) == 2 and samples.skipped and not fresh.skipped
    assert samples == fresh


def test_fewer_than_asked_for(tmp_path):
    save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"")
    samples = open_samples(tmp_path, SPEC, count=200)
    assert (samples.count, names(samples), list(samples.skipped)) == (2, ["a.png"], ["b.png"])


def test_all_broken(tmp_path):
    for index in range(5):
        (tmp_path / f"{index}.jpg").write_bytes(b"\xff\xd8\xff" + bytes(50))
    samples = open_samples(tmp_path, SPEC, count=2)
    with pytest.raises(DataError, match="None of the 5 images") as caught:
        list(samples)
    assert caught.value.hint


def test_folders_without_images(tmp_path):
    with pytest.raises(DataError, match="empty"):
        open_samples(tmp_path, SPEC)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.txt").write_text("x")
    (tmp_path / "b.heic").write_text("x")
    with pytest.raises(DataError, match=r"1 × \.heic|1 × \.txt") as caught:
        open_samples(tmp_path, SPEC)
    assert caught.value.hint
    for name, count in ((".txt", 4), (".heic", 3), (".pdf", 2), ("", 1)):
        for number in range(count):
            (tmp_path / "sub" / f"{number}{name}").write_text("x")
    with pytest.raises(DataError, match=r"only other files: 5 × \.txt, 4 × \.heic, 2 × \.pdf\)"):
        open_samples(tmp_path, SPEC)


def test_paths_that_are_no_folder(tmp_path):
    image = save(tmp_path / "a.png")
    with pytest.raises(DataError, match="single file"):
        open_samples(image, SPEC)
    for path in (tmp_path / "none", tmp_path / "none.npz", tmp_path / "none.npy", ""):
        if str(path):
            with pytest.raises(DataError, match="There is no") as caught:
                open_samples(path, SPEC)
            assert caught.value.hint


def test_links_in_circles_end_and_are_followed_once(tmp_path):
    save(tmp_path / "data" / "x" / "a.png")
    save(tmp_path / "elsewhere" / "b.png")
    os.symlink(tmp_path / "data", tmp_path / "data" / "x" / "again")
    os.symlink(tmp_path / "elsewhere", tmp_path / "data" / "y")
    os.symlink(tmp_path / "nowhere.png", tmp_path / "data" / "x" / "dangling.png")
    os.symlink("itself.png", tmp_path / "data" / "itself.png")
    assert sorted(names(open_samples(tmp_path / "data", SPEC))) == ["x/a.png", "y/b.png"]


def test_pipes_do_not_block(tmp_path):
    save(tmp_path / "a.png")
    os.mkfifo(tmp_path / "b.png")
    assert names(open_samples(tmp_path, SPEC)) == ["a.png"]


def test_a_folder_that_goes_while_it_is_listed_is_passed_over(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    scandir = os.scandir

    def going(path):
        if os.path.basename(path) == "gone":
            raise FileNotFoundError(2, "No such file or directory", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", going)
    assert list_folder(tmp_path).names == ("a.png",)


def test_names_that_are_not_unicode(tmp_path):
    save(tmp_path / "a.png")
    os.rename(tmp_path / "a.png", os.fsencode(tmp_path) + b"/caf\xe9.png")
    assert len(names(open_samples(tmp_path, SPEC))) == 1


def test_an_image_that_vanishes_after_listing(tmp_path):
    for name in "ab":
        save(tmp_path / f"{name}.png")
    samples = open_samples(tmp_path, SPEC)
    (tmp_path / "a.png").unlink()
    assert names(samples) == ["b.png"]
    assert "does not exist" in samples.skipped["a.png"]


# --- splitting, sizes, threads --------------------------------------------------------------------


@pytest.mark.parametrize("first", [0, 1, 5, 9, 10, 50])
def test_split(classes, first):
    samples = open_samples(classes, SPEC, count=10)
    head, rest = samples.split(first)
    assert (head.count, rest.count) == (min(first, 10), 10 - min(first, 10))
    assert names(head) + names(rest) == names(samples)
    assert names(samples.take(first)) == names(head)


def test_split_parts_stay_apart_with_broken_images(tmp_path):
    for index in range(30):
        save(tmp_path / f"{index}.png")
    for name in names(open_samples(tmp_path, SPEC, count=None))[:20:2]:
        (tmp_path / name).write_bytes(b"broken")
    samples = open_samples(tmp_path, SPEC, count=16)
    head, rest = samples.split(8)
    assert not set(names(head)) & set(names(rest))
    assert (len(names(head)), len(names(rest))) == (8, 8)
    assert samples.skipped is head.skipped is rest.skipped


def test_an_empty_part_is_no_error(classes):
    assert list(open_samples(classes, SPEC).take(0)) == []


def test_resized(classes):
    samples = open_samples(classes, SPEC, count=4)
    larger = samples.resized(InputSpec(20, 16, 1, (0,), (1,)))
    assert names(larger) == names(samples)
    assert {sample.pixels.shape for sample in larger} == {(20, 16, 1)}


def test_stopping_early_and_failing_consumers_leave_no_thread(classes):
    before = threading.active_count()
    for _ in open_samples(classes, SPEC):
        break
    with pytest.raises(ZeroDivisionError):
        for _ in open_samples(classes, SPEC):
            _ = 1 / 0
    iterator = iter(open_samples(classes, SPEC))
    next(iterator)
    iterator.close()
    assert threading.active_count() == before


def test_two_iterations_at_once(classes):
    samples = open_samples(classes, SPEC)
    pairs = list(zip(samples, samples, strict=True))
    assert all(a.name == b.name and np.array_equal(a.pixels, b.pixels) for a, b in pairs)


def test_only_a_few_images_are_decoded_ahead(monkeypatch):
    made = []
    monkeypatch.setattr("edgekit.calibration.samples.dead_leaves", lambda *key: made.append(key) or np.zeros(key[2]))
    iterator = iter(open_samples(None, SPEC, count=500))
    next(iterator)
    assert len(made) <= 17
    iterator.close()


def test_what_a_reader_raises_besides_image_errors_is_not_swallowed(monkeypatch):
    def fails(*_):
        raise MemoryError

    monkeypatch.setattr("edgekit.calibration.samples.dead_leaves", fails)
    with pytest.raises(MemoryError):
        list(open_samples(None, SPEC, count=3))


@pytest.mark.parametrize("count", [0, -1])
def test_impossible_counts(count):
    with pytest.raises(UsageError):
        open_samples(None, SPEC, count=count)


def test_impossible_requests():
    with pytest.raises(UsageError):
        open_samples(None, SPEC, count=None)
    with pytest.raises(UsageError):
        open_samples(None, SPEC, seed=-1)


# --- arrays ---------------------------------------------------------------------------------------


def stack(count=6, size=(8, 8), channels=(3,), dtype=np.uint8):
    shape = (count, *size, *channels)
    return (np.arange(np.prod(shape)).reshape(shape) * 7 % 256).astype(dtype)


def test_pixels_keep_their_values_and_are_normalized():
    pixels = stack()
    samples = open_samples(pixels, LITE)
    assert (samples.kind, samples.count, samples.prepared, samples.class_names) == ("array", 6, False, ())
    for sample in samples:
        index = int(sample.name[len("array[") : -1])
        assert np.array_equal(sample.pixels, pixels[index])
        value = sample.input(LITE)
        assert (value.shape, value.dtype) == ((1, 8, 8, 3), np.float32)
        assert value == pytest.approx((pixels[index][None] - 127.0) / 128, abs=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.uint16, np.float16, np.float32, np.float64])
@pytest.mark.parametrize("channels", [(), (1,), (3,), (4,)])
def test_pixels_of_any_type_and_size_are_fitted(dtype, channels):
    samples = open_samples(stack(3, (12, 20), channels, dtype), SPEC)
    assert {(sample.pixels.shape, sample.pixels.dtype) for sample in samples} == {((8, 8, 3), np.dtype(np.uint8))}


def test_normalized_arrays_are_used_as_they_are():
    values = np.linspace(-2.1, 2.6, 4 * 8 * 8 * 3).reshape(4, 8, 8, 3)
    samples = open_samples(values, SPEC.with_convention("imagenet"))
    assert samples.prepared
    for sample in samples:
        index = int(sample.name[len("array[") : -1])
        assert sample.prepared
        assert np.array_equal(sample.input(LITE)[0], values[index].astype(np.float32))


def test_normalized_grey_without_a_channel_axis():
    spec = InputSpec(8, 8, 1, (0,), (1,))
    samples = open_samples(np.linspace(0, 1, 128).reshape(2, 8, 8), spec)
    assert next(iter(samples)).input(spec).shape == (1, 8, 8, 1)


@pytest.mark.parametrize("shape", [(2, 9, 8, 3), (2, 8, 8, 1), (2, 8, 8)])
def test_normalized_arrays_of_another_size(shape):
    values = np.linspace(-1, 1, int(np.prod(shape))).reshape(shape)
    with pytest.raises(DataError, match="shape"):
        open_samples(values, SPEC)
    fitting = open_samples(np.linspace(-1, 1, 384).reshape(2, 8, 8, 3), SPEC)
    with pytest.raises(DataError, match="shape"):
        fitting.resized(InputSpec(9, 9))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(()),
        np.zeros(5),
        np.zeros((4, 4)),
        np.zeros((32, 32, 3), np.uint8),
        np.zeros((2, 3, 8, 8), np.uint8),
        np.zeros((2, 8, 8, 2), np.uint8),
        np.zeros((2, 2, 8, 8, 3), np.uint8),
        np.zeros((0, 8, 8, 3), np.uint8),
        np.zeros((2, 0, 8, 3), np.uint8),
        np.zeros((2, 8, 8, 3), object),
        np.zeros((2, 8, 8, 3), complex),
        np.zeros((2, 8, 8, 3), "U2"),
        np.zeros((2, 8, 8, 3), bool),
        np.full((2, 8, 8, 3), np.nan),
        np.full((2, 8, 8, 3), np.inf),
        np.full((2, 8, 8, 3), -120.0),
        np.full((2, 8, 8, 3), 300.0),
        np.full((2, 8, 8, 3), 40000, np.uint16),
        np.full((2, 8, 8, 3), -1, np.int8),
    ],
)
def test_arrays_that_are_no_images(array):
    with pytest.raises(DataError):
        open_samples(array, SPEC)


@pytest.mark.parametrize(
    ("shape", "hinted"),
    [((2, 3, 8, 8), True), ((2, 1, 8, 8), True), ((2, 3, 8, 2), True), ((2, 8, 8, 2), False), ((2, 4, 8, 8), False)],
)
def test_channels_first_gets_a_hint(shape, hinted):
    with pytest.raises(DataError) as caught:
        open_samples(np.zeros(shape, np.uint8), SPEC)
    assert ("transpose" in caught.value.hint) == hinted


@pytest.mark.parametrize(
    "shape", [(2, 3, 8, 3), (2, 1, 8, 4), (2, 3, 8, 1), (2, 1, 1, 3), (1, 8, 8, 3), (2, 8, 8), (2, 8, 2)]
)
def test_channels_last_is_taken_as_it_is(shape):
    assert len(list(open_samples(np.zeros(shape, np.uint8), SPEC))) == shape[0]


@pytest.mark.parametrize(("low", "high", "normalized"), [(-4.0, 4.0, True), (0.0, 4.01, False), (-0.4, 5.0, False)])
def test_floats_within_4_are_normalized(low, high, normalized):
    values = np.full((2, 8, 8, 3), low)
    values[0, 0, 0, 0] = high
    assert open_samples(values, SPEC).prepared == normalized
    assert not open_samples(np.full((2, 8, 8, 3), 3, np.uint8), SPEC).prepared


@pytest.mark.parametrize(
    ("low", "high", "pixels"), [(-0.5, 255.5, True), (-0.51, 255.0, False), (0.0, 255.51, False), (-4.01, 4.0, False)]
)
def test_floats_from_0_to_255_are_pixels_to_half_a_step(low, high, pixels):
    values = np.full((2, 8, 8, 3), low)
    values[0, 0, 0, 0] = high
    if pixels:
        assert not open_samples(values, SPEC).prepared
    else:
        with pytest.raises(DataError, match="neither pixels nor normalized"):
            open_samples(values, SPEC)


def test_of_many_images_200_are_drawn():
    assert open_samples(np.zeros((201, 8, 8, 3), np.uint8), SPEC).count == 200
    assert open_samples(np.zeros((201, 8, 8, 3), np.uint8), SPEC, count=None).count == 201
    assert open_samples(np.zeros((201, 8, 8, 3), np.uint8), SPEC, count=1).count == 1


@pytest.mark.parametrize(("asked", "given"), [(-1, 0), (0, 0), (1, 1), (6, 6), (7, 6)])
def test_no_more_are_taken_than_there_are(asked, given):
    samples = open_samples(stack(), SPEC)
    assert [sample.name for sample in samples.take(asked)] == [sample.name for sample in samples][:given]
    first, rest = samples.split(asked)
    assert (first.count, rest.count) == (given, 6 - given)


@pytest.mark.parametrize(("images", "labels"), [("x", "y"), ("images", "labels"), ("x_train", "y_train")])
@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_npz(tmp_path, images, labels, write):
    values, classes = stack(6), np.array([0, 1, 2, 0, 1, 2])
    write(tmp_path / "data.npz", **{images: values, labels: classes, "other": np.zeros(2)})
    samples = open_samples(tmp_path / "data.npz", SPEC)
    assert samples.origin == "data.npz"
    for sample in samples:
        index = int(sample.name[len("array[") : -1])
        assert sample.label == classes[index]
        assert np.array_equal(sample.pixels, values[index])
    assert {sample.label for sample in samples.take(3)} == {0, 1, 2}


@pytest.mark.parametrize("labels", [np.eye(3)[[0, 1, 2]], np.array([[0], [1], [2]]), np.array([0.0, 1.0, 2.0])])
def test_forms_of_labels(tmp_path, labels):
    np.savez(tmp_path / "a.npz", x=stack(3), y=labels)
    found = {sample.name: sample.label for sample in open_samples(tmp_path / "a.npz", SPEC)}
    assert found == {"array[0]": 0, "array[1]": 1, "array[2]": 2}


@pytest.mark.parametrize(
    "labels", [np.arange(4), np.array([0.5, 1, 2]), np.array([-1, 0, 1]), np.array(["a", "b", "c"])]
)
def test_labels_that_are_none(tmp_path, labels):
    np.savez(tmp_path / "a.npz", x=stack(3), y=labels)
    with pytest.raises(DataError, match="label"):
        open_samples(tmp_path / "a.npz", SPEC)


def test_npz_with_one_array_of_any_name(tmp_path):
    np.savez(tmp_path / "a.npz", whatever=stack(2))
    assert open_samples(tmp_path / "a.npz", SPEC).count == 2


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["u1", ">f4", "<f8"])
def test_npy(tmp_path, order, dtype):
    values = np.asarray(stack(5, (8, 8)), dtype, order)
    np.save(tmp_path / "a.npy", values)
    for sample in open_samples(str(tmp_path / "a.npy"), SPEC):
        assert np.array_equal(sample.pixels, values[int(sample.name[len("array[") : -1])])


def test_pickled_arrays_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], object), allow_pickle=True)
    np.savez(tmp_path / "b.npz", x=np.array([{"a": 1}], object))
    (tmp_path / "c.npy").write_bytes(b"\x80\x04\x95cos\nsystem\n.")
    for name in ("a.npy", "b.npz", "c.npy"):
        with pytest.raises(DataError) as caught:
            open_samples(tmp_path / name, SPEC)
        assert name in caught.value.message
        assert caught.value.hint


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_arrays_of_nothing_are_refused_however_many_they_claim(tmp_path, suffix):
    for number, (dtype, shape) in enumerate([("|V0", (10**12, 8, 8, 3)), ("|u1", (10**12, 0, 8, 3))]):
        header = io.BytesIO()
        npy.write_array_header_1_0(header, {"descr": dtype, "fortran_order": False, "shape": shape})
        path = tmp_path / f"{number}{suffix}"
        if suffix == ".npy":
            path.write_bytes(header.getvalue())
        else:
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("x.npy", header.getvalue())
        with pytest.raises(DataError, match="no images"):
            open_samples(path, SPEC)


def test_an_archive_that_unpacks_to_more_than_the_disk_holds_is_refused(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "a.npz", x=stack(5))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 100))
    with pytest.raises(DataError, match=r"x\.npy unpacks to .* GB"):
        open_samples(tmp_path / "a.npz", SPEC)


def test_pipes_and_devices_are_no_arrays(tmp_path):
    os.mkfifo(tmp_path / "a.npy")
    os.symlink("/dev/zero", tmp_path / "b.npz")
    for name in ("a.npy", "b.npz"):
        with pytest.raises(DataError, match="not a regular file"):
            open_samples(tmp_path / name, SPEC)


def test_damaged_array_files(tmp_path):
    np.save(tmp_path / "a.npy", stack())
    np.savez_compressed(tmp_path / "a.npz", x=stack())
    np.savez(tmp_path / "names.npz", first=stack(), second=stack())
    np.savez(tmp_path / "none.npz")
    with zipfile.ZipFile(tmp_path / "text.npz", "w") as archive:
        archive.writestr("x.npy", "no array")
    for suffix in ("npy", "npz"):
        whole = (tmp_path / f"a.{suffix}").read_bytes()
        for keep in (0, 5, 60, len(whole) // 2, len(whole) - 30):
            (tmp_path / f"{keep}.{suffix}").write_bytes(whole[:keep])
    (tmp_path / "flipped.npz").write_bytes((tmp_path / "a.npz").read_bytes()[::-1])
    rotten = bytearray((tmp_path / "a.npz").read_bytes())
    rotten[150] ^= 255
    (tmp_path / "rotten.npz").write_bytes(rotten)
    (tmp_path / "shape.npy").write_bytes((tmp_path / "a.npy").read_bytes().replace(b"(6, 8,", b"(9, 9,"))
    (tmp_path / "a.npy").unlink()
    (tmp_path / "a.npz").unlink()
    files = sorted(tmp_path.iterdir())
    assert len(files) == 16
    for file in files:
        with pytest.raises(DataError) as caught:
            open_samples(file, SPEC)
        assert file.name in caught.value.message
        assert len(caught.value.message) < 400


def test_images_of_a_file_are_not_loaded(tmp_path):
    np.savez(tmp_path / "a.npz", x=stack())
    samples = open_samples(tmp_path / "a.npz", SPEC)
    closure = [cell.cell_contents for cell in samples.read.__closure__]
    assert any(isinstance(value, np.memmap) for value in closure)


# --- iterables ------------------------------------------------------------------------------------


def test_tensorflows_representative_dataset():
    def representative_dataset():
        for index in range(5):
            yield [np.full((1, 8, 8, 3), index / 5 - 0.5, np.float32)]

    samples = open_samples(representative_dataset, LITE)
    assert (samples.count, samples.prepared, names(samples)) == (5, True, [f"array[{index}]" for index in range(5)])
    assert [float(sample.input(LITE)[0, 0, 0, 0]) for sample in samples] == pytest.approx([-0.5, -0.3, -0.1, 0.1, 0.3])


def test_one_shot_generators_can_be_read_again():
    samples = open_samples((np.full((4, 5, 3), value, np.uint8) for value in (9, 90, 200)), SPEC)
    for _ in range(2):
        assert [int(sample.pixels.mean()) for sample in samples] == [9, 90, 200]
    head, rest = samples.split(1)
    assert [int(sample.pixels.mean()) for part in (rest, head) for sample in part] == [90, 200, 9]


def test_endless_generators_are_read_only_as_far_as_asked():
    drawn = []

    def endless():
        while True:
            drawn.append(1)
            yield np.zeros((8, 8, 3), np.uint8)

    assert open_samples(endless(), SPEC, count=7).count == 7
    assert len(drawn) == 7


def test_iterables_of_anything_that_shows_an_image(tmp_path):
    path = save(tmp_path / "a.png", (50, 50, 50))
    stream = io.BytesIO()
    Image.new("L", (30, 20), 50).save(stream, "JPEG")
    items = [
        path,
        str(path),
        stream.getvalue(),
        Image.open(path),
        np.full((5, 6), 50, np.uint8),
        np.full((9, 9, 1), 50.0),
    ]
    assert {int(sample.pixels.mean()) for sample in open_samples(items, SPEC)} == {50}
    assert open_samples(items, SPEC).count == 6


@pytest.mark.parametrize(
    "items",
    [
        [],
        iter(()),
        [[np.zeros((8, 8, 3)), 1]],
        [{"x": 1}],
        [np.zeros((2, 8, 8, 3), np.uint8)],
        [np.zeros(4)],
        [np.zeros((8, 8, 3), object)],
        [None],
        [np.full((8, 8, 3), np.nan)],
        [np.full((8, 8, 3), 0.5), np.full((8, 8, 3), 200.0), np.full((8, 8, 3), -9.0)],
        5,
        lambda: 5,
        lambda missing: [missing],
        b"abc",
        object(),
    ],
)
def test_iterables_that_are_refused(items):
    with pytest.raises(DataError):
        open_samples(items, SPEC)


def test_a_failing_generator_is_told():
    def failing():
        yield np.zeros((8, 8, 3), np.uint8)
        raise KeyError("path")

    with pytest.raises(DataError, match="KeyError"):
        open_samples(failing(), SPEC)


def test_a_missing_image_in_a_list_is_told():
    with pytest.raises(ImageError, match="none"):
        open_samples(["none.png"], SPEC)


def test_a_sample_of_grey_pixels():
    spec = InputSpec(2, 2, 1, (0,), (255,))
    sample = Sample("x", np.full((2, 2, 1), 255, np.uint8), None)
    assert np.array_equal(sample.input(spec), np.ones((1, 2, 2, 1), np.float32))


@pytest.mark.shared
def test_a_flat_folder_with_a_table_beside_has_no_classes(shared):
    samples = open_samples(shared / "imagenet" / "calibration", SPEC, count=3)
    assert samples.class_names == ()
    assert [sample.label for sample in samples] == [None] * 3


@pytest.mark.shared
def test_train_and_validation_folders_share_their_classes(shared):
    samples = open_samples(shared / "flowers", SPEC, count=10)
    assert len(samples.class_names) == 5
    assert sorted(sample.label for sample in samples) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
