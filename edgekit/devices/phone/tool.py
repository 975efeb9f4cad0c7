"""The official benchmark binaries: which accelerators they know, and what they print.

There are two of the same name. TensorFlow's `benchmark_model` (tensorflow/lite/tools/benchmark; since 2024 also
LiteRT's tflite/tools/benchmark) runs the interpreter, takes an input from a file, and since July 2022 (pull request
55493) writes its outputs to one. LiteRT's `benchmark_model` (litert/tools) runs the CompiledModel API on random inputs.
Flags and texts were read in both repositories and in reports to them, in November 2026.
"""

import re
import struct
from dataclasses import dataclass
from typing import Dict, FrozenSet, Mapping, Optional, Sequence, Tuple

from edgekit.errors import DeviceError, UsageError
from edgekit.files import open_regular


@dataclass(frozen=True)
class Accelerator:
    """Where the binary runs a model.

    Attributes:
      name: as `--device` takes it.
      needs: the flag that a binary which can do it has.
      flags: what turns it on.
      delegate: what the binary calls its delegate; "" where it applies none.
    """

    name: str
    needs: str
    flags: Tuple[str, ...]
    delegate: str = ""


#: By name. On the CPU, XNNPACK is applied by the runtime itself.
ACCELERATORS: Mapping[str, Accelerator] = {
    each.name: each
    for each in (
        Accelerator("cpu", "graph", ()),
        Accelerator("gpu", "use_gpu", ("--use_gpu=true",), "GPU"),
        Accelerator(
            "gpu-fp32", "gpu_precision_loss_allowed", ("--use_gpu=true", "--gpu_precision_loss_allowed=false"), "GPU"
        ),
        Accelerator("nnapi", "use_nnapi", ("--use_nnapi=true",), "NNAPI"),
        Accelerator("hexagon", "use_hexagon", ("--use_hexagon=true",), "Hexagon"),
        Accelerator("npu", "use_npu", ("--use_npu=true", "--use_cpu=false")),
    )
}

#: The usual ones: what a binary knows of them is run where none is named.
USUAL = ("cpu", "gpu", "nnapi")

# e_machine of an ELF file (elf.h) → the ABI that Android calls it.
_MACHINES = {183: "arm64-v8a", 40: "armeabi-v7a", 62: "x86_64", 3: "x86", 243: "riscv64"}
_NUMBER = r"([0-9.]+(?:[eE][-+]?\d+)?)"


def binary_abi(path: str) -> str:
    """For which of Android's ABIs a program is made, by its header.

    Raises:
      UsageError: it cannot be read, or is no program.
    """
    try:
        with open_regular(path, None) as stream:
            head = stream.read(20)
    except OSError as error:
        raise UsageError(f"The benchmark binary {path} cannot be read: {error.strerror}.") from error
    if head[:4] != b"\x7fELF" or len(head) < 20:
        kind = "an app (.apk) or archive" if head[:2] == b"PK" else "no program for Android"
        raise UsageError(
            f"{path} is {kind}, not the benchmark binary.",
            "It is a plain file such as android_aarch64_benchmark_model: see docs/benchmark.md.",
        )
    (machine,) = struct.unpack_from("<H" if head[5] == 1 else ">H", head, 18)
    return _MACHINES.get(machine, f"machine {machine}")


def known_flags(usage: str) -> FrozenSet[str]:
    """The flags that a binary's `--help` lists."""
    return frozenset(re.findall(r"--(\w+)=", usage))


def choose(names: Sequence[str], flags: FrozenSet[str]) -> Tuple[Accelerator, ...]:
    """The accelerators named, or for ("auto",) those of the usual ones that the binary knows.

    Raises:
      UsageError: a name is none, or the binary lacks one.
    """
    if tuple(names) == ("auto",):
        return tuple(ACCELERATORS[name] for name in USUAL if ACCELERATORS[name].needs in flags or name == "cpu")
    for name in names:
        if name not in ACCELERATORS:
            raise UsageError(f"A phone has no device {name!r}.", f"With --adb there are: {', '.join(ACCELERATORS)}.")
        if ACCELERATORS[name].needs not in flags and name != "cpu":
            raise UsageError(
                f"The benchmark binary knows no {name}: it lacks --{ACCELERATORS[name].needs}.",
                "Leave that out, or give a binary that has it.",
            )
    return tuple(ACCELERATORS[name] for name in names)


