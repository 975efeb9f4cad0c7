"""Small models, compiled files and compiler texts, made here in the formats of the real ones."""

import hashlib
import json
from pathlib import Path

import numpy as np
from flatbuffers import flexbuffers

from edgekit.tflite.flat import pack
from tests.support.build import GraphBuilder

#: The stand-in for edgetpu_compiler.
FAKE_COMPILER = Path(__file__).with_name("fake_compiler.py")

VERSION = "16.0.384591198"
STAND_ALONE, PARAMETER_CACHING, EXECUTION_ONLY = 0, 1, 2


def record(runs, compiled=None, *, content=None, files=None, **run):
    """Records what the stand-in answers to the model of that `content`, or to any; the fixture `runs` is the folder.

    `compiled` are the bytes of the model that it leaves; the rest is described in `fake_compiler`.
    """
    if compiled is not None:
        (runs / "compiled.bin").write_bytes(compiled)
        files = {"{stem}_edgetpu.tflite": str(runs / "compiled.bin")}
    name = hashlib.sha256(content).hexdigest() if content else "default"
    (runs / f"{name}.json").write_text(json.dumps({**run, "files": files or {}}))


def int8_model(*, tail=False, name="net"):
    """Two mapped ops, and with `tail` a DEQUANTIZE that stays on the CPU."""
    graph = GraphBuilder()
    x = graph.input((1, 4, 4, 8), "int8", quant=(1 / 255, 0), name=f"{name}/input")
    axes = graph.constant(np.array([1, 2], np.int32))
    mean = graph.op(
        "MEAN", [x, axes], (1, 8), "int8", quant=(1 / 255, 0), options={"keepDims": False}, version=2, name="mean"
    )
    soft = graph.op(
        "SOFTMAX", [mean], (1, 8), "int8", quant=(1 / 256, -128), options={"beta": 1.0}, version=2, name="soft"
    )
    if tail:
        soft = graph.op("DEQUANTIZE", [soft], (1, 8), "float32", version=2, name="scores")
    return graph.finish([soft])


def executable(kind, *, parameters=b"", bitstreams=(b"run",), layers=(), scratch=0):
    """A flatbuffer Executable; `layers` are (name, bytes) of the inputs."""
    return pack(
        {
            1: "model",
            3: np.int32(2),
            4: np.int32(scratch),
            5: [{0: np.frombuffer(stream, np.uint8)} for stream in bitstreams],
            6: np.frombuffer(parameters, np.uint8),
            8: [
                {0: name, 1: np.int32(size), 2: np.int32(2), 3: np.int32(8), 4: np.int32(8), 5: {1: np.float32(0.5)}}
                for name, size in layers
            ],
            10: "beagle",
            13: np.int16(kind),
            14: np.uint64(99),
        },
        b"\0\0\0\0",
    )


def package(*executables, min_runtime=14):
    """The package bytes around executables."""
    vector = [np.frombuffer(content, np.uint8) for content in executables]
    inner = pack({0: vector}, b"\0\0\0\0")
    return pack(
        {0: np.int32(min_runtime), 1: np.frombuffer(inner, np.uint8), 4: VERSION, 7: "model"},
        b"DWN1",
    )


def typical_package():
    """192 bytes cached, 64 streamed at each inference."""
    return package(
        executable(
            EXECUTION_ONLY, parameters=bytes(64), bitstreams=(b"12345", b"678"), layers=[("in", 128)], scratch=7
        ),
        executable(PARAMETER_CACHING, parameters=bytes(192)),
    )


def custom_options(content, *, chips=(18,), further=()):
    """The FlexBuffer around package bytes, its strings binary as the compiler writes them."""
    builder = flexbuffers.Builder()
    with builder.Map():
        builder.Key("1")
        builder.Int(1)
        builder.Key("4")
        builder._WriteBlob(content, append_zero=True, type_=flexbuffers.Type.STRING)
        builder.Key("5")
        builder.Int(2)
        builder.Key("6")
        with builder.Vector():
            for chip in chips:
                builder.Int(chip)
        builder.Key("7")
        with builder.Vector():
            for blob in further:
                builder._WriteBlob(blob, append_zero=True, type_=flexbuffers.Type.STRING)
    return bytes(builder.Finish())


def compiled_model(*, tail=False, options=None, name="net", custom="edgetpu-custom-op"):
    """`int8_model` as the compiler would return it."""
    graph = GraphBuilder()
    x = graph.input((1, 4, 4, 8), "int8", quant=(1 / 255, 0), name=f"{name}/input")
    soft = graph.tensor((1, 8), "int8", quant=(1 / 256, -128), name="soft")
    options = custom_options(typical_package()) if options is None else options
    graph.raw_op(f"CUSTOM:{custom}", [x], [soft], options=options)
    if tail:
        soft = graph.op("DEQUANTIZE", [soft], (1, 8), "float32", version=2, name="scores")
    return graph.finish([soft])


def success_text(*, tail=False, stem="{stem}", subgraphs=1):
    """What compiler 16 prints with -s for `int8_model`."""
    partial = (
        "\nModel successfully compiled but not all operations are supported by the Edge TPU. A percentage of the model "
        "will instead run on the CPU, which is slower.\n"
        "Number of operations that will run on Edge TPU: 2\nNumber of operations that will run on CPU: 1\n"
    )
    return (
        f"Edge TPU Compiler version {VERSION}\nStarted a compilation timeout timer of 180 seconds.\n\n"
        "Model compiled successfully in 12 ms.\n\n"
        f"Input model: {{dir}}/{stem}.tflite\nInput size: 2.25KiB\n"
        f"Output model: {{dir}}/{stem}_edgetpu.tflite\nOutput size: 28.50KiB\n"
        "On-chip memory used for caching model parameters: 192.00B\n"
        "On-chip memory remaining for caching model parameters: 7.69MiB\n"
        "Off-chip memory used for streaming uncached model parameters: 64.00B\n"
        f"Number of Edge TPU subgraphs: {subgraphs}\nTotal number of operations: {3 if tail else 2}\n"
        f"Operation log: {{dir}}/{stem}_edgetpu.log\n"
        + (partial if tail else "")
        + "\n"
        + table(tail=tail)
        + "Compilation child process completed within timeout period.\nCompilation succeeded! \n"
    )


def table(*, tail=False, status="Mapped to Edge TPU"):
    """The table of operations."""
    rows = [("SOFTMAX", 1, status), ("MEAN", 1, status)]
    rows += [("DEQUANTIZE", 1, "Operation is working on an unsupported data type")] if tail else []
    return "Operator                       Count      Status\n\n" + "".join(
        f"{name:<31}{count:<11}{text}\n" for name, count, text in rows
    )
