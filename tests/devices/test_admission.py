"""The door for models from elsewhere: what ends an interpreter's process must not end this one."""

import subprocess
import sys

import pytest

from edgekit import Classifier
from edgekit.devices import admission
from edgekit.devices.admission import admit, vouch
from edgekit.errors import ModelFormatError
from edgekit.tflite.reader import read_graph
from tests.support.build import colour_classifier, colour_model
from tests.support.hostile import filled_with, open_size, picky, split_inside_a_branch
from tests.support.pairs import compiled


@pytest.fixture
def trials(tmp_path, monkeypatch):
    """The models that are tried in another process from now on, on a machine that remembers none."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(admission, "_passed", set())
    tried, first_run = [], admission._first_run
    monkeypatch.setattr(admission, "_first_run", lambda *given: tried.append(given[1]) or first_run(*given))
    return tried


def _forget(monkeypatch):
    """As a new process begins."""
    monkeypatch.setattr(admission, "_passed", set())


def test_a_model_that_ends_its_process_is_refused_by_name(tmp_path, trials):
    path = tmp_path / "evil.tflite"
    path.write_bytes(split_inside_a_branch())
    with pytest.raises(ModelFormatError, match=r"evil\.tflite ends the process that runs it") as caught:
        Classifier(path)
    assert "malicious" in caught.value.hint


def test_what_a_compiled_model_leaves_to_the_cpu_is_tried_too(trials):
    with pytest.raises(ModelFormatError, match="ends the process that runs it"):
        admit(read_graph(split_inside_a_branch(compiled=True)), "evil_edgetpu")
    for kind in ("whole", "apart"):
        admit(read_graph(compiled(kind)), kind)
    assert trials == ["evil_edgetpu", "apart"]  # all of the other is on the chip


def test_without_the_first_run_that_model_ends_the_process(tmp_path):
    path = tmp_path / "evil.tflite"
    path.write_bytes(split_inside_a_branch())
    program = (
        "import sys; from edgekit.devices.interpreter import open_interpreter\n"
        "open_interpreter(open(sys.argv[1], 'rb').read()).invoke()"
    )
    assert subprocess.run([sys.executable, "-c", program, str(path)], stderr=subprocess.DEVNULL).returncode < 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="address space is bounded on Linux only")
def test_a_model_that_asks_for_the_memory_of_all_is_refused(trials):
    with pytest.raises(ModelFormatError, match=r"m\.tflite does not run: .*FILL"):
        admit(read_graph(filled_with(1 << 30)), "m.tflite")


def test_a_model_that_never_answers_is_refused(trials, monkeypatch):
    monkeypatch.setattr(admission, "PATIENCE_S", 0.01)
    with pytest.raises(ModelFormatError, match=r"m\.tflite did not answer within 0\.01 seconds"):
        admit(read_graph(colour_classifier()), "m.tflite")


def test_a_model_that_passed_is_not_tried_again_in_another_process_either(trials, monkeypatch):
    graph = read_graph(colour_classifier())
    admit(graph, "first")
    admit(graph, "second")
    _forget(monkeypatch)
    admit(graph, "third")
    assert trials == ["first"]


def test_a_model_that_does_not_run_at_the_size_asked_for_is_refused(trials):
    admit(read_graph(open_size(2)), "open", shape=(1, 16, 16, 3))
    with pytest.raises(ModelFormatError, match="open does not run"):
        admit(read_graph(open_size(2)), "open", shape=(1, 16, 16, 4))


def test_a_model_that_takes_some_inputs_only_is_let_in(trials):
    admit(read_graph(picky()), "picky")
    assert len(admission._remembered()) == 1


def test_a_changed_model_is_tried_again(trials):
    admit(read_graph(colour_classifier()), "first")
    admit(read_graph(colour_classifier(size=9)), "second")
    assert trials == ["first", "second"]


def test_a_refused_model_is_not_remembered(trials, monkeypatch):
    for _ in range(2):
        with pytest.raises(ModelFormatError):
            admit(read_graph(split_inside_a_branch()), "evil")
    assert trials == ["evil", "evil"]


def test_another_interpreter_tries_it_again(trials, monkeypatch):
    graph = read_graph(colour_classifier())
    admit(graph, "first")
    _forget(monkeypatch)
    monkeypatch.setattr(admission, "_runtime", lambda: "a newer one")
    admit(graph, "second")
    assert trials == ["first", "second"]


def test_what_edgekit_has_made_and_run_itself_is_not_tried(trials, monkeypatch):
    vouch(colour_model())
    _forget(monkeypatch)
    admit(read_graph(colour_model()), "own")
    assert trials == []


@pytest.mark.parametrize("home", ["/proc/nowhere", "relative"])
def test_without_a_folder_to_remember_in_models_open_all_the_same(home, trials, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", home)
    admit(read_graph(colour_classifier()), "m")
    assert trials == ["m"]


def test_a_record_that_is_no_text_is_no_reason_to_fail(trials, tmp_path):
    record = tmp_path / "cache/edgekit/models-that-ran.txt"
    record.parent.mkdir(parents=True)
    record.write_bytes(b"\xff\xfe\x00")
    admit(read_graph(colour_classifier()), "m")


def test_the_record_does_not_grow_without_end(trials, tmp_path, monkeypatch):
    monkeypatch.setattr(admission, "_REMEMBERED", 4)
    for size in range(6, 13):
        vouch(colour_classifier(size=size))
    kept = (tmp_path / "cache/edgekit/models-that-ran.txt").read_text().split()
    assert kept == [admission._key(colour_classifier(size=size)) for size in (10, 11, 12)]  # the last half, and one


def test_where_no_process_can_be_started_models_open_all_the_same(trials, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    admit(read_graph(colour_classifier()), "m")
    assert trials == ["m"]


@pytest.mark.parametrize("frozen", [True, False])
def test_a_program_that_cannot_be_started_as_python_does_not_start_itself(frozen, trials, monkeypatch):
    if frozen:  # as PyInstaller leaves it
        monkeypatch.setattr(sys, "frozen", True, raising=False)
    else:  # as an embedded Python may leave it
        monkeypatch.setattr(sys, "executable", "")
    admit(read_graph(colour_classifier()), "m")
    assert trials == []


@pytest.mark.parametrize(
    ("code", "told"), [(-1, "signal 1"), (-11, "signal 11"), (1, "code 0x1"), (0xC0000005, "code 0xc0000005")]
)
def test_how_a_process_ended_is_told_as_its_system_counts(code, told):
    """POSIX: minus the signal's number; Windows: a status, which people know in hexadecimal."""
    with pytest.raises(ModelFormatError, match=rf"^m ends the process that runs it \({told}\)"):
        admission._judge(["started"], code, "m")
    assert admission._judge(["started", "allocated", "ran"], 0, "m")


