"""What a classifier says of single images, broken and missing ones among them."""

import pytest

from edgekit.devices import Classifier
from edgekit.evaluation.answers import Answer, answer, read_image
from tests.support.colours import image, with_background


def test_the_five_best_of_many_classes_are_kept_for_top_five_accuracy(tmp_path):
    red = image(0, tmp_path / "red.png").read_bytes()
    found = answer(Classifier(with_background()), red)
    assert len(found.best) == 5 and found.best[0] == 1


def test_a_broken_image_is_told_without_saying_where_it_is():
    assert answer(Classifier(with_background()), b"none").problem == "is not an image that Pillow can open"


def test_a_missing_file_is_told_in_the_systems_words(tmp_path):
    assert read_image(tmp_path / "none.png") == Answer((), "no such file or directory")


def test_an_error_without_words_is_told_by_its_name(tmp_path, monkeypatch):
    def fails(path, limit):
        raise TimeoutError

    monkeypatch.setattr("edgekit.evaluation.answers.read_bytes", fails)
    assert read_image(tmp_path).problem == "timeouterror"


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n"])
def test_an_answer_to_a_broken_image_names_no_class(content):
    assert answer(Classifier(with_background()), content).best == ()
