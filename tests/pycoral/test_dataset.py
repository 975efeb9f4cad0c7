import pytest

from edgekit.pycoral.utils.dataset import read_label_file


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("0 cat\n1 dog\n", {0: "cat", 1: "dog"}),
        ("0: cat\n7:  great white shark\n", {0: "cat", 7: "great white shark"}),
        ("0\tcat\r\n1\tdog\r\n", {0: "cat", 1: "dog"}),
        ("cat\ngreat white shark\n", {0: "cat", 1: "great white shark"}),
        ("  3   cat  \n", {3: "cat"}),
        ("background\n5 dog", {0: "background", 5: "dog"}),
        ("42\n", {0: "42"}),
        ("² cat\n", {0: "² cat"}),
        ("cat\n\ndog\n", {0: "cat", 1: "", 2: "dog"}),
        ("größe\n", {0: "größe"}),
        ("", {}),
    ],
)
def test_labels(tmp_path, text, labels):
    path = tmp_path / "labels.txt"
    path.write_bytes(text.encode())
    assert read_label_file(str(path)) == labels


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_label_file(tmp_path / "none.txt")


def test_no_text(tmp_path):
    (tmp_path / "x.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UnicodeDecodeError):
        read_label_file(tmp_path / "x.txt")
