"""Coral's closed compiler: run, read, explained, handed on.

run: the process. log: what it prints. failures: what its errors mean. package: its files read back. origin: the model
that a compiled file was made from. compiler: `compile_models`, which puts these together. comparison: its result beside
the prediction. handoff: compiling on another machine.
"""

from edgekit.edgetpu.compiler.compiler import CompileReport, compile_model, compile_models
from edgekit.edgetpu.compiler.handoff import write_handoff
from edgekit.edgetpu.compiler.package import CompiledModel, read_compiled

__all__ = [
    "CompileReport",
    "CompiledModel",
    "compile_model",
    "compile_models",
    "read_compiled",
    "write_handoff",
]
