"""`edgekit snippet`: the Python is run, the C++ compiled."""

import json
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from edgekit import Classifier
from edgekit.cli import main
from edgekit.preprocess import InputSpec
from edgekit.tflite.metadata import Metadata, write_metadata
from tests.support.build import colour_classifier

LABELS = ("red", 'gr"een$x', "blue\\")

#: As much of LiteRT's C interface as the code names.
C_API = """#include <cstddef>
struct TfLiteInterpreter; struct TfLiteTensor;
TfLiteTensor* TfLiteInterpreterGetInputTensor(const TfLiteInterpreter*, int);
const TfLiteTensor* TfLiteInterpreterGetOutputTensor(const TfLiteInterpreter*, int);
int TfLiteTensorCopyFromBuffer(TfLiteTensor*, const void*, size_t);
int TfLiteTensorCopyToBuffer(const TfLiteTensor*, void*, size_t);
int TfLiteInterpreterInvoke(TfLiteInterpreter*);
"""


#: As much of TensorFlow Lite Micro.
MICRO = """namespace tflite {
struct Tensor { union { char* raw; } data; };
struct MicroInterpreter { Tensor* input(int); Tensor* output(int); int Invoke(); };
}
"""


@pytest.fixture(params=["uint8", "int8", "float32"])
def model(request, tmp_path):
    spec = InputSpec(8, 8, mean=(127.5,) * 3, std=(127.5,) * 3)
    content = colour_classifier(request.param, mean=127.5, std=127.5)
    path = tmp_path / "model.tflite"
    path.write_bytes(write_metadata(content, Metadata(labels=LABELS, input=spec)))
    return path


def snippet(*arguments):
    result = CliRunner().invoke(main, ["snippet", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_python_answers_as_the_classifier(model, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    pixels[..., 1] |= 128
    Image.fromarray(pixels).save(tmp_path / "image.png")
    (tmp_path / "code.py").write_text(snippet(model, "--for", "python"), encoding="utf-8")
    command = [sys.executable, str(tmp_path / "code.py"), str(tmp_path / "image.png")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    printed = [line.split(" ", 1) for line in done.stdout.splitlines()]
    with Classifier(model) as classifier:
        expected = classifier.classify(tmp_path / "image.png", 3).classes
    assert [label for _, label in printed] == [each.label for each in expected]
    assert [float(score) for score, _ in printed] == pytest.approx([each.score for each in expected], abs=0.006)


@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")
@pytest.mark.parametrize(
    ("language", "header", "content"),
    [("cpp", "c/c_api.h", C_API), ("arduino", "micro/micro_interpreter.h", MICRO)],
)
def test_the_c_plus_plus_compiles(model, tmp_path, language, header, content):
    path = tmp_path / "tensorflow/lite" / header
    path.parent.mkdir(parents=True)
    path.write_text(content)
    (tmp_path / "code.cc").write_text(snippet(model, "--for", language), encoding="utf-8")
    command = ["g++", "-std=c++17", "-fsyntax-only", "-Wall", "-Werror", "-Wno-unused-variable", "-I", str(tmp_path)]
    done = subprocess.run([*command, str(tmp_path / "code.cc")], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_the_kotlin_holds_the_models_figures(model):
    code = snippet(model, "--for", "android-kotlin")
    assert 'listOf<String>("red", "gr\\"een\\$x", "blue\\\\")' in code
    assert "createScaledBitmap(image, 8, 8, true)" in code and "floatArrayOf(127.5f, 127.5f, 127.5f)" in code


def test_the_swift_holds_the_models_figures(model):
    code = snippet(model, "--for", "ios-swift")
    assert '["red", "gr\\"een$x", "blue\\\\"]' in code and "[Float] = [127.5, 127.5, 127.5]" in code
    assert "Data(buffer: $0)" in code and "raw[$0] < raw[$1]" in code


def test_the_examples_of_the_help_run(model, monkeypatch):
    monkeypatch.chdir(model.parent)
    lines = main.get_command(None, "snippet").help.partition("Examples:")[2].splitlines()
    for line in filter(str.strip, lines):
        assert json.loads(snippet(*shlex.split(line)[2:], "--json"))["code"]


def test_what_is_no_classifier_and_no_language_is_refused(model, tmp_path):
    (tmp_path / "none.tflite").write_bytes(b"nothing")
    for arguments in ([tmp_path / "none.tflite", "--for", "python"], [model, "--for", "cobol"]):
        assert CliRunner().invoke(main, ["snippet", *map(str, arguments)]).exit_code == 2
