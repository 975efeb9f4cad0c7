import itertools
import threading

import numpy as np
import pytest

from edgekit.camera import Control, Frame, open_source, sources, watch
from edgekit.camera.mailbox import Mailbox
from edgekit.camera.smoothing import Smoother
from edgekit.camera.sources import Video
from edgekit.camera.watch import Rate
from edgekit.devices import Classifier, ClassScore
from edgekit.errors import DataError, DeviceError, EdgekitError, ModelFormatError, UsageError
from tests.support.build import COLOURS, colour_model
from tests.support.video import breaking_video


class Script:
    """A live source that plays colours; None is a corrupt frame, a list starts after the camera was lost."""

    name, live, missing = "camera 7", False, 0

    def __init__(self, *parts, absent=0):
        self._parts, self._absent, self.closed = list(parts), absent, False

    def open(self):
        if self._absent:
            self._absent -= 1
            raise DeviceError("Not there.")

    def frames(self):
        for number, colour in enumerate(self._parts.pop(0) if self._parts else []):
            pixels = None if colour is None else np.full((8, 8, 3), COLOURS[colour], np.uint8)
            yield None if pixels is None else Frame(number, f"{self.name} #{number}", pixels)
        self.live = bool(self._parts)  # after the last part it has ended

    def close(self):
        self.closed = True


def _watch(source, model_file, control=None, past=0.0, notify=lambda text: None):
    return watch(source, lambda: Classifier(model_file), control or Control(), past=past, notify=notify)


def test_a_folder_is_classified_image_by_image(images, model_file):
    control = Control()
    found = [(s.frame.number, s.classes[0].label) for s in _watch(open_source(str(images)), model_file, control)]
    assert found == [(0, "red"), (2, "green"), (3, "blue")]
    assert (control.tally.classified, control.tally.corrupt, control.tally.dropped) == (3, 1, 0)


def test_a_lost_camera_is_looked_for_until_it_is_back(model_file):
    told, control = [], Control()
    source = Script(["red", None], ["blue"], absent=1)
    # The source is live while parts are left; frames wait all the same, so that none is dropped here.
    found = [s.classes[0].label for s in _watch(source, model_file, control, notify=told.append)]
    assert found == ["red", "blue"] and source.closed
    assert control.tally.lost == 1 and control.tally.corrupt == 1
    assert [text.split(" after")[0] for text in told] == [
        "camera 7 is lost; trying again in 0.5 s.",
        "camera 7 is lost; trying again in 1 s.",
        "camera 7 is back",
    ]


def test_a_lost_camera_does_not_keep_anybody_waiting(model_file):
    control = Control()
    source = Script(["red"], ["blue"], absent=99)
    found = []
    for sighting in _watch(source, model_file, control, notify=lambda text: control.stop.set()):
        found.append(sighting.classes[0].label)
    assert found in ([], ["red"]) and source.closed


def test_it_stops_when_told(model_file):
    control = Control()
    source = Script(itertools.repeat("green"))
    sightings = _watch(source, model_file, control)
    assert next(sightings).classes[0].label == "green"
    control.stop.set()
    assert list(sightings) == [] and source.closed


def test_a_reader_that_leaves_early_stops_the_source(model_file):
    source = Script(itertools.repeat("green"))
    sightings = _watch(source, model_file)
    next(sightings)
    sightings.close()
    assert source.closed


def test_a_replaced_model_is_taken_up_when_told(model_file):
    control, told = Control(), []
    sightings = _watch(Script(itertools.repeat("green")), model_file, control, notify=told.append)
    assert next(sightings).classes[0].label == "green"
    model_file.write_bytes(colour_model(("rot", "grün", "blau")))
    control.reload.set()
    assert next(sightings).classes[0].label == "grün"
    model_file.write_bytes(b"nonsense")
    control.reload.set()
    assert next(sightings).classes[0].label == "grün"
    assert told[0] == "The model was loaded again." and "old one goes on" in told[1]
    sightings.close()


def test_a_model_that_does_not_open_is_told_at_once(tmp_path):
    (tmp_path / "m.tflite").write_bytes(b"nonsense")
    with pytest.raises(ModelFormatError):
        next(_watch(Script(["red"]), tmp_path / "m.tflite"))


@pytest.mark.parametrize("past", [-0.1, 1.0, 2.0, float("nan")])
def test_smoothing_that_cannot_be(model_file, past):
    with pytest.raises(UsageError, match="not possible"):
        next(_watch(Script(["red"]), model_file, past=past))


# The mailbox.


def _frame(number):
    return Frame(number, str(number), np.zeros((1, 1, 3), np.uint8))


def test_the_newest_frame_wins():
    box = Mailbox(replace=True)
    assert all(box.put(_frame(number)) for number in range(5))
    assert box.take(0).number == 4 and box.take(0) is None and box.dropped == 4


def test_or_the_reader_waits():
    box, taken = Mailbox(replace=False), []
    writer = threading.Thread(target=lambda: [box.put(_frame(number)) for number in range(50)])
    writer.start()
    while len(taken) < 50:
        taken.append(box.take(5).number)
    writer.join()
    assert taken == list(range(50)) and box.dropped == 0


def test_a_closed_mailbox_keeps_its_last_frame_and_holds_nobody():
    box = Mailbox(replace=False)
    box.put(_frame(1))
    writer = threading.Thread(target=lambda: box.put(_frame(2)))
    writer.start()
    box.close()
    writer.join(timeout=5)
    assert not writer.is_alive() and not box.put(_frame(3))
    assert box.take(0).number == 1 and box.take(5) is None


# Smoothing and the rate.


def _classes(*scores):
    ranked = sorted(enumerate(scores), key=lambda pair: -pair[1])
    return tuple(ClassScore(index, f"class {index}", score) for index, score in ranked)


