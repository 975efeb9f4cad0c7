import pytest

from edgekit.sizes import size_bytes, size_text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0.00B"),
        (1, "1.00B"),
        (1023, "1023.00B"),
        (1024, "1.00KiB"),
        (1536, "1.50KiB"),
        (1024**2 - 1, "1024.00KiB"),
        (1024**2, "1.00MiB"),
        (8 * 1024**2 + 1024**2 // 4, "8.25MiB"),
        (1024**3, "1.00GiB"),
        (5 * 1024**4, "5120.00GiB"),
    ],
)
def test_sizes_are_written_as_the_compiler_prints_them_and_read_back(size, text):
    assert size_text(size) == text
    assert size_bytes(text) == pytest.approx(size, rel=1e-2, abs=0)


@pytest.mark.parametrize("text", ["", "4", "4.24 MiB", "-1B", "4.24TiB", "MiB", "1.B", "4.24MiBs", "1" * 13 + "B"])
def test_other_texts_are_no_sizes(text):
    with pytest.raises(ValueError, match="not a size"):
        size_bytes(text)
