"""Which images are trained on and which judged on, and what is refused."""

import shutil

import numpy as np
import pytest
from PIL import Image

from edgekit.errors import DataError
from edgekit.preprocess import InputSpec
from edgekit.training import dataset
from edgekit.training.dataset import KEPT_ASIDE, open_dataset

SPEC = InputSpec(16, 16)
COLOURS = {"blue": (20, 30, 220), "green": (10, 210, 40)}


def save(folder, count, colour=(200, 30, 30), *, first=0, mode="RGB"):
    """Different noisy images of one colour."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        random = np.random.default_rng([number, *colour])
        pixels = np.clip(np.array(colour) + random.integers(-20, 20, (16, 16, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).convert(mode).save(folder / f"{number:03}.png")


@pytest.fixture
def folder(tmp_path):
    for name, colour in COLOURS.items():
        save(tmp_path / "set" / name, 10, colour)
    return tmp_path / "set"


def paths(examples):
    return {str(each.path) for each in examples}


def test_a_fifth_of_each_class_is_kept_aside(folder):
    found = open_dataset(folder, SPEC)
    assert found.class_names == ("blue", "green")
    assert [sum(each.label == label for each in found.test) for label in (0, 1)] == [KEPT_ASIDE * 10] * 2
    assert len(found.train) == 16 and not paths(found.train) & paths(found.test)


def test_the_seed_decides_which(folder):
    first, same, other = (open_dataset(folder, SPEC, seed=seed) for seed in (0, 0, 1))
    assert paths(first.test) == paths(same.test) != paths(other.test)


def test_copies_of_an_image_are_on_one_side(folder):
    for path in sorted((folder / "blue").iterdir()):
        shutil.copy(path, path.with_name(f"copy_of_{path.name}"))
    found = open_dataset(folder, SPEC)
    assert not {each.pixels for each in found.train} & {each.pixels for each in found.test}
    assert any("copies" in note for note in found.notes)


def test_corrupt_images_are_left_out_with_their_reason(folder):
    (folder / "blue" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not really")
    found = open_dataset(folder, SPEC)
    assert list(found.skipped) == ["blue/broken.jpg"]
    assert len(found.train) + len(found.test) == 20


def test_a_class_of_corrupt_images_is_refused_with_the_first_reason(folder):
    save(folder / "red", 1)
    for number in range(10):
        (folder / "red" / f"broken{number}.jpg").write_bytes(b"\xff\xd8\xff\xe0 not really")
    with pytest.raises(DataError, match=r"'red' 1.*10 were left out; the first: red/broken0.jpg"):
        open_dataset(folder, SPEC)


def test_one_class_is_refused(tmp_path):
    save(tmp_path / "set" / "red", 10)
    (tmp_path / "set" / "blue").mkdir()
    with pytest.raises(DataError, match="All images are of one class, 'red'"):
        open_dataset(tmp_path / "set", SPEC)
    with pytest.raises(DataError, match="does not show its images' classes"):
        open_dataset(tmp_path / "set" / "red", SPEC)


def test_one_class_in_a_table_is_refused(folder, tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("file,label\n" + "".join(f"blue/{number:03}.png,blue\n" for number in range(10)))
    with pytest.raises(DataError, match="All images are of one class, 'blue'"):
        open_dataset(folder, SPEC, labels_csv=table)


@pytest.mark.parametrize("name", ["two\nlines", "return\r", " ", "caf\udce9"])
def test_a_class_name_that_no_file_can_hold_is_refused_before_the_work(folder, name):
    save(folder / name, 10)
    with pytest.raises(DataError, match="cannot be stored") as error:
        open_dataset(folder, SPEC)
    assert error.value.message.isascii()


def test_odd_class_names_are_kept_as_they_are(folder):
    odd = ["-rf", "=1+2", "a b, c", 'ü→"quoted"']
    for colour, name in enumerate(odd):
        save(folder / name, 10, (60 * colour, 200, 90))
    assert open_dataset(folder, SPEC).class_names == tuple(sorted([*odd, *COLOURS]))


def test_of_too_many_images_some_are_drawn_though_a_folder_to_judge_on_spells_a_class_otherwise(
    folder, tmp_path, monkeypatch
):
    monkeypatch.setattr(dataset, "MOST_IMAGES", 24)
    for name, colour in (("Blue", COLOURS["blue"]), ("green", COLOURS["green"])):
        save(tmp_path / "aside" / name, 10, colour, first=50)
    found = open_dataset(folder, SPEC, test=tmp_path / "aside")
    assert len(found.train) + len(found.test) == 24 and {each.label for each in found.test} == {0, 1}


def test_three_images_of_a_class_are_refused(folder):
    save(folder / "red", 3)
    with pytest.raises(DataError, match=r"too few different images: 'red' 3\.") as error:
        open_dataset(folder, SPEC)
    assert error.value.hint is not None and "at least 5" in error.value.hint


def test_copies_do_not_make_three_images_more(folder):
    save(folder / "red", 3)
    for path in sorted((folder / "red").iterdir()):
        for number in range(5):
            shutil.copy(path, path.with_name(f"{number}_{path.name}"))
    with pytest.raises(DataError, match=r"'red' 3\."):
        open_dataset(folder, SPEC)


def test_two_folders_of_the_same_images_are_refused(folder):
    shutil.copytree(folder / "green", folder / "verde")
    with pytest.raises(DataError, match=r"'green' and 'verde' hold the same images \(10 of them\)"):
        open_dataset(folder, SPEC)


def test_an_image_in_two_classes_teaches_nothing(folder):
    shutil.copy(folder / "green" / "000.png", folder / "blue" / "green.png")
    found = open_dataset(folder, SPEC)
    assert set(found.skipped) == {"green/000.png", "blue/green.png"}
    assert "also in the class green" in found.skipped["blue/green.png"]


def test_an_empty_class_folder_is_refused(folder):
    (folder / "red").mkdir()
    with pytest.raises(DataError, match="red' holds no images"):
        open_dataset(folder, SPEC)


def test_images_without_class_folders_are_refused(tmp_path):
    save(tmp_path / "set", 10)
    with pytest.raises(DataError, match="does not show its images' classes"):
        open_dataset(tmp_path / "set", SPEC)


@pytest.mark.parametrize("judged", ["test", "val", "validation", "Testing"])
def test_train_and_test_folders_are_the_division(tmp_path, judged):
    for name, colour in COLOURS.items():
        save(tmp_path / "train" / name, 8, colour)
        save(tmp_path / judged / name, 3, colour, first=100)
    found = open_dataset(tmp_path, SPEC)
    assert {each.path.parent.parent.name for each in found.train} == {"train"} and len(found.train) == 16
    assert {each.path.parent.parent.name for each in found.test} == {judged} and len(found.test) == 6
    assert found.divided == "as the images came divided"


def test_beside_a_test_folder_the_validation_folder_is_trained_on(tmp_path):
    for name, colour in COLOURS.items():
        for number, side in enumerate(("train", "val", "test")):
            save(tmp_path / side / name, 6, colour, first=100 * number)
    found = open_dataset(tmp_path, SPEC)
    assert {each.side for each in found.test} == {"test"} and len(found.test) == 12
    assert {each.path.parent.parent.name for each in found.train} == {"train", "val"}


def test_what_is_trained_on_is_not_judged_on(tmp_path):
    for name, colour in COLOURS.items():
        save(tmp_path / "train" / name, 8, colour)
        save(tmp_path / "test" / name, 10, colour)
    found = open_dataset(tmp_path, SPEC)
    assert len(found.test) == 4
    assert "16 images to judge on are also among those to train on" in found.notes[0]


def test_a_test_set_of_images_that_were_trained_on_is_refused(tmp_path):
    for name, colour in COLOURS.items():
        save(tmp_path / "train" / name, 8, colour)
    shutil.copytree(tmp_path / "train", tmp_path / "test")
    with pytest.raises(DataError, match="too few different images to judge on, of 'blue', 'green'"):
        open_dataset(tmp_path, SPEC)


def test_a_class_that_is_only_judged_on_is_refused(tmp_path):
    for name, colour in COLOURS.items():
        save(tmp_path / "train" / name, 8, colour)
        save(tmp_path / "test" / name, 3, colour, first=100)
    save(tmp_path / "test" / "red", 3)
    with pytest.raises(DataError, match="nothing to train the class 'red' on"):
        open_dataset(tmp_path, SPEC)


def test_another_folder_can_be_judged_on(folder, tmp_path):
    for name, colour in COLOURS.items():
        save(tmp_path / "other" / name, 3, colour, first=100)
    found = open_dataset(folder, SPEC, test=tmp_path / "other")
    assert len(found.train) == 20 and len(found.test) == 6


def test_a_table_names_the_classes(tmp_path):
    save(tmp_path / "all", 12)
    table = tmp_path / "table.csv"
    table.write_text("file,label\n" + "".join(f"{n:03}.png,{'ab'[n % 2]}\n" for n in range(12)))
    found = open_dataset(tmp_path / "all", SPEC, labels_csv=table)
    assert found.class_names == ("a", "b")
    assert all((int(each.path.stem) % 2) == each.label for each in (*found.train, *found.test))


def test_grey_and_sixteen_bit_images_are_read(tmp_path):
    save(tmp_path / "grey", 8, mode="L")
    (tmp_path / "deep").mkdir()
    for number in range(8):
        pixels = np.random.default_rng(number).integers(20_000, 60_000, (16, 16)).astype(np.uint16)
        Image.fromarray(pixels).save(tmp_path / "deep" / f"{number}.png")
    found = open_dataset(tmp_path, SPEC)
    assert not found.skipped and len(found.train) + len(found.test) == 16
    assert len({each.pixels for each in found.train}) == len(found.train)  # the upper byte alone, not white


def test_thousands_of_classes_are_listed_and_divided(tmp_path):
    table = tmp_path / "table.csv"
    rows = [(f"{number}.png", f"class{number // 5}") for number in range(5000)]
    for number, (name, _) in enumerate(rows):
        Image.fromarray(np.array([[[number % 256, number // 256, 0]]], np.uint8)).save(tmp_path / name)
    table.write_text("".join(f"{name},{label}\n" for name, label in rows))
    found = open_dataset(tmp_path, InputSpec(1, 1), labels_csv=table)
    assert len(found.class_names) == 1000 and len(found.test) == 1000 and len(found.train) == 4000
