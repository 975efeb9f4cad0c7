import io
import zipfile

import pytest

from edgekit.errors import ModelFormatError
from edgekit.tflite.attached import read_files, with_files
from tests.support.build import colour_classifier

MOST = 64 << 20


def test_files_come_back_and_the_model_stays_in_front():
    content = colour_classifier()
    attached = with_files(content, {"b.txt": b"two", "a.txt": b"one"})
    assert attached.startswith(content)
    assert read_files(attached) == {"a.txt": b"one", "b.txt": b"two"}
    assert attached == with_files(content, {"a.txt": b"one", "b.txt": b"two"})
    assert read_files(content) == {}


def test_files_are_marked_as_made_on_unix_at_one_time_whatever_made_them_and_when():
    with zipfile.ZipFile(io.BytesIO(with_files(b"", {"a.txt": b"one"}))) as archive:
        (entry,) = archive.infolist()
    assert (entry.create_system, entry.date_time) == (3, (1980, 1, 1, 0, 0, 0))


def test_files_of_64_mib_together_are_read_and_of_more_are_not():
    for more, fits in ((0, True), (1, False)):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.writestr("a", b"\0" * (MOST // 2 + more))
            archive.writestr("b", b"\0" * (MOST // 2))
        if fits:
            assert {name: len(data) for name, data in read_files(stream.getvalue()).items()} == dict.fromkeys(
                "ab", MOST // 2
            )
        else:
            with pytest.raises(ModelFormatError, match="absurd size"):
                read_files(stream.getvalue())
