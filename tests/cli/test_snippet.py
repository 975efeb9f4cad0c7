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
from edgekit.devices.tensors import encoder, input_tensor
from edgekit.preprocess import InputSpec
from edgekit.tflite.metadata import Metadata, write_metadata
from edgekit.tflite.reader import read_graph
from tests.support.build import colour_classifier

LABELS = ("red", 'gr"een$x', "blue\\")

#: As much of LiteRT's C interface as the code names, and a model that answers with the first of what it takes.
C_API = """#include <cstring>
#include <cstdio>
struct TfLiteInterpreter {}; struct TfLiteTensor {};
static unsigned char taken[1 << 16];
TfLiteTensor* TfLiteInterpreterGetInputTensor(const TfLiteInterpreter*, int) { return nullptr; }
const TfLiteTensor* TfLiteInterpreterGetOutputTensor(const TfLiteInterpreter*, int) { return nullptr; }
int TfLiteTensorCopyFromBuffer(TfLiteTensor*, const void* data, size_t size) {
  fwrite(data, 1, size, stdout); memcpy(taken, data, size); return 0;
}
int TfLiteTensorCopyToBuffer(const TfLiteTensor*, void* data, size_t size) { memcpy(data, taken, size); return 0; }
int TfLiteInterpreterInvoke(TfLiteInterpreter*) { return 0; }
"""
#: The same of TensorFlow Lite Micro.
MICRO = """#include <cstdio>
namespace tflite {
static char taken[1 << 16];
struct Tensor { union { char* raw; } data; };
struct MicroInterpreter {
  Tensor tensor{{taken}};
  Tensor* input(int) { return &tensor; }
  Tensor* output(int) { return &tensor; }
  int Invoke() { fwrite(taken, 1, sizeof(taken), stdout); return 0; }
};
}
"""
MAIN = """
int main() {
  uint8_t pixels[kHeight * kWidth * kChannels];
  for (int i = 0; i < kHeight * kWidth * kChannels; ++i) pixels[i] = i;
  %s interpreter;
  float score;
  const int best = Classify(&interpreter, pixels, &score);
  fprintf(stderr, "%%d %%s %%.9g", best, kLabels[best], score);
}
"""
#: Preprocessing → what each channel's `(pixel - mean) / std` is made of.
SCALED = {
    "plain": InputSpec(8, 8),
    "-1..1": InputSpec(8, 8, mean=(127.5,) * 3, std=(127.5,) * 3),
    "imagenet": InputSpec(8, 8, mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375)),
    "caffe": InputSpec(8, 8, mean=(103.939, 116.779, 123.68), std=(1.0,) * 3, order="bgr"),
}


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
@pytest.mark.parametrize("scaled", SCALED)
@pytest.mark.parametrize("dtype", ["uint8", "int8", "float32"])
@pytest.mark.parametrize(
    ("language", "header", "content", "interpreter"),
    [
        ("cpp", "c/c_api.h", C_API, "TfLiteInterpreter"),
        ("arduino", "micro/micro_interpreter.h", MICRO, "tflite::MicroInterpreter"),
    ],
)
def test_the_c_plus_plus_feeds_the_model_what_it_was_trained_on(
    tmp_path, language, header, content, interpreter, dtype, scaled
):
    spec = SCALED[scaled]
    path = tmp_path / "model.tflite"
    quantized = colour_classifier(dtype, mean=spec.mean[0], std=spec.std[0])
    path.write_bytes(write_metadata(quantized, Metadata(labels=LABELS, input=spec)))
    (tmp_path / "tensorflow/lite" / header).parent.mkdir(parents=True)
    (tmp_path / "tensorflow/lite" / header).write_text(content)
    code = snippet(path, "--for", language) + MAIN % interpreter
    (tmp_path / "code.cc").write_text(code, encoding="utf-8")
    command = ["g++", "-std=c++11", "-Wall", "-Werror", "-I", str(tmp_path), "-o", str(tmp_path / "code")]
    done = subprocess.run([*command, str(tmp_path / "code.cc")], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    ran = subprocess.run([str(tmp_path / "code")], capture_output=True, timeout=60, check=True)
    taken = np.frombuffer(ran.stdout, dtype)[: 8 * 8 * 3]
    pixels = np.arange(8 * 8 * 3, dtype=np.uint8).reshape(8, 8, 3)
    expected = encoder(input_tensor(read_graph(path.read_bytes())), spec)(pixels).ravel()
    np.testing.assert_allclose(taken, expected, rtol=1e-6, atol=1e-5)
    best, label, score = ran.stderr.decode().split(" ")
    assert int(best) == np.argmax(taken[:3]) and label == LABELS[int(best)]
    low = {"uint8": 0, "int8": -128, "float32": 0}[dtype]
    steps = 1 if dtype == "float32" else 256
    assert float(score) == pytest.approx((float(taken[int(best)]) - low) / steps)


PUT = {
    "uint8": ("input.put(red.toByte())", "pixels[i]\n"),
    "int8": ("input.put((red - 128).toByte())", "Int8(Int(pixels[i]) - 128)\n"),
    "float32": ("input.putFloat(red * FACTOR[0] + OFFSET[0])", "Float(pixels[i]) * factor[i % 3] + offset[i % 3]\n"),
}


@pytest.mark.parametrize("dtype", PUT)
def test_kotlin_and_swift_hold_the_models_figures(tmp_path, dtype):
    path = tmp_path / "model.tflite"
    path.write_bytes(
        write_metadata(colour_classifier(dtype, mean=127.5, std=127.5), Metadata(labels=LABELS, input=SCALED["-1..1"]))
    )
    kotlin, swift = (snippet(path, "--for", language) for language in ("android-kotlin", "ios-swift"))
    assert 'listOf<String>("red", "gr\\"een\\$x", "blue\\\\")' in kotlin
    assert "createScaledBitmap(image, 8, 8, true)" in kotlin
    assert PUT[dtype][0] in kotlin and PUT[dtype][1] in swift
    assert '["red", "gr\\"een$x", "blue\\\\"]' in swift
    assert "Data(buffer: $0)" in swift and "output[$0] < output[$1]" in swift


def test_the_examples_of_the_help_run(model, monkeypatch):
    monkeypatch.chdir(model.parent)
    lines = main.get_command(None, "snippet").help.partition("Examples:")[2].splitlines()
    for line in filter(str.strip, lines):
        assert json.loads(snippet(*shlex.split(line)[2:], "--json"))["code"]


def test_what_is_no_classifier_and_no_language_is_refused(model, tmp_path):
    (tmp_path / "none.tflite").write_bytes(b"nothing")
    for arguments in ([tmp_path / "none.tflite", "--for", "python"], [model, "--for", "cobol"]):
        assert CliRunner().invoke(main, ["snippet", *map(str, arguments)]).exit_code == 2
