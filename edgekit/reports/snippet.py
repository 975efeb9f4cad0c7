"""Ready code that runs a model, with its real sizes, scaling and labels written into it."""

import json
import os
from string import Template
from typing import Dict, Mapping, Union

from edgekit.devices.inspection import inspect
from edgekit.devices.tensors import check_classes, input_spec, input_tensor, output_tensor
from edgekit.errors import UsageError
from edgekit.tflite.graph import Tensor
from edgekit.tflite.metadata import Metadata

_PYTHON = '''"""Names what is in an image, with $file. Needs: pip install ai-edge-litert numpy Pillow"""

import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

LABELS = $labels
MEAN, STD = np.array($mean), np.array($std)  # of pixels 0 to 255
IN_SCALE, IN_ZERO, OUT_SCALE, OUT_ZERO = $in_scale, $in_zero, $out_scale, $out_zero

interpreter = Interpreter(model_path=$path)
interpreter.allocate_tensors()
image = Image.open(sys.argv[1]).convert("$mode").resize(($width, $height), Image.Resampling.$interpolation)
pixels = np.asarray(image, np.float32).reshape($height, $width, $channels)[..., ::$step]
values = (pixels - MEAN) / STD / IN_SCALE + IN_ZERO
if "$in_type" != "float32":
    limits = np.iinfo("$in_type")
    values = np.clip(np.rint(values), limits.min, limits.max)
interpreter.set_tensor(interpreter.get_input_details()[0]["index"], values.astype("$in_type")[np.newaxis])
interpreter.invoke()
raw = interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).ravel()
scores = (raw.astype(np.float32) - OUT_ZERO) * OUT_SCALE
for index in np.argsort(-scores)[:5]:
    print(f"{scores[index]:.3f} {LABELS[index] if LABELS else index}")
'''

_CPP = """// Names what is in $width x $height pixels, with $file. Needs LiteRT's C library (tensorflow/lite/c/c_api.h).
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "tensorflow/lite/c/c_api.h"

static const char* const kLabels[] = {$c_labels};
static const float kMean[] = {$c_mean}, kStd[] = {$c_std};  // of pixels 0 to 255
constexpr int kHeight = $height, kWidth = $width, kChannels = $channels, kClasses = $classes;

// pixels: kHeight * kWidth * kChannels bytes, RGB. Returns the best class, and its score.
int Classify(TfLiteInterpreter* interpreter, const uint8_t* pixels, float* score) {
  std::vector<$in_ctype> input(kHeight * kWidth * kChannels);
  for (size_t i = 0; i < input.size(); ++i) {
    const int channel = i % kChannels;
    const int from = $bgr ? kChannels - 1 - channel : channel;
    const float value = (pixels[i - channel + from] - kMean[channel]) / kStd[channel] / ${in_scale}f + $in_zero;
    input[i] = static_cast<$in_ctype>($in_cast);
  }
  TfLiteTensorCopyFromBuffer(TfLiteInterpreterGetInputTensor(interpreter, 0), input.data(),
                             input.size() * sizeof(input[0]));
  TfLiteInterpreterInvoke(interpreter);
  std::vector<$out_ctype> output(kClasses);
  TfLiteTensorCopyToBuffer(TfLiteInterpreterGetOutputTensor(interpreter, 0), output.data(),
                           output.size() * sizeof(output[0]));
  const int best = std::max_element(output.begin(), output.end()) - output.begin();
  *score = (output[best] - $out_zero) * ${out_scale}f;
  return best;
}
"""

_KOTLIN = """// Names what is in a Bitmap, with $file in assets. Needs com.google.ai.edge.litert:litert
import android.graphics.Bitmap
import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlin.math.roundToInt
import org.tensorflow.lite.Interpreter

val LABELS = listOf<String>($kotlin_labels)
val MEAN = floatArrayOf($kotlin_mean)
val STD = floatArrayOf($kotlin_std) // of pixels 0 to 255

fun classify(interpreter: Interpreter, image: Bitmap): Pair<Int, Float> {
    val scaled = Bitmap.createScaledBitmap(image, $width, $height, true)
    val colours = IntArray($width * $height)
    scaled.getPixels(colours, 0, $width, 0, 0, $width, $height)
    val input = ByteBuffer.allocateDirect($width * $height * $channels * $in_bytes).order(ByteOrder.nativeOrder())
    for (colour in colours) for (channel in 0 until $channels) {
        val shift = 8 * ($kotlin_shift)
        val value = (((colour shr shift) and 255) - MEAN[channel]) / STD[channel] / ${in_scale}f + $in_zero
        $kotlin_put
    }
    val output = ByteBuffer.allocateDirect($classes * $out_bytes).order(ByteOrder.nativeOrder())
    interpreter.run(input.rewind(), output)
    output.rewind()
    val scores = FloatArray($classes) { ($kotlin_get - $out_zero) * ${out_scale}f }
    val best = scores.indices.maxBy { scores[it] }
    return Pair(best, scores[best])
}
"""

