import sys
from pathlib import Path

import numpy as np
import pytest

from edgekit.calibration.class_matching import Matching, Way
from edgekit.calibration.labelled import Labelled, from_csv, from_folder
from edgekit.errors import DataError, DeviceError, MissingDependencyError, ModelFormatError, UsageError
from edgekit.evaluation import wilson_interval
from edgekit.evaluation.accuracy import Outcome, label_of, measure, summarize
from edgekit.evaluation.answers import Answer, Subject, answer
from edgekit.preprocess import InputSpec
from edgekit.tflite.metadata import Metadata, write_metadata
from tests.support.build import GraphBuilder
from tests.support.colours import NAMES, folder, image, model, with_background


@pytest.fixture
def mixed(tmp_path):
    """Seven images in three classes, two of them in the wrong one; one broken file among them."""
    root = folder(tmp_path / "mixed", {"red": "rrg", "green": "gg", "blue": "bg"})
    (root / "blue" / "broken.png").write_bytes(b"no image")
    return root


def labelled(root, subject):
    return from_folder(root, *subject.classes())


def test_every_figure_of_an_evaluation(mixed):
    subject = Subject(model())
    found = measure(subject, labelled(mixed, subject))
    assert (found.images, found.top1, found.top5) == (7, 5 / 7, 1.0)
    assert found.top1_interval == wilson_interval(5, 7)
    assert [(c.label, c.images, c.top1) for c in found.classes] == [
        ("red", 3, 2 / 3),
        ("green", 2, 1),
        ("blue", 2, 0.5),
    ]
    assert found.confusion == (
        Outcome(0, 0, 2),
        Outcome(1, 1, 2),
        Outcome(0, 1, 1),
        Outcome(2, 1, 1),
        Outcome(2, 2, 1),
    )
    assert list(found.skipped) == ["blue/broken.png"]
    assert found.skipped["blue/broken.png"] == "is not an image that Pillow can open"


def test_an_output_beyond_the_labels_is_named_by_its_number():
    assert [label_of(index, ("a", "b")) for index in (0, 1, 2)] == ["a", "b", "class 2"]


def test_labels_given_replace_the_models(mixed):
    subject = Subject(model(labels=("a", "b", "c")), labels=NAMES)
    assert measure(subject, labelled(mixed, subject)).top1 == 5 / 7


def test_folders_name_the_outputs_of_a_model_without_names(tmp_path):
    subject = Subject(model(labels=()))
    found = measure(subject, labelled(folder(tmp_path, {"a": "r", "b": "g", "c": "g"}), subject))
    assert found.labels == ("a", "b", "c")
    assert found.top1 == 2 / 3


def test_missing_files_are_counted_not_fatal(tmp_path):
    image(0, tmp_path / "there.png")
    (tmp_path / "t.csv").write_text("there.png,red\nmissing.png,red\n.,red\n")
    subject = Subject(model())
    found = measure(subject, from_csv(tmp_path / "t.csv", None, *subject.classes()))
    assert (found.images, found.top1, set(found.skipped)) == (1, 1.0, {"missing.png", "."})


def test_nothing_to_decode_is_an_error(tmp_path):
    (tmp_path / "t.csv").write_text("missing.png,red\n")
    subject = Subject(model())
    with pytest.raises(DataError, match=r"None of the 1 images can be decoded; the first: missing\.png"):
        measure(subject, from_csv(tmp_path / "t.csv", None, *subject.classes()))


@pytest.mark.parametrize(("first", "offset"), [(0, 1), (1, 0)])
def test_the_background_is_found_on_evidence(tmp_path, first, offset):
    """Numbers counted without the background need an offset of one, those counted with it none."""
    root = folder(tmp_path, {str(first): "rr", str(first + 1): "g", str(first + 2): "b"})
    subject = Subject(with_background())
    found = measure(subject, labelled(root, subject))
    assert (found.top1, found.offset) == (1.0, offset)
    assert ("background" in found.mapping) == bool(offset)


def test_top5_counts_the_class_among_the_best_five():
    images = Labelled(None, ("a", "b", "c"), (0, 1, 2), Matching((Way((4, 5, 6), "by number"),)))
    answers = [Answer((4, 1, 2, 3, 0)), Answer((0, 1, 2, 3, 5)), Answer((0, 1, 2, 3, 4))]
    found = summarize(images, answers, [], 7)
    assert (found.top1, found.top5) == (1 / 3, 2 / 3)
    assert [c.label for c in found.classes] == ["class 4", "class 5", "class 6"]


def test_progress_counts_the_images(mixed):
    subject, seen = Subject(model()), []
    measure(subject, labelled(mixed, subject), progress=lambda *step: seen.append(step))
    assert seen == [("Evaluating", done, 8) for done in range(1, 9)]


def test_models_that_cannot_be_used_are_refused():
    with pytest.raises(ModelFormatError):
        Subject(b"nothing").classes()
    with pytest.raises(UsageError, match="labels"):
        Subject(model(), labels=("one",)).classes()


