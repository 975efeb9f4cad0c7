import pytest

from edgekit.calibration.labelled import from_csv, from_folder, match_classes
from edgekit.errors import DataError
from tests.support.colours import NAMES, folder

SYNSETS = [f"n{number:08d}" for number in range(1000)]


def match(names, labels=(), outputs=3):
    return match_classes(names, labels, outputs, what="classes")


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["blue", "red"], NAMES),
        (["BLUE", " red"], NAMES),
        (["sky_blue", "dark-red"], ("dark red", "x", "Sky Blue")),
        (["Zu\u0308rich", "café"], ("caf\u00e9", "x", "z\u00fcrich")),
        (["2", "0"], ("0", "1", "2")),
    ],
)
def test_classes_are_matched_by_name_first(names, labels):
    mapping = match(names, labels)
    assert [mapping.outputs[name] for name in names] == [2, 0]
    assert "by name" in mapping.how
    assert not mapping.background


def test_numbers_are_output_indices_not_positions():
    assert match(["10", "2", "007"], NAMES, 11).outputs == {"10": 10, "2": 2, "007": 7}


def test_sorted_order_stands_for_a_model_without_names():
    mapping = match(["tulip", "daisy", "rose"])
    assert mapping.outputs == {"daisy": 0, "rose": 1, "tulip": 2}
    assert mapping.labels == ("daisy", "rose", "tulip")


@pytest.mark.parametrize(("outputs", "background"), [(1000, False), (1001, True)])
def test_synsets_are_numbered_in_sorted_order(outputs, background):
    mapping = match(SYNSETS[::-1], [f"name {i}" for i in range(outputs)], outputs)
    assert mapping.outputs["n00000007"] == 7
    assert mapping.background is background


@pytest.mark.parametrize(
    ("numbers", "outputs", "background"),
    [(["0", "999"], 1001, True), (["1", "1000"], 1001, False), (["0", "1"], 3, False), (["0", "999"], 1000, False)],
)
def test_only_numbers_of_a_thousand_may_leave_out_the_background(numbers, outputs, background):
    assert match(numbers, (), outputs).background is background


@pytest.mark.parametrize(
    ("names", "labels", "outputs", "message"),
    [
        (["red", "pink"], NAMES, 3, "1 of the 2 classes are none of the model's labels: 'pink'"),
        (["a", "b"], (), 5, "cannot be matched to the model's 5 outputs"),
        (SYNSETS[:10], (), 1000, "synsets"),
        (SYNSETS, (), 5, "synsets"),
        (["0", "3"], (), 3, "go up to 3"),
        (["crane"], ("crane", "x", "Crane"), 3, "several outputs: 0, 2"),
        (["²"], (), 3, "cannot be matched"),
    ],
)
def test_what_cannot_be_matched_is_refused_with_advice(names, labels, outputs, message):
    with pytest.raises(DataError, match=message) as refusal:
        match(names, labels, outputs)
    assert refusal.value.hint


def test_a_folder_gives_every_image_its_output(tmp_path):
    images = from_folder(folder(tmp_path, {"blue": "bb", "Red": "r"}), NAMES, 3)
    assert dict(zip(images.names, images.truths, strict=True)) == {"Red/0.png": 0, "blue/0.png": 2, "blue/1.png": 2}
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
    assert (images.names, images.truths, images.root) == (("a.png", "b/c.png"), (2, 0), tmp_path)
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
