"""`edgekit convert` from the outside: what it prints, writes and exits with, for good and for bad input."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from edgekit.cli import convert as command
from edgekit.cli import main
from edgekit.tflite import read_graph
from edgekit.tflite.metadata import read_metadata
from tests.support.float_nets import colour_net, nearest_colour, save_images

pytest.importorskip("litert_quantizer")


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch, made):
    """A working folder with models, images and things that are neither."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    (folder / "m.tflite").write_bytes(colour_net())
    (folder / "m.labels.txt").write_text("blue\ngreen\nred\n")
    (folder / "nan.tflite").write_bytes(colour_net(conv=np.full((3, 3, 3, 3), np.nan)))
    (folder / "sine.tflite").write_bytes(colour_net(between="SIN"))
    save_images(folder / "images")
    shutil.copytree(folder / "images" / "red", folder / "few")
    for index in range(6, 20):
        (folder / "few" / f"{index:02}.png").unlink()
    for name in ("empty", "broken", "notes", "out.tflite", "blocked.json"):
        (folder / name).mkdir()
    for index in range(3):
        (folder / "broken" / f"{index}.jpg").write_bytes(b"\xff\xd8\xff broken")
    (folder / "notes" / "read.me").write_text("no image")
    (folder / "text.txt").write_text("hello")
    (folder / "binary.txt").write_bytes(bytes(range(128, 256)))
    (folder / "two.txt").write_text("a\nb\n")
    (folder / "empty.tflite").touch()
    (folder / "bad.json").write_text("{")
    (folder / "other.json").write_text(json.dumps({"format": "edgekit-ranges", "bounds": {"elsewhere": [0, 1]}}))
    (folder / "turned.json").write_text(json.dumps({"format": "edgekit-ranges", "bounds": {"conv_0": [1, 0]}}))
    (folder / "objects.npy").write_bytes(b"\x93NUMPY nothing")
    np.save(folder / "tall.npy", np.zeros((4, 3, 16, 16), np.uint8))
    np.savez(folder / "none.npz", x=np.zeros((0, 16, 16, 3), np.uint8))
    np.save(folder / "nans.npy", np.full((4, 16, 16, 3), np.nan, np.float32))
    return folder


