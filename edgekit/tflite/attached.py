"""Files in a zip archive behind a model, where the standard keeps labels: any reader of flatbuffers passes over it."""

import zipfile
from io import SEEK_END, BytesIO
from typing import Dict, Mapping

from edgekit.errors import ModelFormatError

# Labels and records are kilobytes: an archive that claims more is damaged, or a zip bomb.
_MOST_BYTES = 64 << 20


def with_files(content: bytes, files: Mapping[str, bytes]) -> bytes:
    """The file with a zip archive behind it; stored, since the standard's readers cannot inflate."""
    stream = BytesIO(content)
    stream.seek(0, SEEK_END)
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            # Its own date, which is always the same, and a fixed system: the same model must give the same bytes.
            entry = zipfile.ZipInfo(name)
            entry.create_system = 3
            archive.writestr(entry, files[name])
    return stream.getvalue()


def read_files(content: bytes) -> Dict[str, bytes]:
    """The files in the zip archive behind a model; {} where there is none.

    Raises ModelFormatError for an archive that is damaged or claims an absurd size.
    """
    stream = BytesIO(content)
    if not zipfile.is_zipfile(stream):
        return {}
    try:
        with zipfile.ZipFile(stream) as archive:
            if sum(entry.file_size for entry in archive.infolist()) <= _MOST_BYTES:
                return {entry.filename: archive.read(entry) for entry in archive.infolist()}
    except Exception as error:  # zipfile fails in any way that a damaged archive dictates
        raise ModelFormatError("the files attached to it cannot be read.") from error
    raise ModelFormatError("the files attached to it claim an absurd size.")
