"""The compiler from where it is still to be had: an installed program, a folder, or an archive as passed around.

Archives hold the program beside its own loader and libraries. Started through that loader it needs no installation, no
root, and nothing of this system's C library.
"""

import contextlib
import io
import lzma
import os
import platform
import shutil
import tarfile
import tempfile
import zlib
from pathlib import Path
from typing import BinaryIO, Iterator, List, Optional, Tuple, Union

from edgekit.edgetpu.outside import COMPILER, offers
from edgekit.errors import CompilerError
from edgekit.files import open_regular

#: Name of the program, and of the environment variable that may hold its path.
PROGRAM = "edgetpu_compiler"
VARIABLE = "EDGEKIT_EDGETPU_COMPILER"

#: The loader that archives bring.
LOADER = "ld-linux-x86-64.so.2"

_DEB, _GZIP, _XZ = b"!<arch>\n", b"\x1f\x8b", b"\xfd7zXZ\x00"
#: More than this no archive of the compiler unpacks to.
MOST_BYTES = 512 << 20

_WHAT_TO_GIVE = f"Give {PROGRAM} itself, a folder that holds it, or an archive of it (.deb, .tar.gz)."


def find_compiler(compiler: Optional[Union[str, Path]] = None) -> Path:
    """The program, or an archive of it: as given, as `EDGEKIT_EDGETPU_COMPILER` says, or as found on the PATH.

    Raises CompilerError where it is not there or cannot be executed.
    """
    given = str(compiler) if compiler else os.environ.get(VARIABLE)
    if given and os.path.isdir(given):
        return _in_folder(Path(given))
    if given and is_archive(Path(given)):
        return Path(given).resolve()
    found = shutil.which(given or PROGRAM)
    if found:
        return Path(found).resolve()
    if given:
        raise CompilerError(f"{given} is not a program that can be run.", _WHAT_TO_GIVE)
    raise CompilerError(
        f"{PROGRAM} is not installed on this machine ({platform.system()} {platform.machine()}).", _where_to_get_it()
    )


@contextlib.contextmanager
def started(found: Path) -> Iterator[Tuple[str, ...]]:
    """The words that start what `find_compiler` found; an archive is unpacked for as long as this lasts.

    Raises CompilerError for an archive that is damaged or holds no compiler.
    """
    if not is_archive(found):
        yield command_of(found)
        return
    with tempfile.TemporaryDirectory(prefix="edgekit-compiler-") as folder:
        unpack(found, Path(folder))
        try:
            program = _in_folder(Path(folder))
        except CompilerError:
            raise CompilerError(f"{found} holds no {PROGRAM}.", _WHAT_TO_GIVE) from None
        yield command_of(program)


def command_of(program: Path) -> Tuple[str, ...]:
    """The words that start a program: through the loader that lies beside it, where one does."""
    loader = program.with_name(LOADER)
    if not loader.is_file():
        return (str(program),)
    return (str(loader), "--library-path", str(program.parent), str(program))


def is_archive(path: Path) -> bool:
    """Whether a file is a .deb, or a tar archive compressed with gzip or xz, by its first bytes."""
    try:
        with open_regular(path, None) as stream:
            return stream.read(8).startswith((_DEB, _GZIP, _XZ))
    except OSError:
        return False


def unpack(archive: Path, folder: Path) -> None:
    """Writes the regular files of an archive below a folder; what a link refers to takes the link's place.

    Raises CompilerError where it is damaged, too large, or compressed in a way that Python does not know.
    """
    try:
        with open_regular(archive, MOST_BYTES) as stream, tarfile.open(fileobj=_tar(stream), mode="r:*") as tar:
            room = MOST_BYTES
            for member in tar:
                if _is_within(member.name) and (member.isfile() or member.issym() or member.islnk()):
                    room -= _write(tar, member, folder, room)
    except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError, KeyError, ValueError) as error:
        raise CompilerError(
            f"{archive} could not be unpacked: {error}.", "Fetch it again, or unpack it and give the folder."
        ) from error


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, room: int) -> int:
    """Writes one file, readable and executable by its owner; how many bytes it has."""
    source = tar.extractfile(member)
    content = source.read(room + 1) if source else b""
    if len(content) > room:
        raise ValueError("it claims an absurd size")
    target = folder / member.name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    target.chmod(0o700)
    return len(content)


def _is_within(name: str) -> bool:
    return not name.startswith("/") and ".." not in Path(name).parts


def _tar(stream: BinaryIO) -> BinaryIO:
    """The tar archive: the file itself, or what a .deb holds its files in."""
    if stream.read(len(_DEB)) != _DEB:
        stream.seek(0)
        return stream
    while True:
        head = stream.read(60)
        if len(head) < 60:
            raise ValueError("it has no data.tar")
        name, size = head[:16].decode("ascii", "replace").strip(" /"), int(head[48:58])
        if name.startswith("data.tar"):
            if name.endswith(".zst"):
                raise ValueError("it is compressed with zstd")
            return io.BytesIO(stream.read(size))
        stream.seek(size + size % 2, io.SEEK_CUR)


def _in_folder(folder: Path) -> Path:
    """The program in a folder or below: the one with a loader beside it, else the one that lies highest."""
    found: List[Path] = [path for path in folder.rglob(PROGRAM) if path.is_file() and os.access(str(path), os.X_OK)]
    if not found:
        raise CompilerError(f"{folder} is not a program that can be run, and holds no {PROGRAM}.", _WHAT_TO_GIVE)
    return min(found, key=lambda path: (not path.with_name(LOADER).is_file(), len(path.parts), str(path))).resolve()


def _where_to_get_it() -> str:
    hand_off = "`edgekit compile MODEL --handoff FOLDER` writes a container recipe and the exact command."
    if (platform.system(), platform.machine()) in (("Linux", "x86_64"), ("Linux", "AMD64")):
        ways = "; or ".join(f"{offer.name} ({offer.date}: {offer.note})" for offer in offers(COMPILER))
        return f"It comes as {ways}. To compile elsewhere: {hand_off}"
    return f"It exists for Linux on x86-64 only; to compile elsewhere: {hand_off}"
