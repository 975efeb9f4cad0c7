import pytest

from edgekit.errors import DataError
from edgekit.labels import labels_beside, read_labels


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("cat\ndog\n", ("cat", "dog")),
        ("cat\r\ndog\r\n\r\n", ("cat", "dog")),
        ("\ufeffcat\nHündchen", ("cat", "Hündchen")),
        ("0 Cat\n1 Dog\n", ("Cat", "Dog")),
        ("0: Cat\n1: Big Dog\n", ("Cat", "Big Dog")),
        ("0\tcat\n1\tdog\n", ("cat", "dog")),
        ("1 cat\n2 dog\n", ("1 cat", "2 dog")),
        ("0 cat\n2 dog\n", ("0 cat", "2 dog")),
        ("7 up\n", ("7 up",)),
        ("0\n1\n2\n", ("0", "1", "2")),
        ("  cat  \n\nrabbit\n", ("cat", "", "rabbit")),
        ("\n".join(f"{i} c{i}" for i in range(12)), tuple(f"c{i}" for i in range(12))),
        ("0, cat\n1, dog\n", ("cat", "dog")),
        ("0000000000 cat\n", ("0000000000 cat",)),
        ("000000000 cat\n", ("cat",)),
    ],
)
def test_reads_the_usual_formats(tmp_path, text, labels):
    path = tmp_path / "labels.txt"
    path.write_bytes(text.encode("utf-8"))
    assert read_labels(path) == labels


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xff\xd8\xff\xe0", b"a\0b\n"])
def test_files_without_labels_are_refused(tmp_path, content):
    path = tmp_path / "labels.txt"
    path.write_bytes(content)
    with pytest.raises(DataError):
        read_labels(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        read_labels(tmp_path / "none.txt")
    with pytest.raises(DataError, match="Is a directory"):
        read_labels(tmp_path)


@pytest.mark.parametrize("name", ["b0.labels.txt", "labels.txt", "class_names.txt", "classes.txt"])
def test_labels_beside_a_model_are_found(tmp_path, name):
    (tmp_path / name).write_text("cat\ndog\n")
    assert labels_beside(tmp_path / "b0.tflite", 2) == (("cat", "dog"), ())


def test_the_models_own_list_comes_first(tmp_path):
    (tmp_path / "labels.txt").write_text("a\nb\n")
    (tmp_path / "b0.labels.txt").write_text("cat\ndog\n")
    assert labels_beside(tmp_path / "b0.tflite", 2)[0] == ("cat", "dog")


@pytest.mark.parametrize(("classes", "fits"), [(1, True), (2, True), (3, False)])
def test_two_labels_fit_two_classes_or_one_score(tmp_path, classes, fits):
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    labels, notes = labels_beside(tmp_path / "b0.tflite", classes)
    assert labels == (("cat", "dog") if fits else ())
    assert notes == (() if fits else ("labels.txt beside the model names 2 classes, the model has 3: left alone.",))


def test_a_list_of_another_length_is_left_alone(tmp_path):
    (tmp_path / "labels.txt").write_text("cat\n")
    assert labels_beside(tmp_path / "b0.tflite", 2)[0] == ()
    (tmp_path / "labels.txt").write_text("a\nb\nc\n")
    assert labels_beside(tmp_path / "b0.tflite", 1)[0] == ()


def test_unreadable_labels_beside_a_model_are_told(tmp_path):
    assert labels_beside(tmp_path / "b0.tflite", 2) == ((), ())
    (tmp_path / "labels.txt").write_bytes(b"\xff\xd8")
    labels, notes = labels_beside(tmp_path / "b0.tflite", 2)
    assert labels == () and "no readable labels" in notes[0]
