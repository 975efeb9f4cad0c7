import sys
from importlib.util import find_spec

import pytest

from edgekit.errors import MissingDependencyError, OutputError
from edgekit.image import decode
from edgekit.models.photos import copy_demo_photos, demo_photos

photos = pytest.mark.skipif(find_spec("skimage") is None, reason="scikit-image is not installed")


@photos
def test_the_photographs_are_images_of_photographs_size():
    found = demo_photos()
    assert len(found) >= 3
    assert all(min(decode(photo).size) >= 256 for photo in found)
    assert "skimage" not in sys.modules


@photos
def test_copies_are_the_photographs(tmp_path):
    copies = copy_demo_photos(tmp_path / "new" / "folder")
    assert [copy.read_bytes() for copy in copies] == [photo.read_bytes() for photo in demo_photos()]
    assert sorted((tmp_path / "new" / "folder").iterdir()) == sorted(copies)


@photos
def test_copies_replace_what_was_there(tmp_path):
    (tmp_path / "chelsea.png").write_text("older")
    copy_demo_photos(tmp_path)
    assert decode(tmp_path / "chelsea.png").size == (451, 300)


@photos
@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_file_in_the_way_is_an_output_error(tmp_path, name):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="could not be created"):
        copy_demo_photos(tmp_path / name)


def test_without_scikit_image_the_extra_is_named(monkeypatch):
    monkeypatch.setattr("edgekit.models.packages.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"edgekit-coral\[demo\]"):
        demo_photos()


def test_a_scikit_image_without_photographs_is_told(tmp_path, monkeypatch):
    (tmp_path / "skimage").mkdir()
    (tmp_path / "skimage" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingDependencyError, match="no photographs"):
        demo_photos()
