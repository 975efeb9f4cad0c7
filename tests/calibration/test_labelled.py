import pytest

from edgekit.calibration.labelled import ImageSet, from_csv, from_folder, open_labelled
from edgekit.errors import DataError, UsageError
from tests.support.colours import NAMES, folder


def truths(images):
    (way,) = images.matching.ways
    return tuple(way.outputs[label] for label in images.classes)


def test_a_folder_gives_every_image_its_output(tmp_path):
    images = from_folder(folder(tmp_path, {"blue": "bb", "Red": "r"}), NAMES, 3)
    assert dict(zip(images.names, truths(images), strict=True)) == {"Red/0.png": 0, "blue/0.png": 2, "blue/1.png": 2}
    assert images.root == tmp_path


def test_a_folder_without_classes_is_refused(tmp_path):
    with pytest.raises(DataError, match="does not show"):
        from_folder(folder(tmp_path, {"red": "r"}) / "red", NAMES, 3)


@pytest.mark.parametrize(
    "text",
    [
        "file,label\na.png,blue\nb/c.png,red\n",
        "a.png,2\nb/c.png,0\n",
        "\ufeffFilename,Class\r\na.png , Blue\r\n\r\nb/c.png,RED,extra\r\n",
        '"a.png","blue"\n"b/c.png","red"',
    ],
)
def test_a_table_names_files_and_classes_or_numbers(tmp_path, text):
    table = tmp_path / "labels.csv"
    table.write_text(text, encoding="utf-8")
    images = from_csv(table, None, NAMES, 3)
    assert (images.names, truths(images), images.root) == (("a.png", "b/c.png"), (2, 0), tmp_path)
    assert from_csv(table, tmp_path / "elsewhere", NAMES, 3).root == tmp_path / "elsewhere"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "names no images"),
        (b"file,label\n", "names no images"),
        (b"a.png\n", "no file or no label"),
        (b"file,label\na.png,red\nb.png,\n", "image 2 has no file"),
        (b",red\n", "no file or no label"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b'a.png,"' + b"x" * 200_000 + b'"\n', "cannot be read"),
        (b"a.png,pink\n", "none of the model's labels"),
        (b"a\x00.png,red\n", "it is not a CSV file"),
        (b"a.png," + b"9" * 5000 + b"\n", "number of 5000 digits"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path, content, message):
    table = tmp_path / "labels.csv"
    table.write_bytes(content)
    with pytest.raises(DataError, match=message):
        from_csv(table, None, NAMES, 3)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.csv"):
        from_csv(tmp_path / "none.csv", None, NAMES, 3)


@pytest.mark.parametrize(("count", "given"), [(None, 6), (4, 4), (6, 6), (50, 6)])
def test_as_many_images_are_taken_as_are_asked_for_of_all_classes(tmp_path, count, given):
    images = open_labelled(ImageSet(folder(tmp_path, {"red": "rrr", "blue": "bbb"}), count=count), NAMES, 3)
    assert len(set(images.names)) == len(images.classes) == given
    assert {truth: truths(images).count(truth) for truth in (0, 2)} == {0: given // 2, 2: given // 2}
    assert all((truth == 0) == name.startswith("red") for name, truth in zip(images.names, truths(images), strict=True))


def test_a_table_goes_before_the_folders_and_nothing_is_refused(tmp_path):
    images = folder(tmp_path / "images", {"red": "r", "blue": "b"})
    (tmp_path / "t.csv").write_text("red/0.png,green\n")
    found = open_labelled(ImageSet(images, tmp_path / "t.csv"), NAMES, 3)
    assert (found.root, found.names, truths(found)) == (images, ("red/0.png",), (1,))
    with pytest.raises(UsageError, match="no images"):
        open_labelled(ImageSet(None), NAMES, 3)
