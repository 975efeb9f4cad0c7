"""Ready code that runs a model, with its real sizes, scaling and labels written into it."""

import json
import os
from pathlib import Path
from string import Template
from typing import Callable, Dict, Mapping, Tuple, Union

from edgekit.errors import UsageError
from edgekit.reports.snippets.figures import Figures, read_figures
from edgekit.tflite.quant import LIMITS

_C_TYPES = {"float32": "float", "uint8": "uint8_t", "int8": "int8_t"}
_SWIFT_TYPES = {"float32": "Float", "uint8": "UInt8", "int8": "Int8"}
_KOTLIN_GET = {"float32": "output.getFloat()", "int8": "output.get()", "uint8": "(output.get().toInt() and 255)"}
_TOLD = "(pixel - mean) / std of the model's channels, in its input's type, is pixel * factor + offset"
#: A pixel in grey, as Pillow makes it: ITU-R 601.
_KOTLIN_GREY = "(299 * red + 587 * green + 114 * blue) / 1000"


def snippet(model: Union[str, "os.PathLike[str]"], language: str) -> str:
    """Code that runs a model, to be pasted.

    Args:
      model: a `.tflite` that says how its images are scaled.
      language: one of LANGUAGES.

    Raises:
      UsageError: there is no such language, or the model brings images to its size by cropping.
      EdgekitError: the file is no image classifier, or damaged.
    """
    if language not in _LANGUAGES:
        raise UsageError(f"There is no snippet for {language!r}.", f"Choose one of: {', '.join(LANGUAGES)}.")
    figures = read_figures(model)
    template = Path(__file__).with_name(f"{language}.txt").read_text(encoding="utf-8")
    shared: Dict[str, object] = {
        "file": json.dumps(os.path.basename(figures.path))[1:-1],
        "height": figures.spec.height,
        "width": figures.spec.width,
        "channels": figures.spec.channels,
        "classes": figures.classes,
        "mode": "RGB" if figures.spec.channels == 3 else "L" if language == "python" else "grey",
        "labels": _quoted(figures),
    }
    return Template(template).substitute({**shared, **_LANGUAGES[language](figures)})


def _python(f: Figures) -> Dict[str, object]:
    labels = f"LABELS = {[*f.labels]}\n" if f.labels else ""
    value = f"pixels{_shift(f)}" if f.plain else "pixels * FACTOR + OFFSET"
    scaling = "" if f.plain else f"FACTOR, OFFSET = np.array({[*f.factor]}), np.array({[*f.offset]})  # {_TOLD}\n"
    raw = f"(output.astype(np.float32) - {f.out_zero})" if f.out_zero else "output"
    return {
        "constants": labels + scaling,
        "path": json.dumps(f.path),
        "interpolation": f.spec.interpolation.upper(),
        "turned": "[..., ::-1]" if f.bgr else "",
        "value": _rounded(f, value, "np.clip(np.rint({}), {}, {})"),
        "type": f.in_type,
        "batch": "np.newaxis" if f.spec.channels == 3 else "np.newaxis, ..., np.newaxis",
        "score": raw if f.out_type == "float32" else f"{raw} * {f.out_scale}",
        "named": "LABELS[index]" if f.labels else "index",
    }


def _c(f: Figures) -> Dict[str, object]:
    pixel, kind = _turned(f), _C_TYPES[f.in_type]
    value = f"{pixel}{_shift(f)}" if f.plain else f"{pixel} * kFactor[i % kChannels] + kOffset[i % kChannels]"
    constants = (
        f"// {_TOLD}\nconstexpr float kFactor[] = {{{_floats(f.factor)}}}, kOffset[] = {{{_floats(f.offset)}}};\n"
    )
    raw = f"(output[best] - {f.out_zero})" if f.out_zero else "output[best]"
    return {
        "labels": _quoted(f) or '""',
        "constants": "" if f.plain else constants,
        "in_type": kind,
        "out_type": _C_TYPES[f.out_type],
        "value": _rounded(f, value, f"static_cast<{kind}>(fminf(fmaxf(roundf({{}}), {{}}.0f), {{}}.0f))"),
        "score": raw if f.out_type == "float32" else f"{raw} * {f.out_scale}f",
    }


