import os

import pytest

from edgekit.edgetpu.compiler.handoff import command, write_handoff
from edgekit.edgetpu.placement.placement import CompilerOptions
from edgekit.errors import UsageError
from tests.support.recordings import int8_model


def models(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(int8_model())
    return [folder / name for name in names]


def test_models_and_what_compiles_them_are_written(tmp_path):
    written = write_handoff(models(tmp_path / "in", "a.tflite", "b.tflite"), tmp_path / "out")
    names = ["a.tflite", "b.tflite", "Containerfile", "edgetpu_compiler", "compile.sh"]
    assert [path.name for path in written] == names and all(path.parent == tmp_path / "out" for path in written)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(names)
    assert [os.access(path, os.X_OK) for path in written] == [False, False, False, True, True]
    assert [path.stat().st_mode & 0o777 for path in written[3:]] == [0o755, 0o755], "all run them, one may write"
    assert "-s ./a.tflite ./b.tflite" in written[-1].read_text()


def test_models_of_one_name_are_refused(tmp_path):
    same = models(tmp_path / "one", "a.tflite") + models(tmp_path / "two", "a.tflite")
    with pytest.raises(UsageError, match="the same name"):
        write_handoff(same, tmp_path / "out")


def test_names_are_quoted_for_a_shell():
    assert command(["a b.tflite", "-s.tflite"], CompilerOptions()).endswith("'./a b.tflite' ./-s.tflite")


def test_the_archive_is_copied_beside_the_recipe_that_names_it(tmp_path):
    (tmp_path / "compiler.deb").write_bytes(b"archive")
    written = write_handoff(models(tmp_path / "in", "a.tflite"), tmp_path / "out", archive=tmp_path / "compiler.deb")
    assert (tmp_path / "out" / "compiler.deb") in written
    assert (tmp_path / "out" / "compiler.deb").read_bytes() == b"archive"
    assert 'COPY ["compiler.deb", "/opt/archive"]' in (tmp_path / "out" / "Containerfile").read_text()