@pytest.fixture(scope="module")
def cluster():
    """The address of a Dask scheduler with two workers, in this process."""
    distributed = pytest.importorskip("distributed")
    options = {"processes": False, "threads_per_worker": 1, "dashboard_address": None, "silence_logs": 50}
    with distributed.LocalCluster(2, protocol="tcp", **options) as running:
        yield running.scheduler_address


@pytest.mark.filterwarnings("ignore")  # Dask's own
def test_a_cluster_gives_the_same_result_to_the_last_digit(mixed, cluster):
    folder(mixed, {"red": "r" * 20 + "g" * 30})
    subject = Subject(model())
    images = labelled(mixed, subject)
    assert measure(subject, images, scheduler=cluster) == measure(subject, images)
    other = Subject(model(labels=("x", "y", "z")), labels=NAMES)  # workers must not answer with the model before
    assert measure(other, images, scheduler=cluster) == measure(other, images)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense://x", ""])
def test_a_scheduler_that_is_not_there_is_an_error(mixed, address, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("edgekit.evaluation.cluster.PATIENCE_S", 0.5)
    subject = Subject(model())
    with pytest.raises(DeviceError, match="Dask cluster"):
        measure(subject, labelled(mixed, subject), scheduler=address)


def test_without_dask_the_extra_is_named(mixed, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    subject = Subject(model())
    with pytest.raises(MissingDependencyError, match="Dask") as refusal:
        measure(subject, labelled(mixed, subject), scheduler="local")
    assert 'pip install "edgekit-coral[cluster]"' in refusal.value.hint


def evaluation(rows, labels=("a", "b", "c"), best=None):
    """The figures of images of known class: (class, prediction) each, matched to outputs by their place."""
    classes = tuple(truth for truth, _ in rows)
    images = Labelled(Path(), tuple(f"{n}.png" for n in range(len(rows))), classes, Matching((WAY,), "", labels))
    answers = [Answer((answered, *(best or ()))) for _, answered in rows]
    return summarize(images, answers, labels, len(labels))


WAY = Way((0, 1, 2), "by place")


def test_sensitivity_specificity_and_precision_are_those_of_a_confusion_matrix():
    rows = [(0, 0)] * 6 + [(0, 1)] * 2 + [(1, 1)] * 3 + [(1, 0)] + [(2, 0)] * 4
    first, second, third = evaluation(rows).classes
    assert (first.top1, second.top1, third.top1) == (6 / 8, 3 / 4, 0)
    assert (first.specificity, second.specificity, third.specificity) == (1 - 5 / 8, 1 - 2 / 12, 1)
    assert (first.precision, second.precision, third.precision) == (6 / 11, 3 / 5, None)
    assert first.interval == wilson_interval(6, 8)


def test_images_of_one_class_alone_have_no_specificity():
    (only,) = evaluation([(1, 1), (1, 0)]).classes
    assert (only.index, only.images, only.specificity, only.precision) == (1, 2, None, 1)


def test_the_first_50_mistakes_are_told():
    rows = [(0, 0)] * 3 + [(0, 1)] * 60
    mistakes = evaluation(rows).mistakes
    assert [mistake.image for mistake in mistakes] == [f"{n}.png" for n in range(3, 53)]
    assert (mistakes[0].truth, mistakes[0].answer) == (0, 1)
    assert len(evaluation(rows[:52]).mistakes) == 49


def test_the_confusion_matrix_begins_with_what_is_most_frequent():
    found = evaluation([(1, 0), (0, 1), (0, 1), (1, 1), (0, 0)]).confusion
    assert found == (Outcome(0, 1, 2), Outcome(0, 0, 1), Outcome(1, 0, 1), Outcome(1, 1, 1))


@pytest.mark.parametrize(
    ("asked", "met"), [(None, True), (0.6, True), (0.6 + 1e-12, True), (0.61, False), (0.59, True), (1.0, False)]
)
def test_exactly_the_accuracy_that_was_asked_for_is_enough(asked, met):
    found = evaluation([(0, 0)] * 3 + [(0, 1)] * 2)
    assert (found.unmet(asked) is None) is met
    assert met or "top-1 is 60.0%" in found.unmet(asked)


def test_a_class_among_the_best_five_counts_and_a_sixth_is_not_told(images):
    from edgekit.devices import Classifier
    from tests.devices.test_classifying import seven_classes

    with Classifier(seven_classes()) as classifier:
        assert answer(classifier, (images / "0red.png").read_bytes()).best == (6, 5, 4, 3, 2)


@pytest.mark.parametrize(("outputs", "classes"), [(1, 2), (2, 2), (3, 3)])
def test_a_single_output_tells_two_classes_apart(outputs, classes):
    graph = GraphBuilder()
    x = graph.input((1, 2, 2, 3))
    weights = graph.constant(np.ones((outputs, 12), np.float32))
    y = graph.op("FULLY_CONNECTED", [x, weights, -1], (1, outputs), options={})
    content = write_metadata(graph.finish([y]), Metadata(input=InputSpec(2, 2)))
    assert Subject(content).classes() == ((), classes)
