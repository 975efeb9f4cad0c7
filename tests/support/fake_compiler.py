#!/usr/bin/env python3
"""A stand-in for edgetpu_compiler that replays recorded runs.

EDGEKIT_FAKE_RUNS names a folder of recordings: `<sha256 of the model>.json`, or `default.json`:

    {"stdout": "text", "code": 0, "files": {"{stem}_edgetpu.tflite": "path of the file to copy"},
     "log": "text of <stem>_edgetpu.log", "crashes": 2, "hang": true, "child": true, "signal": 11}

`{stem}` and `{dir}` are filled in, in texts and names. The first `crashes` calls end with «Internal compiler error».
Each call leaves its arguments in calls.jsonl. Python's standard library only.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

WITH_VALUE = {"-o", "-n", "-m", "-i", "-t"}


def parse(arguments):
    models, flags = [], {}
    rest = iter(arguments)
    for argument in rest:
        if argument in WITH_VALUE:
            flags[argument] = next(rest)
        elif argument.startswith("-"):
            flags[argument] = True
        else:
            models.append(Path(argument))
    return models, flags


def recording(runs, model):
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    path = runs / f"{digest}.json"
    return json.loads((path if path.exists() else runs / "default.json").read_text())


def replay(run, model, folder):
    def fill(text):
        return text.replace("{stem}", model.stem).replace("{dir}", str(folder))

    for name, source in run.get("files", {}).items():
        shutil.copyfile(source, folder / fill(name))
    if "log" in run:
        (folder / f"{model.stem}_edgetpu.log").write_text(fill(run["log"]))
    sys.stdout.write(fill(run.get("stdout", "")))
    sys.stdout.flush()


def main():
    runs = Path(os.environ["EDGEKIT_FAKE_RUNS"])
    with open(runs / "calls.jsonl", "a") as calls:
        calls.write(json.dumps(sys.argv[1:]) + "\n")
    count = len((runs / "calls.jsonl").read_text().splitlines())
    models, flags = parse(sys.argv[1:])
    code = 0
    for model in models:
        run = recording(runs, model)
        if run.get("child"):
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            (runs / "child.pid").write_text(str(child.pid))
        if count <= run.get("crashes", 0):
            print("Edge TPU Compiler version 16.0.384591198\nInternal compiler error. Aborting!")
            sys.exit(1)
        if "signal" in run:
            os.kill(os.getpid(), run["signal"])
        replay(run, model, Path(flags["-o"]))
        if run.get("hang"):
            time.sleep(600)
        code = run.get("code", 0)
    sys.exit(code)


if __name__ == "__main__":
    main()