def test_smoothed_scores_follow_the_formula():
    frames = np.random.default_rng(0).dirichlet(np.ones(4), 20)
    smooth, expected = Smoother(0.7), frames[0]
    for number, scores in enumerate(frames):
        expected = scores if number == 0 else 0.7 * expected + 0.3 * scores
        found = smooth(_classes(*scores))
        assert [best.score for best in found] == sorted((best.score for best in found), reverse=True)
        assert {best.index: best.score for best in found} == pytest.approx(dict(enumerate(expected)))


def test_without_smoothing_a_frame_stands_for_itself():
    smooth = Smoother(0)
    smooth(_classes(0.9, 0.1))
    assert smooth(_classes(0.2, 0.8)) == _classes(0.2, 0.8)


def test_a_class_no_longer_seen_fades_away():
    smooth = Smoother(0.5)
    smooth((ClassScore(0, "cat", 1.0),))
    for _ in range(30):
        found = smooth((ClassScore(1, "dog", 1.0),))
    assert [best.label for best in found] == ["dog"] and found[0].score == pytest.approx(1)


def test_the_rate_of_regular_frames():
    rate = Rate()
    assert rate.tick(10.0) == 0
    assert [rate.tick(10 + number * 0.04) for number in range(1, 9)] == pytest.approx([25.0] * 8)


# Sources.


@pytest.mark.parametrize("text", ["", "nowhere", "-1", "1234", "nowhere.mp4", "ftp://x", "videotestsrc ! appsink"])
def test_what_is_no_source(text):
    with pytest.raises(UsageError, match="no source"):
        open_source(text)


def test_an_empty_folder(tmp_path):
    with pytest.raises(DataError, match="no images"):
        open_source(str(tmp_path))


def test_a_file_that_is_no_video(tmp_path):
    pytest.importorskip("cv2")
    (tmp_path / "notes.mp4").write_text("no video")
    with pytest.raises(DataError, match="not a video"):
        open_source(str(tmp_path / "notes.mp4"))


@pytest.mark.parametrize("text", ["97", "/dev/video97", "rtsp://user:secret@127.0.0.1:9/x"])
def test_a_camera_that_is_not_there(text):
    pytest.importorskip("cv2")
    with pytest.raises(DeviceError, match="no answer") as caught:
        open_source(text)
    assert "secret" not in str(caught.value)


def test_a_video_is_seen_frame_by_frame_in_its_colours(tmp_path, model_file):
    cv2 = pytest.importorskip("cv2")
    path = tmp_path / "colours.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for colour in ["red"] * 3 + ["blue"] * 2:
        writer.write(np.full((48, 64, 3), COLOURS[colour][::-1], np.uint8))
    writer.release()
    control = Control()
    found = [(s.frame.number, s.classes[0].label) for s in _watch(open_source(str(path)), model_file, control)]
    assert found == [(0, "red"), (1, "red"), (2, "red"), (3, "blue"), (4, "blue")]
    assert control.tally.dropped == 0


@pytest.mark.parametrize("name", ["clip.avi", "clip.mkv"])
@pytest.mark.parametrize("kept", [1.0, 0.6, 0.15])
def test_the_frames_that_a_video_announces_and_lacks_are_counted(tmp_path, model_file, name, kept):
    control, told = Control(), []
    source = open_source(str(breaking_video(tmp_path / name, frames=60, kept=kept)))
    seen = list(_watch(source, model_file, control, notify=told.append))
    assert control.tally.missing == 60 - len(seen)
    assert (kept == 1.0) == (not told) == (len(seen) == 60)


class Announced:
    """What OpenCV tells of a file: numbers by property."""

    def __init__(self, frames, rate):
        self._known = {7: frames, 5: rate}

    def get(self, number):
        return self._known[number]


@pytest.mark.parametrize(
    ("read", "last_s", "announced", "missing"),
    [
        (60, 5.9, 60, 0),
        (59, 5.8, 60, 0),  # an estimate may be one too high
        (57, 5.6, 60, 3),
        (40, 5.9, 60, 0),  # a varying rate: fewer frames, but up to the end
        (8, 0.7, 60, 52),
        (8, 0.0, 60, 52),  # OpenCV does not tell the time
        (8, 0.7, 0, 0),  # nor the number
        (8, 0.7, -9.2e18, 0),
        (0, 0.0, 0, 1),
    ],
)
def test_a_file_breaks_off_where_both_number_and_time_fall_short(read, last_s, announced, missing):
    assert sources._missing(read, 1000 * last_s, Announced(announced, 10.0)) == missing


def test_without_opencv_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    with pytest.raises(EdgekitError, match="OpenCV") as caught:
        open_source("0")
    assert "edgekit-coral[camera]" in caught.value.hint


@pytest.mark.parametrize("password", ["secret", "p@ss", "a:b@c"])
def test_no_password_is_ever_shown(password):
    assert Video(f"rtsp://user:{password}@camera/live@1", live=True).name == "rtsp://camera/live@1"


def test_a_model_that_does_not_open_gives_the_source_back(tmp_path):
    (tmp_path / "m.tflite").write_bytes(b"nonsense")
    source = Script(["red"])
    with pytest.raises(ModelFormatError):
        next(_watch(source, tmp_path / "m.tflite"))
    assert source.closed


def test_a_second_call_to_reload_during_the_first_is_heeded(model_file):
    control, opened = Control(), []

    def open_it():
        opened.append(1)
        if len(opened) == 2:
            control.reload.set()  # as a signal that comes while the file is read
        return Classifier(model_file)

    sightings = watch(Script(["red"] * 4), open_it, control, past=0.0, notify=lambda text: None)
    next(sightings)
    control.reload.set()
    assert len(list(sightings)) == 3 and len(opened) == 3