_SWIFT = """// Names what is in $width x $height pixels, with $file in the bundle. Needs the pod TensorFlowLiteSwift.
import Foundation
import TensorFlowLite

let labels: [String] = [$c_labels]
let mean: [Float] = [$swift_mean]
let std: [Float] = [$swift_std]  // of pixels 0 to 255

// pixels: $height * $width * $channels bytes, RGB; the interpreter's tensors are allocated.
func classify(_ interpreter: Interpreter, pixels: [UInt8]) throws -> (index: Int, score: Float) {
    var input: [$in_swift] = []
    for start in stride(from: 0, to: pixels.count, by: $channels) {
        for channel in 0..<$channels {
            let from = $bgr ? $channels - 1 - channel : channel
            let value = (Float(pixels[start + from]) - mean[channel]) / std[channel] / $in_scale + Float($in_zero)
            input.append($swift_cast)
        }
    }
    try interpreter.copy(input.withUnsafeBufferPointer { Data(buffer: $$0) }, toInputAt: 0)
    try interpreter.invoke()
    let output = try interpreter.output(at: 0).data
    let raw = output.withUnsafeBytes { Array($$0.bindMemory(to: $out_swift.self)) }
    let best = raw.indices.max { raw[$$0] < raw[$$1] }!
    return (best, (Float(raw[best]) - Float($out_zero)) * $out_scale)
}
"""

_ARDUINO = """// Names what is in $width x $height pixels, with $file. Needs a library of TensorFlow Lite Micro, and
// the model as an array: xxd -i $file > model.h
#include <math.h>
#include <stdint.h>

#include "tensorflow/lite/micro/micro_interpreter.h"

static const char* const kLabels[] = {$c_labels};
static const float kMean[] = {$c_mean}, kStd[] = {$c_std};  // of pixels 0 to 255
constexpr int kHeight = $height, kWidth = $width, kChannels = $channels, kClasses = $classes;

// pixels: kHeight * kWidth * kChannels bytes, RGB. Returns the best class, and its score.
int Classify(tflite::MicroInterpreter* interpreter, const uint8_t* pixels, float* score) {
  $in_ctype* input = reinterpret_cast<$in_ctype*>(interpreter->input(0)->data.raw);
  for (int i = 0; i < kHeight * kWidth * kChannels; ++i) {
    const int channel = i % kChannels;
    const int from = $bgr ? kChannels - 1 - channel : channel;
    const float value = (pixels[i - channel + from] - kMean[channel]) / kStd[channel] / ${in_scale}f + $in_zero;
    input[i] = static_cast<$in_ctype>($arduino_cast);
  }
  interpreter->Invoke();
  const $out_ctype* output = reinterpret_cast<const $out_ctype*>(interpreter->output(0)->data.raw);
  int best = 0;
  for (int i = 1; i < kClasses; ++i) {
    if (output[i] > output[best]) best = i;
  }
  *score = (output[best] - $out_zero) * ${out_scale}f;
  return best;
}
"""

#: Language → its template.
_TEMPLATES: Mapping[str, str] = {
    "python": _PYTHON,
    "android-kotlin": _KOTLIN,
    "ios-swift": _SWIFT,
    "cpp": _CPP,
    "arduino": _ARDUINO,
}
LANGUAGES = tuple(_TEMPLATES)

_C_TYPES = {"float32": "float", "uint8": "uint8_t", "int8": "int8_t"}
_SWIFT_TYPES = {"float32": "Float", "uint8": "UInt8", "int8": "Int8"}
_KOTLIN_GET = {"float32": "output.getFloat()", "int8": "output.get()", "uint8": "(output.get().toInt() and 255)"}
_LIMITS = {"uint8": (0, 255), "int8": (-128, 127)}


