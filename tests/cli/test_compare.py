import csv
import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from edgekit.cli import main
from edgekit.tflite import read_graph
from edgekit.tflite.metadata import Metadata, write_metadata
from tests.support.build import colour_classifier
from tests.support.colours import NAMES, folder, model
from tests.support.layered_nets import IMAGES, SPEC, float_model, int8_model


def run(*arguments):
    return CliRunner().invoke(main, ["compare", *map(str, arguments)])


@pytest.fixture
def case(tmp_path):
    """A float model, the int8 one made from it, and images."""
    (tmp_path / "float.tflite").write_bytes(float_model())
    described = Metadata(input=SPEC, output="probabilities")
    (tmp_path / "int8.tflite").write_bytes(write_metadata(int8_model(conv=(0.005, 0)), described))
    (tmp_path / "data").mkdir()
    for number, pixels in enumerate(IMAGES):
        Image.fromarray(pixels).save(tmp_path / "data" / f"{number}.png")
    return tmp_path


def compared(case, *arguments):
    return run(case / "float.tflite", case / "int8.tflite", "--data", case / "data", "--preprocess", "0..1", *arguments)


def test_people_read_agreement_and_culprits(case):
    result = compared(case)
    assert result.exit_code == 0, result.output
    for words in ("top-1 agreement ", " on 5 images", "SQNR", "4 compared", "clipped", "Remedy: a wider range"):
        assert words in result.stdout


def test_json_and_csv_hold_every_layer(case):
    document = json.loads(compared(case, "--json", "--csv", case / "layers.csv").stdout)
    assert document["images"] == 5
    assert [layer["op"] for layer in document["layers"]] == ["CONV_2D", "LOGISTIC", "MEAN", "SOFTMAX"]
    assert document["worst"][0] == "conv"
    with (case / "layers.csv").open(newline="") as stream:
        assert [row["name"] for row in csv.DictReader(stream)] == [layer["name"] for layer in document["layers"]]


def test_fewer_images_on_demand(case):
    assert json.loads(compared(case, "--images", "2", "--json").stdout)["images"] == 2


def test_two_int8_models_and_the_accuracy_of_both(tmp_path):
    (tmp_path / "a.tflite").write_bytes(model())
    (tmp_path / "b.tflite").write_bytes(write_metadata(colour_classifier("int8"), Metadata(labels=NAMES)))
    data = folder(tmp_path / "data", {"red": "rrg", "green": "g", "blue": "b"})
    (data / "red" / "broken.png").write_bytes(b"")
    result = run(tmp_path / "a.tflite", tmp_path / "b.tflite", "--data", data)
    for words in (
        "100.0 % (95 % CI 56.6–100.0) on 5 images",
        "80.0 % A, 80.0 % B",
        "not a significant difference",
        "red/broken.png",
        "No per-layer report",
    ):
        assert words in result.stdout
    document = json.loads(run(tmp_path / "a.tflite", tmp_path / "b.tflite", "--data", data, "--json").stdout)
    assert (document["top1_float"], document["lost"], document["p"]) == (0.8, 0, 1.0)
    assert document["layers"] == []


def test_classes_from_a_table(tmp_path):
    (tmp_path / "a.tflite").write_bytes(write_metadata(model(), Metadata(labels=NAMES)))
    data = folder(tmp_path / "data", {"any": "rgbr"})
    names = sorted(path.relative_to(data).as_posix() for path in data.rglob("*.png"))
    rows = [f"./{name},{truth}\n" for name, truth in zip(names, ("red", "green", "blue"))]
    (tmp_path / "t.csv").write_text("file,label\n" + "".join(rows))
    arguments = (tmp_path / "a.tflite", tmp_path / "a.tflite", "--data", data, "--labels-csv", tmp_path / "t.csv")
    document = json.loads(run(*arguments, "--json").stdout)
    assert (document["images"], document["labelled"]) == (3, 3)
    assert "t.csv" in document["matching"]
    assert json.loads(run(*arguments, "--images", "2", "--json").stdout)["images"] == 2
    (tmp_path / "t.csv").write_text("elsewhere.png,red\n")
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "None of the 1 images in the table is in data" in result.stderr


