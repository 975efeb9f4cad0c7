"""Compiling for the Edge TPU: `edgetpu_compiler` run, judged, and its result made a whole model again.

The compiler promises no exit code: what counts is the file that it leaves. So a compiled model is
accepted when it can be read back and holds at least one package, and its text explains the rest.
"""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Dict, Iterable, List, Optional, Sequence, Tuple, Union

from edgekit.edgetpu.compiler.failures import Failure, explain
from edgekit.edgetpu.compiler.log import CompilerLog, ModelLog
from edgekit.edgetpu.compiler.origin import RECORD, output_names, twin_record
from edgekit.edgetpu.compiler.package import CompiledModel, mapped_ops, read_compiled
from edgekit.edgetpu.compiler.run import DEFAULT_TIMEOUT_S, Run, arguments, run_compiler
from edgekit.edgetpu.compiler.supply import find_compiler, started
from edgekit.edgetpu.placement.mapping import map_ops
from edgekit.edgetpu.placement.placement import CompilerOptions, Placement
from edgekit.edgetpu.statuses import explain_status
from edgekit.errors import CompilerError, ModelFormatError, OutputError, UsageError
from edgekit.files import check_writable, write_bytes, write_together
from edgekit.progress import Progress, silent
from edgekit.tflite.graph import Graph, Op
from edgekit.tflite.metadata import Metadata, read_metadata, write_metadata
from edgekit.tflite.ops import is_compiled
from edgekit.tflite.reader import read_graph
from edgekit.tflite.versions import set_op_versions

#: How often a crash is tried again: users saw the third run of the same model succeed.
ATTEMPTS = 3


@dataclass(frozen=True)
class CompileReport:
    """What became of one model.

    Attributes:
      model: path of the model that was compiled, the CPU twin of the outputs.
      outputs: paths of the compiled model, or of its segments in order.
      compiler_version: as printed, or None.
      attempts: how many runs it took.
      graph: the model as a graph.
      prediction: where edgekit expected its ops to run.
      mapped: indices of its ops that run on the Edge TPU, read from the outputs.
      logs: what the compiler said of the model, one for each segment; () where it could not be read.
      compiled: the outputs read back.
      printed: all that the compiler printed.
    """

    model: str
    outputs: Tuple[str, ...]
    compiler_version: Optional[str]
    attempts: int
    graph: Graph
    prediction: Placement
    mapped: Tuple[int, ...]
    logs: Tuple[ModelLog, ...]
    compiled: Tuple[CompiledModel, ...]
    printed: str

    @property
    def subgraphs(self) -> int:
        """Number of parts that run on the Edge TPU."""
        return sum(len(compiled.edgetpu_ops) for compiled in self.compiled)

    @property
    def fully_mapped(self) -> bool:
        """Whether nothing stays on the CPU."""
        return len(self.mapped) == len(self.graph.ops)


@dataclass(frozen=True)
class _Job:
    """One model on its way through the compiler; `content` has the op versions that the compiler knows."""

    path: Path
    out_dir: Path
    graph: Graph
    metadata: Metadata
    content: bytes
    prediction: Placement


@dataclass(frozen=True)
class _Order:
    """What the compiler is asked to do: words that start it, flags, seconds allowed, files wanted for each model."""

    command: Tuple[str, ...]
    flags: Tuple[str, ...]
    timeout: int
    segments: int


#: What is known of a model, and the files to write for it.
_Result = Tuple[CompileReport, Tuple[bytes, ...]]


def compile_model(
    path: Union[str, Path],
    options: Optional[CompilerOptions] = None,
    *,
    compiler: Optional[Union[str, Path]] = None,
    out_dir: Optional[Union[str, Path]] = None,
    timeout: int = DEFAULT_TIMEOUT_S,
    progress: Progress = silent,
) -> CompileReport:
    """Compiles one int8 `.tflite` into `<name>_edgetpu.tflite`, beside it or in `out_dir`.

    Raises as `compile_models`.
    """
    return compile_models([path], options, compiler=compiler, out_dir=out_dir, timeout=timeout, progress=progress)[0]


