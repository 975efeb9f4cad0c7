import pytest

from edgekit.errors import DataError
from edgekit.labels import read_labels


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
