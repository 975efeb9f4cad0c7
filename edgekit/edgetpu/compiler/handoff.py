"""Compiling elsewhere: a folder with the model, a container recipe and the exact command.

`edgetpu_compiler` runs on Linux x86-64 only and comes from Coral's Debian repository; any machine with
Docker or Podman can run it in a container, on ARM by emulation.
"""

import shlex
from pathlib import Path
from typing import List, Optional, Sequence, Tuple, Union

from edgekit.edgetpu.compiler.run import arguments
from edgekit.edgetpu.placement.placement import CompilerOptions
from edgekit.errors import UsageError
from edgekit.files import make_folder, write_bytes, write_text
from edgekit.tflite.reader import read_graph
from edgekit.tflite.versions import set_op_versions

IMAGE = "edgekit-edgetpu-compiler"

_CONTAINERFILE = """\
# edgetpu_compiler, from Coral's own Debian repository (https://coral.ai/docs/edgetpu/compiler/).
FROM --platform=linux/amd64 debian:bookworm-slim
ARG KEY=/usr/share/keyrings/coral.gpg
ARG HOST=https://packages.cloud.google.com/apt
RUN apt-get update \\
 && apt-get install -y --no-install-recommends ca-certificates curl gnupg \\
 && curl -fsSL $HOST/doc/apt-key.gpg | gpg --dearmor -o $KEY \\
 && echo "deb [signed-by=$KEY] $HOST coral-edgetpu-stable main" > /etc/apt/sources.list.d/coral-edgetpu.list \\
 && apt-get update \\
 && apt-get install -y --no-install-recommends edgetpu-compiler \\
 && rm -rf /var/lib/apt/lists/*
WORKDIR /models
ENTRYPOINT ["edgetpu_compiler"]
"""

_SCRIPT = """\
#!/bin/sh
# Compiles the models of this folder for the Edge TPU; needs docker, or podman with CONTAINER=podman.
set -eu
cd "$(dirname "$0")"
: "${{CONTAINER:=docker}}"
"$CONTAINER" build --platform linux/amd64 -t {image} -f Containerfile .
"$CONTAINER" run --rm --platform linux/amd64 -v "$PWD:/models" {image} {command}
"""


_STAND_IN = """\
#!/bin/sh
# edgetpu_compiler in a container: `edgekit compile MODEL --compiler {folder}/edgetpu_compiler` does all that it does
# with an installed one, labels and checks included. Build the image first: compile.sh does.
set -eu
temporary="${{TMPDIR:-/tmp}}"
exec "${{CONTAINER:-docker}}" run --rm --init --platform linux/amd64 -v "$temporary:$temporary" {image} "$@"
"""


def write_handoff(
    paths: Sequence[Union[str, Path]], folder: Union[str, Path], options: Optional[CompilerOptions] = None
) -> Tuple[Path, ...]:
    """Writes the models, with op versions the compiler knows, and what compiles them into a folder.

    That is `Containerfile`, `edgetpu_compiler` (a stand-in that runs the container), and `compile.sh`.

    Returns:
      The written files, `compile.sh` last.

    Raises:
      ModelFormatError, UnsupportedModelError: a model that the compiler cannot be given.
      UsageError: two models of the same name.
      OutputError: the folder cannot be written.
    """
    options = options or CompilerOptions()
    models = [Path(path) for path in paths]
    if len({model.name for model in models}) < len(models):
        raise UsageError("Several models have the same name.", "The compiler tells them apart by name: rename one.")
    contents = [
        set_op_versions(read_graph(model), compiler_version=options.compiler_version).content for model in models
    ]
    target = Path(folder)
    make_folder(target)
    for model, content in zip(models, contents):
        write_bytes(target / model.name, content)
    write_text(target / "Containerfile", _CONTAINERFILE)
    scripts = {
        "edgetpu_compiler": _STAND_IN.format(image=IMAGE, folder=target),
        "compile.sh": _SCRIPT.format(image=IMAGE, command=command([model.name for model in models], options)),
    }
    for name, text in scripts.items():
        write_text(target / name, text)
        (target / name).chmod(0o755)
    return tuple(target / name for name in (*(model.name for model in models), "Containerfile", *scripts))


def command(names: Sequence[str], options: CompilerOptions) -> str:
    """The compiler's flags and models, quoted for a shell."""
    # «./» keeps a name that starts with a dash from being taken for a flag.
    words: List[str] = [*arguments(options), *(f"./{name}" for name in names)]
    return " ".join(shlex.quote(word) for word in words)