def compile_models(
    paths: Sequence[Union[str, Path]],
    options: Optional[CompilerOptions] = None,
    *,
    compiler: Optional[Union[str, Path]] = None,
    out_dir: Optional[Union[str, Path]] = None,
    timeout: int = DEFAULT_TIMEOUT_S,
    progress: Progress = silent,
) -> Tuple[CompileReport, ...]:
    """Compiles models together, so that they share the on-chip memory; labels and preprocessing are kept.

    Nothing is written unless all of them succeed.

    Raises:
      CompilerError: no compiler here; it failed, hung or refused; or it mapped nothing.
      ModelFormatError, UnsupportedModelError: a model that the compiler cannot be given.
      UsageError: two models of the same name.
      OutputError: the folder cannot be written.
    """
    found = find_compiler(compiler)
    options = options or CompilerOptions()
    flags = tuple(arguments(options, timeout))
    jobs = [_job(Path(path), out_dir, options) for path in paths]
    _check_names(jobs)
    with started(found) as command:
        return _until_done(_Order(command, flags, timeout, options.num_segments), jobs, progress)


def _until_done(order: _Order, jobs: Sequence[_Job], progress: Progress) -> Tuple[CompileReport, ...]:
    """Runs the compiler, again where it crashed."""
    attempt = 1
    while True:
        progress("Compiling for the Edge TPU", attempt - 1, None)
        outcome = _attempt(order, jobs, attempt)
        if not isinstance(outcome, Failure):
            return _write(outcome)
        if not outcome.transient or attempt == ATTEMPTS:
            again = f" It did so {attempt} times." if attempt > 1 else ""
            raise CompilerError(outcome.message + again, outcome.hint)
        attempt += 1


def _attempt(order: _Order, jobs: Sequence[_Job], attempt: int) -> Union[Failure, List[_Result]]:
    try:
        with tempfile.TemporaryDirectory(prefix="edgekit-") as name:
            folder = Path(name)
            run = run_compiler(order.command, _write_inputs(jobs, folder), order.flags, timeout=order.timeout)
            failure = _failure(run, jobs, order, folder)
            return failure or [_finish(job, run, order, attempt=attempt, folder=folder) for job in jobs]
    except OSError as error:
        raise OutputError(f"The temporary folder failed: {error.strerror}.", "Set TMPDIR to another.") from error


def _job(path: Path, out_dir: Optional[Union[str, Path]], options: CompilerOptions) -> _Job:
    graph = read_graph(path)
    if is_compiled(graph):
        raise UsageError(f"{path} is compiled already.", "Give the int8 model that it was made from.")
    target = Path(out_dir) if out_dir is not None else path.parent
    check_writable(target / output_names(path, 1)[0])
    metadata = read_metadata(graph) or Metadata()
    content = set_op_versions(graph, compiler_version=options.compiler_version).content
    return _Job(path, target, graph, metadata, content, map_ops(read_graph(content), options))


