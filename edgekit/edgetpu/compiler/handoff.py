"""Compiling elsewhere: a folder with the model, a container recipe and the exact command.

`edgetpu_compiler` runs on Linux x86-64 only; any machine with Docker or Podman can run it in a container, on ARM by
emulation. The recipe takes it from an archive where one is given, else from Coral's Debian repository.
"""

import shlex
from pathlib import Path
from typing import List, Optional, Sequence, Tuple, Union

from edgekit.edgetpu.compiler.run import arguments
from edgekit.edgetpu.compiler.supply import LOADER, MOST_BYTES, PROGRAM
from edgekit.edgetpu.outside import COMPILER, offers
from edgekit.edgetpu.placement.placement import CompilerOptions
from edgekit.errors import UsageError
from edgekit.files import make_folder, read_bytes, write_bytes, write_text
from edgekit.tflite.reader import read_graph
from edgekit.tflite.versions import set_op_versions

IMAGE = "edgekit-edgetpu-compiler"

_CONTAINERFILE = """\
# edgetpu_compiler, from Coral's own Debian repository (https://coral.ai/docs/edgetpu/compiler/).
{sources}
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

_FROM_ARCHIVE = """\
# edgetpu_compiler from the archive beside this file, started through the loader that it brings, if it brings one.
FROM --platform=linux/amd64 debian:bookworm-slim
COPY ["{archive}", "/opt/archive"]
RUN mkdir /opt/compiler \\
 && (dpkg -x /opt/archive /opt/compiler || tar -xf /opt/archive -C /opt/compiler) \\
 && loader=$(find /opt/compiler -name {loader} | head -n 1) \\
 && program=$(find ${{loader:+$(dirname "$loader")}} /opt/compiler -name {program} -type f | head -n 1) \\
 && test -n "$program" \\
 && printf '#!/bin/sh\\nexec %s "%s" "$@"\\n' \\
    "${{loader:+$loader --library-path $(dirname "$loader")}}" "$program" > /usr/local/bin/{program} \\
 && chmod +x /usr/local/bin/{program}
WORKDIR /models
ENTRYPOINT ["{program}"]
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
    paths: Sequence[Union[str, Path]],
    folder: Union[str, Path],
    options: Optional[CompilerOptions] = None,
    archive: Optional[Path] = None,
) -> Tuple[Path, ...]:
    """Writes the models, with op versions the compiler knows, and what compiles them into a folder.

    That is `Containerfile`, `edgetpu_compiler` (a stand-in that runs the container), `compile.sh`, and a copy of the
    compiler's `archive` where one is given, so that nothing has to be fetched.

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
    if archive is not None:
        write_bytes(target / archive.name, read_bytes(archive, MOST_BYTES))
    write_text(target / "Containerfile", _recipe(archive))
    scripts = {
        "edgetpu_compiler": _STAND_IN.format(image=IMAGE, folder=target),
        "compile.sh": _SCRIPT.format(image=IMAGE, command=command([model.name for model in models], options)),
    }
    for name, text in scripts.items():
        write_text(target / name, text)
        (target / name).chmod(0o755)
    copied = [archive.name] if archive is not None else []
    return tuple(target / name for name in (*(model.name for model in models), *copied, "Containerfile", *scripts))


def _recipe(archive: Optional[Path]) -> str:
    if archive is not None:
        return _FROM_ARCHIVE.format(archive=archive.name, loader=LOADER, program=PROGRAM)
    lines = [f"# {offer.name}: {offer.note} ({offer.source}, {offer.date})" for offer in offers(COMPILER)]
    again = "# With an archive: edgekit compile MODEL --compiler ARCHIVE, or the same with --handoff FOLDER."
    return _CONTAINERFILE.format(sources="\n".join([*lines, again]))


def command(names: Sequence[str], options: CompilerOptions) -> str:
    """The compiler's flags and models, quoted for a shell."""
    # «./» keeps a name that starts with a dash from being taken for a flag.
    words: List[str] = [*arguments(options), *(f"./{name}" for name in names)]
    return " ".join(shlex.quote(word) for word in words)
