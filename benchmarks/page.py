"""Writes docs/benchmarks.md: what the measurements of this folder print, with the machine and the versions used.

    python -m benchmarks.page                                 # docs/benchmarks.md anew from benchmarks/results/
    python -m benchmarks.page --run int8 --set data=flowers/train --set judged=flowers/validation --set model=b0.h5
    python -m benchmarks.page --run timing …                  # all whose figures are times

A measurement's output, with date, machine and versions, is kept in benchmarks/results/NAME.json. Those of times want a
quiet machine; the load before the run is told. What is set fills the braces of the commands.
"""

import argparse
import datetime
import json
import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "benchmarks.md"
#: Packages whose versions are told.
PACKAGES = ("ai-edge-litert", "litert-quantizer", "numpy", "tensorflow", "tf-keras")


@dataclass(frozen=True)
class Part:
    """A measurement: what it asks, how it is run, and how to read what it prints; `timing` where times are measured."""

    title: str
    said: str
    command: str
    timing: bool = False


PARTS: Mapping[str, Part] = {
    "int8": Part(
        "Full int8 beside other converters",
        "The same trained model, calibrated on the same images, judged on images that none has seen. **plain** is what "
        "TensorFlow's documentation gives for TFLiteConverter, which Coral's tutorials for pycoral use as well; "
        "**onnx2tf** goes by way of ONNX; **litert** is `litert quantize --recipe static_wi8_ai8` of Google's litert "
        "CLI, with float input and output. They are told the preprocessing that edgekit finds. «alone»: images on "
        "which only this file is right, against edgekit's (edgekit's: against the plain one); p: McNemar's exact test. "
        "onnx2tf stops at the normalization layer of this model. Seconds are those of processes; on a busy machine "
        "they say little, and those of onnx2tf and litert count from a float `.tflite`.",
        "python -m benchmarks.peers {model} --data {data} --verify-data {judged} --samples 100 {peers}",
    ),
    "steps": Part(
        "What each step of the conversion brings",
        "Every correction and range method, judged on images kept apart. SQNR is the measure that the search goes by, "
        "on calibration images; seconds on a busy machine say little.",
        "python benchmarks/b0.py {model} --data {data} --verify-data {judged} --samples 100",
    ),
    "interval": Part(
        "Whether the verdict's interval holds",
        "How often the 95 % interval holds the truth, over images drawn again and again.",
        "python benchmarks/interval.py {float} {int8} {judged}",
    ),
    "benchmark": Part(
        "Float beside int8 on this CPU",
        "One thread, in turns; the ratio holds on a busy machine too, the times do not.",
        "python -m edgekit benchmark {float} {int8} --threads 1",
        timing=True,
    ),
    "runtime": Part(
        "What edgekit costs on top of the interpreter",
        "`Classifier.classify` beside a bare loop of set_tensor, invoke, get_tensor; and from a file to a label.",
        "python benchmarks/runtime.py {int8} {judged} --calls 200",
        timing=True,
    ),
    "evaluate": Part(
        "Evaluation on all cores",
        "`edgekit evaluate` beside one thread.",
        "python benchmarks/evaluate.py {int8} {judged} --rounds 2",
        timing=True,
    ),
}


HEAD = (
    "What the scripts in `benchmarks/` print, with the machine and the versions used. Written by",
    "`python -m benchmarks.page`; a test keeps it so. How each is measured stands in its script.",
    "",
    "Measured figures on other pages: [training, also beside Frigate's recipe](training.md), [Frigate](frigate.md),",
    "[the last layer, beside pycoral's](pycoral.md), [Edge TPU latencies and memory](estimates.md),",
    "[the intervals of `edgekit benchmark`](benchmark.md), [what checking a stranger's file costs](safety.md),",
    "[what each extra installs](install.md).",
)


def main() -> None:
    """Runs what was asked for, and writes the page."""
    arguments = parse()
    names = arguments.run or []
    chosen = [name for name, part in PARTS.items() if name in names or (part.timing and "timing" in names)]
    for name in chosen:
        measure(name, dict(arguments.set))
    PAGE.write_text(render(), encoding="utf-8")


def measure(name: str, given: Mapping[str, str]) -> None:
    """Runs a measurement and keeps what it prints; one that fails leaves the result before it."""
    command = PARTS[name].command.format_map({"peers": "", **given})
    words = shlex.split(command)
    load = os.getloadavg()[0]
    done = subprocess.run([sys.executable, *words[1:]], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{name}: {done.stderr[-2000:]}")
    machine = {"processor": processor(), "cores": os.cpu_count(), "system": f"{platform.system()} {platform.machine()}"}
    result = {
        "measured": datetime.date.today().isoformat(),
        "load": round(load, 1),
        "machine": machine,
        "versions": {"python": platform.python_version(), **versions()},
        "command": shown(words),
        "output": named(done.stdout.rstrip()),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def named(text: str) -> str:
    """Files of the machine by their names alone."""
    return re.sub(r"(?<!\S)/(?:[^\s/]+/)*([^\s/]+)", r"\1", text)


def shown(words: list[str]) -> str:
    """The command with files and folders by their names alone."""
    return shlex.join(Path(word).name if word.startswith("/") and len(word) > 1 else word for word in words)


def processor() -> str:
    """The processor's name, as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    """Versions of the packages that figures depend on."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def render() -> str:
    """The page, from the results that are kept."""
    lines = ["# Measured figures", "", *HEAD, ""]
    for name, part in PARTS.items():
        path = RESULTS / f"{name}.json"
        if path.exists():
            lines += section(part, json.loads(path.read_text(encoding="utf-8")))
    return "\n".join(lines) + "\n"


def section(part: Part, result: Mapping[str, object]) -> list[str]:
    """A heading, what was asked, where it ran, and what was printed."""
    machine, used = result["machine"], result["versions"]
    assert isinstance(machine, dict) and isinstance(used, dict)
    tools = ", ".join(f"{name} {number}" for name, number in used.items())
    where = f"{machine['processor']}, {machine['cores']} cores, {machine['system']}"
    load = f"; load before the run {result['load']}" if part.timing else ""
    said = f"{part.said} Measured {result['measured']} on {where}{load}; {tools}."
    return [f"## {part.title}", "", said, "", "```", f"$ {result['command']}", str(result["output"]), "```", ""]


def parse() -> argparse.Namespace:
    """The arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", action="append", choices=[*PARTS, "timing"])
    parser.add_argument("--set", action="append", default=[], type=lambda text: tuple(text.split("=", 1)))
    return parser.parse_args()


if __name__ == "__main__":
    main()