def _kotlin(f: Figures) -> Dict[str, object]:
    names = ["grey"] if f.spec.channels == 1 else ["blue", "green", "red"] if f.bgr else ["red", "green", "blue"]
    puts = [f"input.{_kotlin_put(f, name, channel)}" for channel, name in enumerate(names)]
    constants = (
        f"// {_TOLD}\nval FACTOR = floatArrayOf({_floats(f.factor)})\nval OFFSET = floatArrayOf({_floats(f.offset)})\n"
    )
    raw = f"({_KOTLIN_GET[f.out_type]} - {f.out_zero})" if f.out_zero else _KOTLIN_GET[f.out_type]
    return {
        "labels": _quoted(f).replace("$", "\\$"),
        "constants": "" if f.plain else constants,
        "rounding": _rounded(f, "", "import kotlin.math.roundToInt\n"),
        "in_bytes": 4 if f.in_type == "float32" else 1,
        "out_bytes": 4 if f.out_type == "float32" else 1,
        "puts": "\n        ".join([f"val grey = {_KOTLIN_GREY}"] * (f.spec.channels == 1) + puts),
        "score": raw if f.out_type == "float32" else f"{raw} * {f.out_scale}f",
    }


def _kotlin_put(f: Figures, name: str, channel: int) -> str:
    value = f"{name} * FACTOR[{channel}] + OFFSET[{channel}]"
    if f.in_type == "float32":
        return f"putFloat({f'{name}.toFloat()' if f.plain else value})"
    if f.plain:
        return f"put({f'({name}{_shift(f)})' if f.shift else name}.toByte())"
    return f"put({_rounded(f, value, '({}).roundToInt().coerceIn({}, {})')}.toByte())"


def _swift(f: Figures) -> Dict[str, object]:
    pixel, at, kind = _turned(f), f"[i % {f.spec.channels}]", _SWIFT_TYPES[f.in_type]
    plain = {"uint8": pixel, "int8": f"Int8(Int({pixel}){_shift(f)})", "float32": f"Float({pixel})"}[f.in_type]
    value = plain if f.plain else f"Float({pixel}) * factor{at} + offset{at}"
    constants = f"// {_TOLD}\nlet factor: [Float] = {[*f.factor]}\nlet offset: [Float] = {[*f.offset]}\n"
    raw = f"(Float(output[best]) - {f.out_zero})" if f.out_zero else "Float(output[best])"
    return {
        "constants": "" if f.plain else constants,
        "in_type": kind,
        "out_type": _SWIFT_TYPES[f.out_type],
        "value": _rounded(f, value, f"{kind}(max({{1}}, min({{2}}, ({{0}}).rounded())))"),
        "score": "output[best]" if f.out_type == "float32" else f"{raw} * {f.out_scale}",
    }


def _rounded(f: Figures, value: str, form: str) -> str:
    """A value put into a form that takes it and its least and largest, where the input needs rounding."""
    return value if f.plain or f.in_type == "float32" else form.format(value, *LIMITS[f.in_type])


def _turned(f: Figures) -> str:
    """The pixel's channel of the model's channel i % 3."""
    return "pixels[i + 2 - 2 * (i % 3)]" if f.bgr else "pixels[i]"


def _shift(f: Figures) -> str:
    """What a plain input adds to a pixel."""
    return f" - {-f.shift}" if f.shift else ""


def _floats(numbers: Tuple[float, ...]) -> str:
    """As C++ and Kotlin write them."""
    return ", ".join(f"{number}f" for number in numbers)


def _quoted(f: Figures) -> str:
    """The labels as strings of C++, Swift and Kotlin, which are those of JSON (but for `$` in Kotlin)."""
    return ", ".join(json.dumps(label, ensure_ascii=False) for label in f.labels)


#: Language → what its template, the file of that name, has slots for.
_LANGUAGES: Mapping[str, Callable[[Figures], Dict[str, object]]] = {
    "python": _python,
    "android-kotlin": _kotlin,
    "ios-swift": _swift,
    "cpp": _c,
    "arduino": _c,
}
LANGUAGES = tuple(_LANGUAGES)
