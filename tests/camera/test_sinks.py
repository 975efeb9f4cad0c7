import csv
import json
import os
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from edgekit.camera import Action, Recorder, checked, parse_trigger
from edgekit.camera.window import overlay
from edgekit.devices import Classifier
from edgekit.errors import OutputError, UsageError
from tests.support.build import colour_classifier


def test_jsonl_has_a_document_for_each_frame(tmp_path, sighting):
    recorder = Recorder(tmp_path / "seen.jsonl")
    recorder(sighting(3, dog=0.75, cat=0.25))
    first = json.loads((tmp_path / "seen.jsonl").read_text())  # complete before the file is closed
    recorder.close()
    assert first["frame"] == 3 and first["label"] == "dog" and first["score"] == 0.75 and first["ms"] == 3.5
    assert first["predictions"][1] == {"index": 1, "label": "cat", "score": 0.25}
    assert first["time"].endswith("+00:00") and first["device"] == "cpu"


def test_csv_has_one_header_also_after_a_restart(tmp_path, sighting):
    for number in range(2):
        recorder = Recorder(tmp_path / "seen.csv")
        recorder(sighting(number, **{'a "dog", maybe\nnot': 0.5}))
        recorder.close()
    with (tmp_path / "seen.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["frame"] for row in rows] == ["0", "1"]
    assert rows[0]["label"] == 'a "dog", maybe\nnot' and rows[0]["score"] == "0.5"


def test_recordings_of_unknown_kind_or_nowhere(tmp_path):
    with pytest.raises(UsageError, match=r"\.jsonl"):
        Recorder(tmp_path / "seen.txt")
    with pytest.raises(OutputError, match="cannot be written"):
        Recorder(tmp_path / "none" / "seen.csv")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_told(tmp_path, sighting):
    (tmp_path / "full.jsonl").symlink_to("/dev/full")
    recorder = Recorder(tmp_path / "full.jsonl")
    with pytest.raises(OutputError, match="No space"):
        recorder(sighting(dog=0.5))
    recorder.close()


@pytest.mark.parametrize(
    ("text", "label", "score"),
    [("dog>0.8", "dog", 0.8), (" wild dog > 80% ", "wild dog", 0.8), ("a>b>.5", "a>b", 0.5), ("Hündin>0", "Hündin", 0)],
)
def test_conditions(text, label, score):
    trigger = parse_trigger(text)
    assert (trigger.label, trigger.score) == (label, score)


@pytest.mark.parametrize(
    "text", ["", "dog", ">0.5", "dog>", "dog>1", "dog>100%", "dog>-1", "dog>x", "dog<0.5", "dog>1.2.3"]
)
def test_what_is_no_condition(text):
    with pytest.raises(UsageError, match="no condition"):
        parse_trigger(text)


def test_a_condition_is_met_above_its_score_only(sighting):
    trigger = parse_trigger("Dog>0.5")
    assert trigger.met_by(sighting(cat=0.4, dog=0.51).classes).label == "dog"
    assert trigger.met_by(sighting(dog=0.5).classes) is None
    assert trigger.met_by(sighting(hotdog=0.9).classes) is None


def _wait(path):
    deadline = time.monotonic() + 10
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return path.read_text()


_TELL = (
    "import os, sys; told = sys.argv[1]; text = os.environ['EDGEKIT_LABEL'] + '|' + sys.argv[2]; "
    "open(told + '~', 'w').write(text); os.rename(told + '~', told)"
)


def test_the_label_reaches_the_command_as_a_value_and_never_as_code(tmp_path, sighting):
    evil = f"$(touch {tmp_path}/bad); `x` 'dog"
    told = tmp_path / "told"
    action = Action(parse_trigger(evil + ">0.5"), f'{sys.executable} -c "{_TELL}" {told} "two words; $HOME"')
    action(sighting(**{evil: 0.9}))
    assert _wait(told) == f"{evil}|two words; $HOME"
    assert not (tmp_path / "bad").exists()
    action._running.wait()


def test_it_rests_between_two_starts(tmp_path, sighting):
    action = Action(parse_trigger("dog>0.5"), f"{sys.executable} -c pass", cooldown=1000)
    action(sighting(dog=0.4))
    assert action._running is None
    action(sighting(dog=0.9))
    first = action._running
    first.wait()
    action(sighting(dog=0.9))
    assert action._running is first


def test_it_does_not_start_while_it_runs(sighting):
    action = Action(parse_trigger("dog>0.5"), f'{sys.executable} -c "import time; time.sleep(60)"', cooldown=0)
    action(sighting(dog=0.9))
    first = action._running
    action(sighting(dog=0.9))
    assert action._running is first
    first.kill()
    first.wait()
    action(sighting(dog=0.9))
    assert action._running is not first
    action._running.kill()
    action._running.wait()


@pytest.mark.parametrize("command", ["", "  ", "echo 'open"])
def test_commands_that_cannot_be(command):
    with pytest.raises(UsageError):
        Action(parse_trigger("dog>0.5"), command)


def test_a_command_that_is_not_there_is_told_at_once():
    with pytest.raises(UsageError, match="no program '/no/such/program'"):
        Action(parse_trigger("dog>0.5"), "/no/such/program")


def test_a_command_that_goes_away_meanwhile(sighting, tmp_path):
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    action = Action(parse_trigger("dog>0.5"), str(program))
    program.unlink()
    with pytest.raises(OutputError, match="cannot be started"):
        action(sighting(dog=0.9))


def test_a_reloaded_model_without_the_class_is_refused(tmp_path, model_file):
    (tmp_path / "unnamed.tflite").write_bytes(colour_classifier("uint8"))
    paths = iter([model_file, tmp_path / "unnamed.tflite"])
    open_it = checked(lambda: Classifier(next(paths)), parse_trigger("Red>0.5"))
    open_it().close()
    with pytest.raises(UsageError, match="no class 'Red'"):
        open_it()


def test_the_overlay_writes_on_the_image_and_leaves_its_middle(sighting):
    image = overlay(sighting(**{"Hündin 犬": 0.93}))
    assert image.size == (64, 48) and image.mode == "RGB"
    assert np.asarray(image)[:24].min(axis=2).max() > 200  # white letters
    assert image.getpixel((32, 24)) == (0, 0, 0)


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_a_file_name_that_is_no_text(tmp_path, sighting, suffix):
    seen = sighting(dog=0.5)
    recorder = Recorder(tmp_path / f"seen{suffix}")
    recorder(replace(seen, frame=replace(seen.frame, name="\udcff.png")))
    recorder.close()
    assert r"\udcff.png" in (tmp_path / f"seen{suffix}").read_text(encoding="utf-8")


def test_a_cooldown_that_is_no_number():
    with pytest.raises(UsageError, match="cooldown"):
        Action(parse_trigger("dog>0.5"), "true", cooldown=float("nan"))