@dataclass(frozen=True)
class Printed:
    """What one run of the binary printed; times in milliseconds.

    Attributes:
      load, first: initialization and the first inference; None where they are not told.
      mean: of the counted inferences.
      median, p95: of the same; None where the binary is too old to tell.
      runs: how many were counted.
      memory_bytes: what the process's memory grew by; None where it is not told.
      delegated: how much of the model its delegate took, in words; "" where nothing is said of it.
      on_cpu: ops that the delegate left, each with its reason.
    """

    load: Optional[float]
    first: Optional[float]
    mean: float
    median: Optional[float]
    p95: Optional[float]
    runs: int
    memory_bytes: Optional[int]
    delegated: str
    on_cpu: Tuple[str, ...]

    @property
    def typical(self) -> float:
        """The median, or the mean where there is none."""
        return self.mean if self.median is None else self.median


def parse(text: str) -> Printed:
    """The figures in a binary's output, of any known form.

    Raises:
      DeviceError: there are none.
    """
    stats = _last_stats(text)
    mean = _find(r"Inference \(avg\):\s+" + _NUMBER + " ms", text)
    if mean is not None:
        return _printed(text, mean, stats, 1.0)
    told = (_find(rf"{title}: {_NUMBER}", text) for title in (r"Inference \(avg\)", "no stats"))
    mean = next((value for value in (*told, stats.get("avg"), stats.get("curr")) if value is not None), None)
    if mean is None:
        raise DeviceError(
            "The benchmark binary printed no times that edgekit knows.",
            "It must be tensorflow's or LiteRT's benchmark_model: see docs/benchmark.md.",
        )
    return _printed(text, mean / 1000, stats, 1000.0)


def _printed(text: str, mean: float, stats: Dict[str, float], unit: float) -> Printed:
    """`unit` is how many of the text's units of time are a millisecond."""
    load = _find(r"Init: " + _NUMBER, text) if unit > 1 else _find(r"Model initialization:\s+" + _NUMBER, text)
    first = _find(r"(?:First inference:|Warmup \(first\):)\s+" + _NUMBER, text)
    memory = _find(r"overall=" + _NUMBER, text)
    memory = _find(r"Overall footprint:\s+" + _NUMBER, text) if memory is None else memory
    return Printed(
        load=None if load is None else load / unit,
        first=None if first is None else first / unit,
        mean=mean,
        median=stats["median"] / 1000 if "median" in stats else None,
        p95=stats["p95"] / 1000 if "p95" in stats else None,
        runs=int(stats.get("count") or _find(r"Inference \(avg\):.*\((\d+) runs\)", text) or 0),
        memory_bytes=None if memory is None else round(memory * 2**20),
        delegated=delegation(text),
        on_cpu=_left(text),
    )


def _find(pattern: str, text: str) -> Optional[float]:
    found = re.search(pattern, text)
    return float(found.group(1)) if found else None


def _last_stats(text: str) -> Dict[str, float]:
    """The counted inferences, microseconds: the last line «count=50 first=… avg=… median=…», after the warm-up's."""
    lines = re.findall(r"^\W*(?:INFO: )?(count=\d+ .+)$", text, re.M)
    return {key: float(value) for key, value in re.findall(r"(\w+)=" + _NUMBER, lines[-1])} if lines else {}


def delegation(text: str) -> str:
    """How much of a model the delegate took: "all of it", "a part of it (…)", "nothing of it", or "" where untold."""
    if re.search(r"acceleration is unsupported on this platform|not supported on this platform", text):
        return "nothing of it"
    if re.search(r"model graph will not be executed by the delegate", text):
        return "nothing of it"
    if re.search(r"pplied \w[\w ]* delegate, and the model graph will be completely executed", text):
        return "all of it"
    part = re.search(r"model graph will be partially executed[^\n]*?(?:(\d+) delegate kernels|$)", text, re.M)
    if part is None:
        return ""
    nodes = re.search(r"Replacing (\d+) out of (\d+) node\(s\) with delegate \((?!TfLiteXNNPack)", text)
    told = f"{nodes.group(1)} of {nodes.group(2)} ops" if nodes else ""
    kernels = f"in {part.group(1)} parts" if part.group(1) else ""
    return f"a part of it ({' '.join(filter(None, (told, kernels)))})" if told or kernels else "a part of it"


def _left(text: str) -> Tuple[str, ...]:
    """The ops that the GPU delegate lists as left to the CPU, each with its reason."""
    listed = re.search(
        r"Following operations are not supported by GPU delegate:\n((?:.+\n)+?)\d+ operations will run", text
    )
    return tuple(line.strip() for line in listed.group(1).splitlines()) if listed else ()
