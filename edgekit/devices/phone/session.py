"""The binary and models on the phone: timed, and run on given inputs."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import FrozenSet, Optional, Sequence, Type

import numpy as np

from edgekit.devices.phone.adb import Phone, quoted
from edgekit.devices.phone.faults import explain, last_words
from edgekit.devices.phone.tool import Accelerator, Printed, binary_abi, known_flags, parse
from edgekit.errors import DeviceError, UsageError
from edgekit.tflite.graph import Tensor

#: Where adb may write and run programs.
_FOLDER = "/data/local/tmp"
#: Seconds that one run may take, and each image of a run on images.
_RUN_S, _IMAGE_S = 600, 60

WITHOUT_OUTPUTS = (
    "the benchmark binary has no --output_filepath; tensorflow's benchmark_model has it since July 2022, "
    "LiteRT's of the same name, which runs on random inputs, does not"
)


@dataclass(frozen=True)
class Session:
    """The binary in a folder of its own on the phone, which is removed at the end.

    Attributes:
      phone: where it is.
      folder: the folder on the phone.
      flags: what the binary knows.
    """

    phone: Phone
    folder: str
    flags: FrozenSet[str]

    def __enter__(self) -> "Session":
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        try:
            self.phone.run(f"rm -rf {self.folder}")
        except DeviceError:
            if kind is None:
                raise

    @property
    def gives_outputs(self) -> bool:
        """Whether a model's answers can be had from the phone."""
        return {"output_filepath", "input_layer_value_files"} <= self.flags

    def put(self, model: str, number: int) -> str:
        """Copies a model to the phone; its name there. Raises DeviceError where that fails."""
        there = f"{self.folder}/{number}.tflite"
        self.phone.push(model, there)
        return there

    def time(self, model: str, accelerator: Accelerator, *, threads: int, runs: int, warm_up: int) -> Printed:
        """What one run of the binary tells.

        Raises:
          DeviceError: the binary fails.
        """
        least = ("--min_secs=0", "--warmup_min_secs=0", f"--num_runs={runs}", f"--warmup_runs={max(1, warm_up)}")
        said = self.phone.run(self._command(model, accelerator, threads, least), patience=_RUN_S)
        if said.code:
            raise _failed(said.text)
        return parse(said.text)

    def answers(
        self, model: str, accelerator: Accelerator, inputs: Sequence[np.ndarray], output: Tensor, *, threads: int
    ) -> np.ndarray:
        """The first output for each input, (inputs, elements) in the output's own type: one process for each.

        Args:
          model: from `put`.
          accelerator, threads: where it runs.
          inputs: the values of its only input.
          output: its first output, as in its file.

        Raises:
          DeviceError: the binary fails on one, or writes less than an output.
        """
        with tempfile.TemporaryDirectory(prefix="edgekit-") as scratch:
            here = Path(scratch)
            (here / "inputs").mkdir()
            for index, value in enumerate(inputs):
                (here / "inputs" / str(index)).write_bytes(np.ascontiguousarray(value).tobytes())
            self.phone.must(f"rm -rf {self.folder}/inputs {self.folder}/outputs; mkdir {self.folder}/outputs")
            self.phone.push(here / "inputs", f"{self.folder}/inputs")
            self._run_on_each(model, accelerator, threads, inputs)
            self.phone.pull(f"{self.folder}/outputs", here / "outputs")
            return np.array([_read(here / "outputs" / str(index), output) for index in range(len(inputs))])

    def _run_on_each(self, model: str, accelerator: Accelerator, threads: int, inputs: Sequence[np.ndarray]) -> None:
        # The name of an input is free as long as there is one; the file must hold exactly its bytes.
        shape = ",".join(map(str, inputs[0].shape))
        files = ("--input_layer=image", f"--input_layer_shape={shape}", "--num_runs=1", "--warmup_runs=1")
        command = self._command(model, accelerator, threads, (*files, "--min_secs=0", "--warmup_min_secs=0"))
        each = f"--input_layer_value_files=image:{self.folder}/inputs/$i --output_filepath={self.folder}/outputs/$i"
        numbers = " ".join(map(str, range(len(inputs))))
        log = f"{self.folder}/log"
        loop = f"for i in {numbers}; do {command} {each} > {log} 2>&1 || {{ cat {log}; exit 1; }}; done"
        said = self.phone.run(loop, patience=_RUN_S + _IMAGE_S * len(inputs))
        if said.code:
            raise _failed(said.text)

    def _command(self, model: str, accelerator: Accelerator, threads: int, others: Sequence[str]) -> str:
        words = [f"{self.folder}/benchmark_model", f"--graph={model}", f"--num_threads={threads}"]
        return quoted([*words, *accelerator.flags, *others])


def open_session(phone: Phone, binary: str) -> Session:
    """Puts the binary on the phone and asks it what it knows.

    Raises:
      UsageError: the file is no benchmark binary for this phone.
      DeviceError: the phone does not take it, or cannot run it.
    """
    abi = binary_abi(binary)
    if phone.abis and abi not in phone.abis:
        raise UsageError(
            f"The benchmark binary is for {abi}, the phone runs {', '.join(phone.abis)}.",
            "Take the one for the phone: android_aarch64_benchmark_model for arm64-v8a, android_arm_… for armeabi-v7a.",
        )
    session = Session(phone, f"{_FOLDER}/edgekit-{os.getpid()}", frozenset())
    try:
        phone.must(f"mkdir -p {session.folder}")
        phone.push(binary, f"{session.folder}/benchmark_model")
        phone.must(f"chmod 755 {session.folder}/benchmark_model")
        # It calls asking for help a failure.
        said = phone.run(f"{session.folder}/benchmark_model --help")
        flags = known_flags(said.text)
        if "graph" not in flags:
            raise _failed(said.text)
    except BaseException as error:
        session.__exit__(type(error), error, None)
        raise
    return Session(phone, session.folder, flags)


def _read(path: Path, output: Tensor) -> np.ndarray:
    """An output from its file, which holds all outputs one behind the other."""
    content = path.read_bytes() if path.is_file() else b""
    wanted = output.elements * np.dtype(output.dtype).itemsize
    if len(content) < wanted:
        raise DeviceError(
            f"The phone gave {len(content)} bytes for an output of {wanted}.", "Is the benchmark binary complete?"
        )
    return np.frombuffer(content[:wanted], output.dtype)


def _failed(text: str) -> DeviceError:
    return explain(text) or DeviceError(f"The benchmark binary failed: {last_words(text)}.")
