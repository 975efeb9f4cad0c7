"""The compiled-file reader and the log parser against the shared records.

    python benchmarks/edgetpu_reader.py [FOLDER]

FOLDER holds compiled.csv, pairs/, logs/ and logs.json (default: ../shared/data/edgetpu beside the checkout).
Prints every difference, then one line for each of the two; exits with 1 where anything differs.
"""

import csv
import json
import re
import sys
from pathlib import Path

from edgekit.edgetpu.compiler.log import parse_log
from edgekit.edgetpu.compiler.package import read_compiled
from edgekit.sizes import size_text

DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "data" / "edgetpu"


def facts(path):
    """One compiled.csv row for each custom op of a compiled file."""
    for index, op in enumerate(read_compiled(path).edgetpu_ops):
        package = op.packages[0]
        yield {
            "custom_op_index": index,
            "keys": ",".join(op.keys),
            "chips": list(op.chips) or None,
            "min_runtime": package.min_runtime,
            "n_exec": len(package.executables),
            "exec_types": "+".join(sorted(executable.type for executable in package.executables)),
            "cached_bytes": package.cached_bytes,
            "streamed_bytes": package.streamed_bytes,
            "scratch_bytes": package.scratch_bytes,
            "instr_bytes": package.instruction_bytes,
            "n_in": len(package.inputs),
            "n_out": len(package.outputs),
            "in_bytes": sum(layer.bytes for layer in package.inputs),
            "out_bytes": sum(layer.bytes for layer in package.outputs),
        }


def check_reader(folder):
    """Number of rows compared, and the differences."""
    lines = (folder / "compiled.csv").read_text().splitlines()
    expected = {(row["model"], row["custom_op_index"]): row for row in csv.DictReader(lines)}
    compared, wrong = 0, []
    for path in sorted(folder.glob("pairs/*/model_edgetpu.tflite")):
        for row in facts(path):
            record = expected[path.parent.name, str(row["custom_op_index"])]
            compared += 1
            wrong += [
                f"{path.parent.name} {k}: {v}, recorded {record[k]}" for k, v in row.items() if str(v) != record[k]
            ]
    return compared, len(expected), wrong


# Lines that carry a figure or a row; a parser that leaves one among its notes has lost it.
FIGURES = re.compile(
    r"Mapped to|supported data|subgraph is not|unsupported|otherwise| size: |memory|Number of| ms\.$|put: "
)


def lost_lines(text, log):
    """Lines that are neither among the notes nor printed again from the parsed fields."""
    yield from (note for note in log.notes if FIGURES.search(note) and "visit g.co" not in note)
    known = {f"Edge TPU Compiler version {log.version}", "Operator Count Status", *log.notes}
    known |= {f"{word} compiled successfully in {log.milliseconds} ms." for word in ("Model", "Models")}
    known |= {line for model in log.models for line in printed(model)}
    for line in filter(None, (" ".join(line.split()) for line in text.splitlines())):
        if line.lstrip("# ") not in known and line not in known:
            yield line


def printed(model):
    """The lines that a compiler prints of these figures, white space squeezed."""
    yield from (f"{row.opcode} {row.count} {row.status}" for row in model.rows)
    yield from (f"Input: {model.input}", f"Input model: {model.input}", f"Operation log: {model.operation_log}")
    yield from (f"Output: {model.output}", f"Output model: {model.output}")
    yield f"Number of Edge TPU subgraphs: {model.subgraphs}"
    yield f"Total number of operations: {model.operations}"
    yield f"Number of operations that will run on Edge TPU: {model.edgetpu_operations}"
    yield f"Number of operations that will run on CPU: {model.cpu_operations}"
    for label, size in (
        ("Input size", model.input_bytes),
        ("Output size", model.output_bytes),
        ("On-chip memory used for caching model parameters", model.on_chip_used),
        ("On-chip memory remaining for caching model parameters", model.on_chip_remaining),
        ("On-chip memory available for caching model parameters", model.on_chip_available),
        ("Off-chip memory used for streaming uncached model parameters", model.streamed),
    ):
        if size is not None:
            yield f"{label}: {size_text(size)}"


def check_logs(folder):
    """Number of logs read, and what was lost of them."""
    wrong, records = [], json.loads((folder / "logs.json").read_text())
    for record in records:
        text = (folder / "logs" / record["file"]).read_text()
        log = parse_log(text)
        if log.version != record["compiler_version"]:
            wrong.append(f"{record['file']}: version {log.version}, recorded {record['compiler_version']}")
        wrong += [f"{record['file']}: lost «{line[:80]}»" for line in lost_lines(text, log)]
    return len(records), wrong


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT
    compared, rows, wrong_rows = check_reader(folder)
    logs, wrong_logs = check_logs(folder)
    for problem in wrong_rows + wrong_logs:
        print(problem)
    print(f"compiled files: {compared} of {rows} recorded rows have their file here; {len(wrong_rows)} values differ")
    print(f"logs: {logs} read; {len(wrong_logs)} lines lost or wrong")
    sys.exit(bool(wrong_rows or wrong_logs))


if __name__ == "__main__":
    main()
