import json
import os
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

from edgekit.cli.camera import camera
from tests.support.build import colour_classifier
from tests.support.video import breaking_video


@pytest.fixture(autouse=True)
def _signals_as_before():
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def run(*arguments):
    return CliRunner().invoke(camera, [str(argument) for argument in arguments])


def test_a_folder_as_text_with_a_recording(tmp_path, model_file, images):
    result = run(model_file, images, "--headless", "--record", tmp_path / "seen.jsonl")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert [line.split(": ")[1].split()[0] for line in lines[:3]] == ["red", "green", "blue"]
    assert lines[3].startswith("3 frames classified, 0 dropped") and "1 unreadable" in lines[3]
    assert [json.loads(line)["label"] for line in (tmp_path / "seen.jsonl").read_text().splitlines()] == [
        "red",
        "green",
        "blue",
    ]


def test_json_is_one_document(model_file, images):
    result = run(model_file, images, "--json")
    assert json.loads(result.stdout) == {"classified": 3, "corrupt": 1, "dropped": 0, "lost": 0, "missing": 0}


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        (["nowhere"], "UsageError"),
        (["images", "--on-label", "red>0.5"], "UsageError"),
        (["images", "--run", "true"], "UsageError"),
        (["images", "--on-label", "red", "--run", "true"], "UsageError"),
        (["images", "--on-label", "rot>80%", "--run", "true"], "UsageError"),
        (["images", "--on-label", "red>80%", "--run", "no-such-program"], "UsageError"),
        (["images", "--device", "emulated:nowhere"], "UsageError"),
        (["images", "--smooth", "1"], "UsageError"),
        (["images", "--record", "seen.txt"], "UsageError"),
        (["images", "--record", "no/such/seen.csv"], "OutputError"),
        (["images", "--labels", "none.txt"], "DataError"),
    ],
)
def test_errors_are_told_in_words_and_in_json(monkeypatch, tmp_path, model_file, images, options, kind):
    monkeypatch.chdir(tmp_path)
    as_text, as_json = run(model_file, *options, "--headless"), run(model_file, *options, "--json")
    assert as_text.exit_code == as_json.exit_code == 2
    assert as_text.stderr.startswith("Error: ") and "Traceback" not in as_text.stderr
    assert json.loads(as_json.stdout)["error"] == kind


def test_a_class_that_the_model_lacks_is_told_before_any_frame(tmp_path, model_file, images):
    for asked, hint in [("gren>0.5", "Did you mean green?"), ("dog>0.5", "Its 3 classes are: red, green, blue.")]:
        result = run(model_file, images, "--headless", "--on-label", asked, "--run", "true")
        assert result.exit_code == 2 and result.stdout == ""
        assert "The model has no class" in result.stderr and hint in result.stderr
    (tmp_path / "unnamed.tflite").write_bytes(colour_classifier("uint8"))
    result = run(tmp_path / "unnamed.tflite", images, "--headless", "--on-label", "class 1>0.1", "--run", "true")
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(("kept", "code"), [(1.0, 0), (0.3, 2)])
def test_a_video_that_breaks_off_is_told_and_ends_with_an_error_code(tmp_path, model_file, kept, code):
    path = breaking_video(tmp_path / "clip.avi", frames=60, kept=kept)
    as_json, as_text = run(model_file, path, "--json"), run(model_file, path, "--headless")
    assert as_json.exit_code == as_text.exit_code == code
    tally = json.loads(as_json.stdout)
    assert tally["classified"] + tally["missing"] == 60 and (tally["missing"] > 30) == bool(code)
    assert ("breaks off" in as_text.stderr) == ("missing at the end" in as_text.stdout) == bool(code)


def test_without_a_screen_it_says_headless(monkeypatch, model_file, images):
    monkeypatch.delenv("DISPLAY", raising=False)
    result = run(model_file, images)
    assert result.exit_code == 2 and "--headless" in result.stderr


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(tmp_path, model_file, images, number):
    for copy in range(3000):
        (images / f"9 {copy}.png").write_bytes((images / "0red.png").read_bytes())
    command = [sys.executable, "-m", "edgekit", "camera", str(model_file), str(images), "--headless"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        process.send_signal(number)
        output, errors = process.communicate(timeout=20)
    assert process.returncode == 0 and "Traceback" not in errors
    assert "frames classified" in output and " 3003 frames" not in output


def test_where_the_class_names_are_from_is_said_once(monkeypatch, tmp_path, model_file, images):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.txt").write_text("rot\ngruen\nblau\n")
    own = run(model_file, "images", "--headless")
    given = run(model_file, "images", "--headless", "--labels", "other.txt")
    assert own.stderr.count("Class names: the model's own.") == 1
    assert given.stderr.count("Class names: from other.txt.") == 1
    assert "Class names" not in run(model_file, "images", "--json").stderr