def convert(*arguments):
    """Runs the command; whatever it says, it never ends with an exception of Python's."""
    result = CliRunner().invoke(main, ["convert", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    return result


def names(folder):
    return sorted(path.name for path in folder.iterdir())


BAD = [
    # the model
    (["none.h5"], "ModelFormatError", "There is no file none.h5"),
    (["images"], "ModelFormatError", "not a SavedModel"),
    (["empty.tflite"], "ModelFormatError", "is empty"),
    (["text.txt"], "ModelFormatError", "no model that edgekit knows"),
    (["bad.json"], "UnsupportedModelError", "without weights"),
    (["nan.tflite"], "ConversionError", "NaN or infinity"),
    (["nan.tflite", "--ranges", "other.json"], "ConversionError", "NaN or infinity"),
    (["sine.tflite"], "ConversionError", "no int8 form of SIN: 1 op would stay in float"),
    (["m.tflite", "--size", "20"], "UnsupportedModelError", "16x16 only"),
    # the output
    (["m.tflite", "-o", "none/a.tflite"], "OutputError", "There is no folder none"),
    (["m.tflite", "-o", "out.tflite"], "OutputError", "out.tflite is a folder"),
    (["m.tflite", "-o", "blocked.tflite"], "OutputError", "blocked.json is a folder"),
    (["m.tflite", "-o", "text.txt/a.tflite"], "OutputError", "There is no folder text.txt"),
    (["m.tflite", "-o", "a.json"], "UsageError", "does not end in .tflite"),
    (["m.tflite", "-o", "m"], "UsageError", "does not end in .tflite"),
    (["m.tflite", "-o", "m.tflite"], "UsageError", "overwrite"),
    (["m.tflite", "-o", "./empty/../m.tflite"], "UsageError", "overwrite"),
    (["m.tflite", "-o", "a.tflite", "--save-ranges", "a.json"], "UsageError", "overwrite"),
    (["m.tflite", "--save-ranges", "none/a.json"], "OutputError", "There is no folder none"),
    (["m.tflite", "--save-ranges", "empty"], "OutputError", "empty is a folder"),
    # the images
    (["m.tflite", "--data", "none"], "DataError", "There is no folder 'none'"),
    (["m.tflite", "--data", "empty"], "DataError", "it is empty"),
    (["m.tflite", "--data", "notes"], "DataError", "only other files: 1 × .me"),
    (["m.tflite", "--data", "broken"], "DataError", "None of the 3 images in broken can be decoded"),
    (["m.tflite", "--data", "text.txt"], "DataError", "a single file"),
    (["m.tflite", "--data", "none.npz"], "DataError", "(0, 16, 16, 3)"),
    (["m.tflite", "--data", "nothing.npy"], "DataError", "There is no file 'nothing.npy'"),
    (["m.tflite", "--data", "objects.npy"], "DataError", "cannot be read as .npy"),
    (["m.tflite", "--data", "tall.npy"], "DataError", "(4, 3, 16, 16)"),
    (["m.tflite", "--data", "nans.npy"], "DataError", "NaN"),
    (["m.tflite", "--verify-data", "none"], "DataError", "There is no folder 'none'"),
    (["m.tflite", "--verify-data", "broken"], "DataError", "None of the 3 images in broken"),
    (["m.tflite", "--samples", "0"], "UsageError", "0 sample images"),
    (["m.tflite", "--samples", "0", "--data", "images"], "UsageError", "0 sample images"),
    (["m.tflite", "--samples", "-3", "--data", "images"], "UsageError", "-3 sample images"),
    (["m.tflite", "--samples", "many"], "UsageError", "'many' is not a valid integer"),
    (["m.tflite", "--seed", "-1"], "UsageError", "The seed is -1"),
    # the recipe
    (["m.tflite", "--size", "big"], "UsageError", "--size big is no image size"),
    (["m.tflite", "--size", "0"], "UsageError", "0x0 is no image size"),
    (["m.tflite", "--size", "9" * 5000], "UsageError", "is no image size"),
    (["m.tflite", "--size", "16x"], "UsageError", "--size 16x is no image size"),
    (["m.tflite", "--resize", "zoom"], "UsageError", "no way 'zoom'"),
    (["m.tflite", "--surgery", "gelu"], "UsageError", "no surgery 'gelu'"),
    (["m.tflite", "--surgery", "relu6", "--surgery-minutes", "0"], "UsageError", "no time for a surgery"),
    (["m.tflite", "--surgery", "relu6", "--preprocess", "raw"], "UnsupportedModelError", "cannot teach a tflite model"),
    (["m.tflite", "--resize", "crop:2"], "UsageError", "no way 'crop:2'"),
    (["m.tflite", "--resize", "crop:0.0"], "UsageError", "crop fraction 0.0"),
    (["m.tflite", "--resize", "crop:"], "UsageError", "no way 'crop:'"),
    (["m.tflite", "--resize", "stretch:0.5"], "UsageError", "no way 'stretch:0.5'"),
    (["m.tflite", "--interpolation", "magic"], "UsageError", "no interpolation 'magic'"),
    (["m.tflite", "--io", "int4"], "UsageError", "no input and output type 'int4'"),
    (["m.tflite", "--ranges", "guess"], "UsageError", "no range method 'guess'"),
    (["m.tflite", "--ranges", "none.json"], "DataError", "No such file"),
    (["m.tflite", "--ranges", "bad.json"], "DataError", "it is not JSON"),
    (["m.tflite", "--ranges", "other.json"], "DataError", "The ranges hold none for tensor"),
    (["m.tflite", "--ranges", "turned.json"], "DataError", "'conv_0' is not a pair"),
    (["m.tflite", "--preprocess", "magic"], "UsageError", "'magic' is not understood"),
    (["m.tflite", "--preprocess", "0,0"], "UsageError", "'0,0' is not understood"),
    (["m.tflite", "--preprocess", "nan,1"], "UsageError", "is not understood"),
    (["m.tflite", "--preprocess", "1,2/3"], "UsageError", "is not understood"),
    (["m.tflite", "--max-drop", "much"], "UsageError", "--max-drop much is not a part of 1"),
    (["m.tflite", "--max-drop", "-1%"], "UsageError", "is not a part of 1"),
    (["m.tflite", "--min-agreement", "101%"], "UsageError", "is not a part of 1"),
    (["m.tflite", "--min-agreement", "98"], "UsageError", "is not a part of 1"),
    (["m.tflite", "--no-verify", "--verify-data", "images"], "UsageError", "nothing to judge by"),
    (["m.tflite", "--no-verify", "--max-drop", "1%"], "UsageError", "nothing to judge by"),
    # the labels
    (["m.tflite", "--labels", "none.txt"], "DataError", "No such file"),
    (["m.tflite", "--labels", "two.txt"], "DataError", "names 2 classes, the model has 3"),
    (["m.tflite", "--labels", "binary.txt"], "DataError", "it is not UTF-8 text"),
    (["m.tflite", "--labels", "empty"], "DataError", "No labels can be read from empty"),
    # the command line itself
    ([], "UsageError", "Missing argument 'MODEL'"),
    (["m.tflite", "n.tflite"], "UsageError", "unexpected extra argument"),
    (["m.tflite", "--int9"], "UsageError", "No such option"),
]


@pytest.mark.parametrize(("arguments", "kind", "text"), BAD, ids=[" ".join(row[0])[:60] or "nothing" for row in BAD])
def test_bad_input_is_told_in_words_and_leaves_nothing(place, capfd, arguments, kind, text):
    before = names(place)
    result = convert(*arguments, "--json")
    error = json.loads(result.stdout)
    assert result.exit_code == 2
    assert list(error) == ["error", "message", "hint"]
    assert error["error"] == kind
    assert text in error["message"]
    assert len(error["message"]) < 6000 and "\n" not in error["message"].strip()
    assert result.stderr == ""
    assert names(place) == before
    heard = capfd.readouterr()
    assert (heard.out, heard.err) == ("", "")


def test_an_error_for_people_is_a_line_or_two(place):
    result = convert("m.tflite", "--io", "int4")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "Error: There is no input and output type 'int4'.\nChoose one of: auto, uint8, int8, float.\n"
    )


def test_what_is_said_of_a_conversion(place, capfd):
    result = convert("m.tflite", "--data", "images")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = {line[:14].strip(): line[14:] for line in result.stdout.splitlines()}
    assert lines["Made"].startswith("m_int8.tflite (0.0 MB, every op int8)")
    assert lines["Preprocessing"] == "raw: the model scales pixels itself"
    assert lines["Calibrated"] == "on 48 images, ranges by minmax"
    assert "top-1 accuracy 100.0 % float, 100.0 % int8 on 12 labelled images" in lines["Verdict"]
    assert lines["Next"] == "edgekit classify m_int8.tflite IMAGE"
    assert capfd.readouterr() == ("", "")


def test_what_to_expect_is_said_beforehand_and_to_machines_in_the_document(place, capfd):
    (place / "hard.tflite").write_bytes(colour_net(between="HARD_SWISH"))
    assert "hard-swish" not in convert("hard.tflite", "--data", "images").stdout
    heard = capfd.readouterr().err
    assert heard.startswith("Expect: The model has 1 hard-swish. Known: ")
    assert heard.endswith("\nThe range method is chosen by what the scores lose.\n")
    convert("hard.tflite", "--data", "images", "--ranges", "minmax")
    assert capfd.readouterr().err.startswith("Warning: ")
    document = json.loads(convert("hard.tflite", "--data", "images", "--json").stdout)
    assert (capfd.readouterr().err, document["risks"]["found"]) == ("", {"hard-swish": 1})


def test_without_data_it_says_so(place):
    assert "on 64 synthetic images (give --data for your own)" in convert("m.tflite").stdout


def test_the_document_for_machines(place):
    result = convert("m.tflite", "--data", "images", "--json", "-o", "sub.d.tflite")
    document = json.loads(result.stdout)
    assert (result.exit_code, result.stderr) == (0, "")
    assert document["model"] == "sub.d.tflite" and document["manifest"] == "sub.d.json"
    assert (document["preprocess"], document["compiled"], document["accepted"]) == ("raw", None, True)
    assert document["risks"] is None
    verdict = document["verdict"]
    assert (verdict["agreement"], verdict["images"], verdict["source"]) == (1.0, 12, "data")
    assert (verdict["top1_float"], verdict["top1_int8"]) == (1.0, 1.0)
    assert verdict["interval"][0] < 1 == verdict["interval"][1]
    assert verdict["sqnr_db"] > 25
    assert read_metadata("sub.d.tflite").labels == ("blue", "green", "red")


def test_broken_images_are_counted_and_named(place):
    for name in ("red/90.jpg", "blue/91.jpg", "blue/92.jpg", "green/93.jpg"):
        shutil.copy("broken/0.jpg", f"images/{name}")
    document = json.loads(convert("m.tflite", "--data", "images", "--json").stdout)
    assert sorted(skipped["image"] for skipped in document["skipped"]) == [
        "blue/91.jpg",
        "blue/92.jpg",
        "green/93.jpg",
        "red/90.jpg",
    ]
    assert all("90.jpg" not in s["reason"] or "is not an image" in s["reason"] for s in document["skipped"])
    text = [line for line in convert("m.tflite", "--data", "images").stdout.splitlines() if line[:7] == "Skipped"]
    assert len(text) == 4
    assert text[-1].endswith("and 1 more (all of them with --json)")


@pytest.mark.parametrize(("given", "aside"), [(3, 0), (4, 2), (8, 4), (16, 8), (40, 8), (60, 12)])
def test_few_images_are_judged_on_a_part_of_them_with_a_wide_interval(place, given, aside):
    images = sorted(Path("images").glob("*/*.png"))[:: 60 // given][:given]
    for number, image in enumerate(images):
        target = Path(f"some{given}") / image.parent.name / f"{number}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(image, target)
    result = json.loads(convert("m.tflite", "--data", f"some{given}", "--json").stdout)
    assert result["provenance"]["calibration"]["images"] == given - aside
    assert result["judged_on"] == {"kind": "aside" if aside else "too few", "origin": f"some{given}"}
    verdict = result["verdict"]
    assert (verdict["source"], verdict["images"]) == (("data", aside) if aside else ("synthetic", 100))
    wide = aside / (aside + 1.96**2)  # Wilson's lower bound where all agree
    assert not aside or (verdict["agreement"], verdict["interval"][0]) == (1, pytest.approx(wide, abs=1e-4))


def test_what_the_verdict_was_given_on_is_said(place):
    def told(*arguments):
        return " ".join(convert("m.tflite", *arguments).stdout.split())

    perfect = "the float model is right on 99 % of these images or more"
    aside = told("--data", "images")
    assert "on images kept aside from images: if the model was trained on these" in aside
    assert f"{perfect}: on images of training that says nothing about new ones" in aside
    given = told("--data", "few", "--verify-data", "images")
    assert "kept aside" not in given and f"{perfect}: if they were used in training" in given
    assert "on synthetic images, which show how well ranges fit and no more" in told()


def test_verify_data_is_all_used(place):
    document = json.loads(convert("m.tflite", "--data", "few", "--verify-data", "images", "--json").stdout)
    assert (document["verdict"]["images"], document["verdict"]["source"]) == (60, "data")


def test_no_verify(place):
    assert json.loads(convert("m.tflite", "--no-verify", "--json").stdout)["verdict"] is None
    assert "not asked for (--no-verify)" in convert("m.tflite", "--no-verify").stdout


@pytest.mark.parametrize("gate", [["--min-agreement", "100%"], ["--max-drop", "0"]])
def test_a_gate_that_is_met(place, gate):
    assert convert("m.tflite", "--data", "images", *gate).exit_code == 0
    assert "m_int8.tflite" in names(place)


def test_a_gate_that_is_not_met_keeps_the_model_under_another_name(place):
    save = ["--data", "images", "--save-ranges", "r.json"]
    assert convert("m.tflite", *save).exit_code == 0
    document = json.loads((place / "r.json").read_text())
    document["bounds"]["logits"] = [0, 1e-3]  # so that all answers are one
    (place / "r.json").write_text(json.dumps(document))
    for made in ("m_int8.tflite", "m_int8.json"):
        (place / made).unlink()
    result = convert("m.tflite", "--ranges", "r.json", "--data", "images", "--max-drop", "1%", "--json")
    answer = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (answer["accepted"], answer["model"]) == (False, "m_int8.rejected.tflite")
    assert answer["unmet"].startswith("top-1 fell by ")
    assert "m_int8.tflite" not in names(place) and "m_int8.rejected.tflite" in names(place)
    result = convert("m.tflite", "--ranges", "r.json", "--data", "images", "--min-agreement", "99%")
    assert result.exit_code == 1
    assert "Not met       agreement " in result.stdout
    assert "Next" not in result.stdout


def test_a_drop_that_cannot_be_known_is_not_met(place):
    result = convert("m.tflite", "--data", "few", "--max-drop", "1%")
    assert result.exit_code == 1
    assert "accuracy lost is not known" in result.stdout


def test_saved_ranges_give_the_same_model(place):
    convert("m.tflite", "--data", "images", "--save-ranges", "r.json", "-o", "a.tflite", "--no-verify")
    convert("m.tflite", "--data", "images", "--ranges", "r.json", "-o", "b.tflite", "--no-verify")
    one, two = (read_graph(name) for name in ("a.tflite", "b.tflite"))
    assert (one.ops, one.tensors) == (two.ops, two.tensors)


@pytest.mark.parametrize(("io", "dtype"), [("uint8", "uint8"), ("int8", "int8"), ("float", "float32")])
def test_types_of_input_and_output(place, io, dtype):
    assert convert("m.tflite", "--io", io).exit_code == 0
    graph = read_graph("m_int8.tflite")
    assert {graph.tensors[i].dtype for i in (*graph.inputs, *graph.outputs)} == {dtype}


def test_labels_from_a_file(place):
    (place / "names.txt").write_text("﻿0 Blau\n1 Grün\n2 Rot\n", encoding="utf-8")
    assert convert("m.tflite", "--labels", "names.txt").exit_code == 0
    assert read_metadata("m_int8.tflite").labels == ("Blau", "Grün", "Rot")


def test_a_model_that_always_answers_the_same(place):
    (place / "same.tflite").write_bytes(colour_net(dense=np.zeros((3, 3))))
    document = json.loads(convert("same.tflite", "--json").stdout)
    assert (document["verdict"]["agreement"], document["verdict"]["distinct"]) == (1, 1)
    (place / "dead.tflite").write_bytes(
        colour_net(dense=np.zeros((3, 3)), conv=np.zeros((3, 3, 3, 3)), activation=None)
    )
    result = convert("dead.tflite", "--preprocess", "raw")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "which says little: the float model predicts the same class on every one of them" in result.stdout


def test_a_source_in_a_folder_that_cannot_be_written(place):
    (place / "locked").mkdir()
    shutil.copy("m.tflite", "locked/m.tflite")
    os.chmod("locked", stat.S_IRUSR | stat.S_IXUSR)
    assert convert("locked/m.tflite").exit_code == 0
    assert names(place / "locked") == ["m.tflite"]
    os.chmod("locked", stat.S_IRWXU)


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("stage", ["Opening the model", "Exporting", "Calibrating", "Quantizing", "Verifying"])
def test_an_interruption_leaves_nothing(place, monkeypatch, capsys, stage):
    import contextlib

    @contextlib.contextmanager
    def interrupting(*_, **__):
        yield lambda current, *_: signal.raise_signal(signal.SIGINT) if current == stage else None

    monkeypatch.setattr(command, "progress_bar", interrupting)
    before = names(place)
    with pytest.raises(SystemExit) as ended:
        main(["convert", "m.tflite", "--data", "images", "--save-ranges", "r.json"])
    assert ended.value.code == 130
    assert capsys.readouterr() == ("", "Interrupted; nothing was written.\n")
    assert names(place) == before


def in_a_process(*arguments, before="", **options):
    code = f"{before}\nfrom edgekit.cli import main; main({['convert', *arguments]!r})"
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def test_control_c_in_a_real_process(place):
    before = """
import pathlib, signal, time
from edgekit.calibration import samples
# A shell that runs the tests in the background has SIGINT ignored, which its children inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)
def reading(*_):
    pathlib.Path("reading").touch()
    time.sleep(60)
samples.list_folder = reading
"""
    process = in_a_process("m.tflite", "--data", "images", before=before)
    while not os.path.exists("reading"):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "Interrupted; nothing was written.\n")


def test_a_disk_that_fills_up_is_told_and_leaves_nothing(place):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))"
    before = names(place)
    process = in_a_process("m.tflite", "--json", before=limit)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 2
    assert json.loads(out)["error"] == "OutputError"
    assert "m_int8.tflite could not be written: File too large" in json.loads(out)["message"]
    assert err == ""
    assert names(place) == before


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize("arguments", [["m.tflite", "--json"], ["none.h5", "--json"]])
def test_an_answer_that_cannot_be_printed(place, arguments):
    code = f"from edgekit.cli import main; main({['convert', *arguments]!r})"
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True, timeout=120
        )
    assert result.returncode == 2
    assert result.stderr == "Error: The answer could not be printed: No space left on device.\n"