def snippet(model: Union[str, "os.PathLike[str]"], language: str) -> str:
    """Code that runs a model, to be pasted.

    Args:
      model: a `.tflite` that says how its images are scaled.
      language: one of LANGUAGES.

    Raises:
      UsageError: there is no such language, or the model brings images to its size by cropping.
      EdgekitError: the file is no image classifier, or damaged.
    """
    if language not in _TEMPLATES:
        raise UsageError(f"There is no snippet for {language!r}.", f"Choose one of: {', '.join(LANGUAGES)}.")
    found = inspect(model)
    source, sink = input_tensor(found.graph), output_tensor(found.graph)
    labels = found.names.labels if found.names else ()
    check_classes(found.graph, labels)
    spec = input_spec(source, found.metadata or Metadata(), None)
    if spec.resize != "stretch":
        raise UsageError(f"{found.path} wants its images cropped, which no snippet does.", "Use edgekit.Classifier.")
    values: Dict[str, object] = {
        "file": json.dumps(os.path.basename(found.path))[1:-1],
        "path": json.dumps(found.path),
        "labels": list(labels),
        "height": spec.height,
        "width": spec.width,
        "channels": spec.channels,
        "classes": sink.elements,
        "mean": list(spec.mean),
        "std": list(spec.std),
        "mode": "RGB" if spec.channels == 3 else "L",
        "step": -1 if spec.order == "bgr" else 1,
        "bgr": str(spec.order == "bgr").lower(),
        "interpolation": spec.interpolation.upper(),
        **_ends("in", source),
        **_ends("out", sink),
        **_literals(labels, spec.mean, spec.std),
        "in_cast": _cast(source.dtype),
        "arduino_cast": _arduino_cast(source.dtype),
        "swift_cast": _swift_cast(source.dtype),
        "in_swift": _SWIFT_TYPES[source.dtype],
        "out_swift": _SWIFT_TYPES[sink.dtype],
        "kotlin_shift": "channel" if spec.order == "bgr" else "2 - channel" if spec.channels == 3 else "1",
        "kotlin_put": _kotlin_put(source.dtype),
        "kotlin_get": _KOTLIN_GET[sink.dtype],
    }
    return Template(_TEMPLATES[language]).substitute(values)


def _ends(name: str, tensor: Tensor) -> Dict[str, object]:
    """Type, scale and zero point of an input or output; 1 and 0 where it is float."""
    quant = tensor.quant if tensor.dtype != "float32" else None
    return {
        f"{name}_type": tensor.dtype,
        f"{name}_ctype": _C_TYPES[tensor.dtype],
        f"{name}_bytes": 4 if tensor.dtype == "float32" else 1,
        f"{name}_scale": float(quant.scale[0]) if quant else 1.0,
        f"{name}_zero": int(quant.zero_point[0]) if quant else 0,
    }


def _literals(labels: object, mean: object, std: object) -> Dict[str, str]:
    """Lists as C++ and Kotlin write them; a JSON string is a string there too, but for `$` in Kotlin."""
    assert isinstance(labels, tuple) and isinstance(mean, tuple) and isinstance(std, tuple)
    quoted = ", ".join(json.dumps(label, ensure_ascii=False) for label in labels)
    numbers = {name: ", ".join(f"{float(value)}f" for value in each) for name, each in (("mean", mean), ("std", std))}
    plain = {name: text.replace("f", "") for name, text in numbers.items()}
    return {
        **{f"swift_{name}": text for name, text in plain.items()},
        "c_labels": quoted or '""',
        "kotlin_labels": quoted.replace("$", "\\$"),
        **{f"{place}_{name}": text for name, text in numbers.items() for place in ("c", "kotlin")},
    }


def _kotlin_put(dtype: str) -> str:
    low, high = _LIMITS.get(dtype, (0, 0))
    rounded = f"value.roundToInt().coerceIn({low}, {high}).toByte()"
    return "input.putFloat(value)" if dtype == "float32" else f"input.put({rounded})"


def _arduino_cast(dtype: str) -> str:
    low, high = _LIMITS.get(dtype, (0, 0))
    return "value" if dtype == "float32" else f"fminf({high}.0f, fmaxf({low}.0f, roundf(value)))"


def _swift_cast(dtype: str) -> str:
    low, high = _LIMITS.get(dtype, (0, 0))
    return "value" if dtype == "float32" else f"{_SWIFT_TYPES[dtype]}(min({high}, max({low}, value.rounded())))"


def _cast(dtype: str) -> str:
    low, high = _LIMITS.get(dtype, (0, 0))
    return "value" if dtype == "float32" else f"std::min({high}.0f, std::max({low}.0f, std::round(value)))"