@pytest.mark.parametrize(
    ("stages", "told"),
    [
        (["started", 'refused ""'], "m seems to need more memory than is left, or more than 4 GB."),
        (["started", "allocated", 'refused "op 3\\n  fails"'], "m does not run: op 3 fails"),
        (["started", "allocated", f'refused "{"x" * 201}"'], f"m does not run: {'x' * 200}"),
    ],
)
def test_why_a_model_is_refused_is_told_in_a_line(stages, told):
    with pytest.raises(ModelFormatError) as caught:
        admission._judge(stages, 0, "m")
    assert caught.value.message == told


@pytest.mark.parametrize(("stages", "code"), [([], 0), ([], 1), ([], -9), (["started", 'refused "no such op"'], 0)])
def test_what_could_not_be_tried_is_no_fault_of_the_model(stages, code):
    """No process could be started, or the interpreter did not take the model: its words come when it is opened."""
    assert not admission._judge(stages, code, "m")


def test_files_beside_a_program_are_not_imported_by_the_first_run(tmp_path, trials, monkeypatch):
    (tmp_path / "numpy.py").write_text("raise SystemExit(7)")
    (tmp_path / "random.py").write_text("raise SystemExit(7)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    admit(read_graph(colour_classifier()), "m")
    assert len(admission._remembered()) == 1