def test_surgery_is_never_silent(place):
    keras = pytest.importorskip("keras")
    from tests.support.swishes import images, swish_net
    from tests.support.tiny_keras import save

    save(swish_net(keras), place / "net.keras")
    np.save("shown.npy", images(120))
    given = [
        "net.keras",
        "--surgery",
        "relu6",
        "--preprocess",
        "127.5,36.5",
        "--ranges",
        "minmax",
        "--data",
        "shown.npy",
    ]
    told = convert(*given)
    assert told.exit_code == 0
    assert "this is another model than net.keras (relu6: 7 x swish to ReLU6)" in told.stdout
    assert "taught the original's answers on 96 images in " in told.stdout
    assert "in float, against the original: top-1 agreement " in told.stdout
    assert "in int8, against the original: top-1 agreement " in told.stdout
    stated = read_metadata((place / "net_relu6_int8.tflite").read_bytes()).provenance["surgery"]
    demanded = convert(*given, "--json", "--min-agreement", "100%", "-o", "again.tflite")
    document = json.loads(demanded.stdout)
    assert {key: document["surgery"][key] for key in stated} == stated
    assert document["surgery"]["seconds"] > 0
    assert stated["name"] == "relu6" and stated["images"] == 96 and stated["kind"] == "array"
    missed = stated["int8_against_original"]["agreement"] < 1
    assert demanded.exit_code == missed


