"""Programs that import pycoral, run by `python -m edgekit.pycoral` unchanged, each in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekit.devices.interpreter import open_interpreter
from edgekit.pycoral.utils.edgetpu import make_interpreter
from edgekit.tflite.reader import read_graph
from tests.support import pycoral_models as models
from tests.support.build import colour_classifier
from tests.support.pairs import write_pair

PROGRAMS = Path(__file__).with_name("programs")
ROOT = str(Path(__file__).resolve().parents[2])


def run(*arguments, cwd=None, launcher=("-m", "edgekit.pycoral"), **variables):
    environment = {**os.environ, "PYTHONPATH": ROOT, **variables}
    command = [sys.executable, *launcher, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, timeout=60)


def plainly(*arguments, cwd=None):
    """The same without edgekit: what plain python does."""
    return run(*arguments, cwd=cwd, launcher=())


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "green.png"
    Image.new("RGB", (20, 10), (0, 200, 0)).save(path)
    return path


def said_by_edgekit(done):
    return [line for line in done.stderr.splitlines() if line.startswith("edgekit")]


@pytest.mark.parametrize("device", ["", "emulated"])
def test_a_compiled_model_is_classified_without_an_edge_tpu(tmp_path, image, device):
    path = write_pair(tmp_path)
    (tmp_path / "labels.txt").write_text("0 red\n1 green\n2 blue\n")
    done = run(
        *(PROGRAMS / "classify.py", "--model", path, "--input", image, "--labels", tmp_path / "labels.txt"),
        EDGEKIT_DEVICE=device,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("green: 0.")
    (said,) = said_by_edgekit(done)
    assert str(tmp_path / "net.tflite") in said and ("emulated" in said) == bool(device)


def test_objects_are_detected(tmp_path):
    (tmp_path / "detector.tflite").write_bytes(models.detector("tf2"))
    Image.new("RGB", (40, 20)).save(tmp_path / "black.png")
    done = run(PROGRAMS / "detect.py", tmp_path / "detector.tflite", tmp_path / "black.png")
    assert done.stdout.splitlines() == ["[] True", "7 0.9 8 2 24 10", "3 0.5 0 0 40 20"], done.stderr


def test_a_program_of_tflite_runtime_alone(tmp_path):
    done = run(PROGRAMS / "runtime.py", write_pair(tmp_path))
    assert done.stdout == run(PROGRAMS / "runtime.py", tmp_path / "net.tflite").stdout != "", done.stderr
    assert len(said_by_edgekit(done)) == 1


SURROUNDINGS = """
import os, pickle, sys
import helper
class Thing:
    pass
print(sys.argv, __name__, __file__, __spec__, helper.NAME, sys.path[0], sys.modules["__main__"].Thing is Thing)
print(type(pickle.loads(pickle.dumps(Thing()))) is Thing, os.getcwd(), __doc__)
sys.exit(3)
"""


def test_a_program_sees_what_it_sees_under_plain_python(tmp_path):
    folder = tmp_path / "größe"
    folder.mkdir()
    (folder / "program.py").write_text('# -*- coding: latin-1 -*-\n"gr\xf6\xdfe"\n' + SURROUNDINGS, encoding="latin-1")
    (folder / "helper.py").write_text("NAME = 'beside the program'\n")
    arguments = ("größe/program.py", "-x", "a b", "--help")
    ours, theirs = run(*arguments, cwd=tmp_path), plainly(*arguments, cwd=tmp_path)
    assert (ours.returncode, ours.stdout) == (theirs.returncode, theirs.stdout) and ours.returncode == 3
    assert "beside the program" in ours.stdout


@pytest.mark.parametrize(
    "body",
    [
        "def fail():\n    raise ValueError('no')\ntry:\n    fail()\nexcept ValueError as error:\n"
        "    raise KeyError('yes') from error\n",
        "x = (\n",
        "raise SystemExit('a last word')\n",
        "import json\njson.loads('{')\n",
        "raise KeyboardInterrupt\n",
    ],
)
def test_failures_look_as_under_plain_python(tmp_path, body):
    (tmp_path / "program.py").write_text(body)
    ours, theirs = run("program.py", cwd=tmp_path), plainly("program.py", cwd=tmp_path)
    assert (ours.returncode, ours.stderr) == (theirs.returncode, theirs.stderr)


def test_errors_of_the_names_are_pycorals(tmp_path, image):
    done = run(PROGRAMS / "classify.py", "--model", "none.tflite", "--input", image)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "ValueError: Could not open 'none.tflite'."
    (tmp_path / "float.tflite").write_bytes(colour_classifier("float32"))
    done = run(PROGRAMS / "classify.py", "--model", tmp_path / "float.tflite", "--input", image)
    assert done.stderr.splitlines()[-1] == "ValueError: Only support uint8 input type."


def test_usage(tmp_path):
    assert run().returncode == 2 and "usage:" in run().stderr
    assert run("--help").returncode == 0 and "EDGEKIT_DEVICE" in run("--help").stdout
    for missing in (tmp_path / "none.py", tmp_path):
        done = run(missing)
        assert done.returncode == 2 and "can't open file" in done.stderr and "Traceback" not in done.stderr


def test_nothing_named_pycoral_is_there_otherwise():
    done = run("-c", "import edgekit.pycoral.utils.edgetpu, sys; print('pycoral' in sys.modules)", launcher=())
    assert done.stdout == "False\n"


@pytest.mark.shared
@pytest.mark.parametrize("name", ["mobilenet_v1_0.25_128_quant__5", "mobilenet_v2_1.0_224_inat_bird_quant__7"])
def test_a_real_pair_gives_the_twins_answers(shared, name):
    folder = shared / "edgetpu/pairs" / name
    image = sorted((shared / "flowers/validation").rglob("*.jpg"))[0]
    program = (PROGRAMS / "classify.py", "--top", 5, "--input", image, "--model")
    answers = [
        run(*program, path, EDGEKIT_DEVICE=device)
        for path, device in (
            (folder / "model.tflite", ""),
            (folder / "model_edgetpu.tflite", ""),
            (folder / "model_edgetpu.tflite", "emulated"),
        )
    ]
    assert len({done.stdout for done in answers}) == 1 and answers[0].stdout.count("\n") == 5
    assert [len(said_by_edgekit(done)) for done in answers] == [0, 1, 1]


@pytest.mark.shared
def test_real_pairs_run_by_their_twins_bit_for_bit(shared):
    tried = 0
    for folder in sorted((shared / "edgetpu/pairs").iterdir()):
        compiled, plain = (read_graph(folder / name) for name in ("model_edgetpu.tflite", "model.tflite"))
        if "PosenetDecoderOp" in plain.op_counts():
            continue  # an operator of Coral's own, which no plain interpreter has
        served = make_interpreter(str(folder / "model_edgetpu.tflite"), device="cpu")
        served.allocate_tensors()
        twin = open_interpreter(plain.content)
        indices = {plain.tensors[index].name: index for index in (*plain.inputs, *plain.outputs)}
        for tensor in served.get_input_details():
            value = np.random.default_rng(0).integers(0, 100, tensor["shape"]).astype(tensor["dtype"])
            served.set_tensor(tensor["index"], value)
            twin.set_tensor(indices[tensor["name"]], value)
        served.invoke()
        twin.invoke()
        outputs = served.get_output_details()
        assert [tensor["name"] for tensor in outputs] == [compiled.tensors[index].name for index in compiled.outputs]
        for tensor in outputs:
            np.testing.assert_array_equal(served.get_tensor(tensor["index"]), twin.get_tensor(indices[tensor["name"]]))
        tried += 1
    assert tried > 15