def _check_names(jobs: Sequence[_Job]) -> None:
    if not jobs:
        raise UsageError("No model was given.")
    names = [job.path.name for job in jobs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(
            f"Several models are named {twice[0]}.", "The compiler tells models apart by name: rename one."
        )


def _write_inputs(jobs: Sequence[_Job], folder: Path) -> List[Path]:
    inputs = [folder / job.path.name for job in jobs]
    for job, path in zip(jobs, inputs):
        write_bytes(path, job.content)
    return inputs


def _failure(run: Run, jobs: Sequence[_Job], order: _Order, folder: Path) -> Optional[Failure]:
    """Why the run cannot be accepted, or None: by its files first, by its text where they are missing."""
    if run.code is None:
        message = f"edgetpu_compiler did not finish within {order.timeout} seconds and was ended."
        return Failure("", message, "Allow more with `--timeout SECONDS`, or use a smaller input size.")
    outputs = [folder / name for job in jobs for name in output_names(job.path, order.segments)]
    missing = [path for path in outputs if not path.exists()]
    if missing:
        return explain(run.output) or _unexplained(run, missing)
    for path in outputs:
        try:
            if not is_compiled(read_graph(path)) or _maps_nothing(run.log, path.name):
                return _nothing_mapped(run.log, path.name)
            read_compiled(path)
        except ModelFormatError:
            return Failure("", f"edgetpu_compiler left a damaged {path.name}.", "Try again.", transient=True)
    return None


def _unexplained(run: Run, missing: Sequence[Path]) -> Failure:
    hint = "Run with -v for its output; `--search` compiles as much of the model as possible."
    if run.code != 0 and not run.log.notes:
        return Failure("", f"edgetpu_compiler stopped without a word (exit code {run.code}).", hint, transient=True)
    said = f" Its last words: {run.log.notes[-1][:200]}" if run.log.notes else ""
    return Failure("", f"edgetpu_compiler wrote no {missing[0].name}.{said}", hint)


def _logs_of(log: CompilerLog, output: str) -> Tuple[ModelLog, ...]:
    return tuple(model for model in log.models if model.output and Path(model.output).name == output)


def _maps_nothing(log: CompilerLog, output: str) -> bool:
    models = _logs_of(log, output)
    return any(m.subgraphs == 0 or (m.rows and m.mapped_count == 0) for m in models)


def _nothing_mapped(log: CompilerLog, output: str) -> Failure:
    """The compiler may call this a success; a model that runs on the CPU alone is none."""
    rows = [row for model in _logs_of(log, output) for row in model.rows if not row.mapped]
    statuses = sorted({row.status for row in rows}, key=lambda s: -sum(row.count for row in rows if row.status == s))
    said = f" It says: {statuses[0]}." if statuses else ""
    hint = explain_status(statuses[0]) if statuses else "See `edgekit inspect MODEL --edgetpu` for the reasons."
    return Failure("", f"edgetpu_compiler put no operation of {output} on the Edge TPU.{said}", hint)


def _finish(job: _Job, run: Run, order: _Order, *, attempt: int, folder: Path) -> _Result:
    """Reads the outputs back and gives them the model's metadata."""
    names = output_names(job.path, order.segments)
    provenance = {**job.metadata.provenance, RECORD: _provenance(job, run, order, attempt)}
    metadata = replace(job.metadata, provenance=provenance)
    contents = tuple(write_metadata((folder / name).read_bytes(), metadata) for name in names)
    compiled = tuple(read_compiled(content) for content in contents)
    report = CompileReport(
        model=str(job.path),
        outputs=tuple(str(job.out_dir / name) for name in names),
        compiler_version=run.log.version,
        attempts=attempt,
        graph=job.graph,
        prediction=job.prediction,
        mapped=_mapped(compiled, job.graph),
        logs=tuple(log for name in names for log in _logs_of(run.log, name)),
        compiled=compiled,
        printed=run.output,
    )
    return report, contents


def _write(results: Sequence[_Result]) -> Tuple[CompileReport, ...]:
    pairs = ((Path(path), content) for report, contents in results for path, content in zip(report.outputs, contents))
    write_together(dict(pairs))
    return tuple(report for report, _ in results)


def _provenance(job: _Job, run: Run, order: _Order, attempt: int) -> Dict[str, object]:
    return {
        **twin_record(job.path, job.graph.content),
        "compiler_version": run.log.version,
        "compiler_flags": list(order.flags),
        "compiler_attempts": attempt,
    }


def _mapped(compiled: Iterable[CompiledModel], twin: Graph) -> Tuple[int, ...]:
    """An op of the twin is mapped where no segment still runs it on the CPU."""
    mapped = set(range(len(twin.ops)))
    for segment in compiled:
        mapped &= {op.index for op in mapped_ops(segment, twin)}
    return tuple(sorted(mapped))


def cpu_ops(report: CompileReport) -> Tuple[Op, ...]:
    """The model's ops that stay on the CPU."""
    return tuple(op for op in report.graph.ops if op.index not in report.mapped)