def test_numbered_folders_give_convert_the_accuracy_that_evaluate_gives(place):
    """Folders `0` … `11`: sorted as text, `10` stands before `2`."""
    from PIL import Image

    colours = [(r, g, b) for r in (40, 215) for g in (40, 215) for b in (40, 128, 215)]
    for number, colour in enumerate(colours):
        (place / "numbered" / str(number)).mkdir(parents=True)
        for index in range(8):
            pixels = np.clip(np.random.default_rng(index).normal(colour, 4, (16, 16, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(place / "numbered" / str(number) / f"{index}.png")
    (place / "twelve.tflite").write_bytes(nearest_colour(colours))
    options = ["--data", "numbered", "--preprocess", "raw"]
    document = json.loads(convert("twelve.tflite", *options, "--json", "--max-drop", "2%").stdout)
    assert document["verdict"]["top1_float"] == 1.0
    assert "outputs' numbers" in document["verdict"]["matching"]
    evaluated = CliRunner().invoke(main, ["evaluate", "twelve_int8.tflite", "--data", "numbered", "--json"])
    assert json.loads(evaluated.stdout)["top1"] == document["verdict"]["top1_int8"]


def test_class_folders_name_the_classes_of_a_model_without_names(place):
    (place / "bare").mkdir()
    shutil.copy("m.tflite", "bare/m.tflite")
    result = convert("bare/m.tflite", "--data", "images")
    assert "from the class folders in images, in sorted order" in result.stdout
    assert read_metadata("m_int8.tflite").labels == ("blue", "green", "red")
    assert "--labels" in convert("bare/m.tflite", "-o", "nameless.tflite").stdout


def test_class_folders_in_another_order_than_the_outputs_are_an_alarm_and_name_nothing(place):
    (place / "turned").mkdir()
    for number, name in enumerate(("green", "red", "blue")):  # the model: blue, green, red
        shutil.copytree(f"images/{name}", f"turned/{'abc'[number]}")
    (place / "bare").mkdir()
    shutil.copy("m.tflite", "bare/m.tflite")
    result = convert("bare/m.tflite", "--data", "turned", "--max-drop", "1%", "-o", "x.tflite")
    assert result.exit_code == 1
    assert "if its outputs are in another order than the classes" in result.stdout
    assert "Not met       the accuracy lost says nothing." in result.stdout
    assert read_metadata("x.rejected.tflite").labels == ()
    evaluated = CliRunner().invoke(main, ["evaluate", "x.rejected.tflite", "--data", "turned"])
    assert "Alarm         The model is right on 0.0 % of 60 images, and on 100.0 % if" in evaluated.stdout