@pytest.mark.parametrize(
    ("names", "words"), [((), "are not known"), (("red", "pink"), "none of the model's labels: 'pink'")]
)
def test_why_accuracy_is_not_compared(tmp_path, names, words):
    (tmp_path / "a.tflite").write_bytes(model())
    data = folder(tmp_path / "data", dict.fromkeys(names or ("only",), "r"))
    result = run(tmp_path / "a.tflite", tmp_path / "a.tflite", "--data", data)
    assert "not compared: " in result.stdout
    assert words in result.stdout


@pytest.mark.parametrize(
    ("a", "b", "more", "words"),
    [
        ("none.h5", "int8.tflite", [], "none.h5"),
        ("float.tflite", "none.tflite", [], "none.tflite"),
        ("float.tflite", "data", [], "folder"),
        ("float.tflite", "int8.tflite", ["--preprocess", "odd"], "'odd'"),
        ("float.tflite", "int8.tflite", ["--csv", "no/folder/l.csv"], "no folder"),
        ("float.tflite", "int8.tflite", ["--data", "nowhere"], "nowhere"),
        ("other.tflite", "int8.tflite", [], "Compare models of one task"),
    ],
)
def test_what_is_wrong_is_said(case, a, b, more, words):
    (case / "other.tflite").write_bytes(colour_classifier(size=6))
    result = run(case / a, case / b, "--data", case / "data", "--preprocess", "0..1", *more)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr


def test_a_keras_model_with_the_int8_file_made_from_it(tmp_path):
    """The whole way: the float side is made anew from the source, under the same names."""
    keras = pytest.importorskip("keras")
    pytest.importorskip("litert_quantizer")
    from tests.support.tiny_keras import SIZE, classifier, save

    keras.utils.set_random_seed(3)
    source = save(classifier(keras, keras.layers.Rescaling(1 / 255)), tmp_path / "m.keras")
    images = np.random.default_rng(0).integers(0, 256, (30, SIZE, SIZE, 3)).astype(np.uint8)
    np.save(tmp_path / "p.npy", images)
    made = CliRunner().invoke(
        main,
        ["convert", str(source), "--data", str(tmp_path / "p.npy"), "--no-verify", "-o", str(tmp_path / "i.tflite")],
    )
    assert made.exit_code == 0, made.output
    document = json.loads(run(source, tmp_path / "i.tflite", "--data", tmp_path / "p.npy", "--json").stdout)
    assert document["images"] == 30
    assert [layer["op"] for layer in document["layers"]][-2:] == ["FULLY_CONNECTED", "SOFTMAX"]
    assert all(layer["local_db"] is None or layer["local_db"] > 20 for layer in document["layers"])


def test_where_the_class_names_are_from(case):
    graph = read_graph(case / "int8.tflite")
    names = tuple(f"name {number}" for number in range(graph.tensors[graph.outputs[0]].elements))
    assert "Class names   none, so that predictions are numbers" in compared(case).stdout
    (case / "labels.txt").write_text("\n".join(names))
    assert "Class names   from labels.txt beside the model" in compared(case).stdout
    described = Metadata(labels=names, input=SPEC, output="probabilities")
    (case / "int8.tflite").write_bytes(write_metadata((case / "int8.tflite").read_bytes(), described))
    assert json.loads(compared(case, "--json").stdout)["labels_from"] == "the model's own"


def test_size_and_time_of_both_stand_in_one_line(case):
    (row,) = [line for line in compared(case).stdout.splitlines() if line.startswith("Size, time")]
    assert " A 0.0 MB, " in row and "; B 0.0 MB, " in row and "on one CPU core" in row
    cost = json.loads(compared(case, "--json").stdout)["cost"]
    assert cost["bytes"][1] == read_graph(case / "int8.tflite").size and cost["ratio"] > 0
