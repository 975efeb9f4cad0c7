"""What a tool's output on a phone comes down to."""

import pytest

from edgekit.devices.phone.faults import explain, last_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "INFO: Loaded\nERROR: Op 3 is not supported.\nERROR: Later trouble\nBenchmarking failed",
            "Op 3 is not supported",
        ),
        ("ERROR: Benchmarking failed.\nFATAL: No memory for tensors\n", "No memory for tensors"),
        ("one line\n\n  the last line.  \n\n", "the last line"),
        ("", "it says nothing"),
        ("  \n\n", "it says nothing"),
    ],
)
def test_the_first_error_or_else_the_last_line_is_told(text, words):
    assert last_words(text) == words


def test_words_are_cut_to_a_screens_width():
    assert last_words("x" * 500) == "x" * 160


def test_what_is_not_known_is_not_explained():
    assert explain("everything is fine") is None
    known = explain('CANNOT LINK EXECUTABLE "x": library "libfoo.so" not found')
    assert known is not None and "libfoo.so" in known.message and known.hint
