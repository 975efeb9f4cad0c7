"""The `edgekit` command. Each command lives in a module of its own, imported only when it is used."""

import os
import sys
from importlib import import_module
from typing import List, Mapping, Optional, Tuple

import click

from edgekit.errors import UsageError
from edgekit.terminal import printable
from edgekit.version import __version__

_JSON = "edgekit.json"

#: command → module that defines it as a click command of the same name.
COMMANDS: Mapping[str, str] = {
    "benchmark": "edgekit.cli.benchmark",
    "camera": "edgekit.cli.camera",
    "classify": "edgekit.cli.classify",
    "compare": "edgekit.cli.compare",
    "compile": "edgekit.cli.compile",
    "convert": "edgekit.cli.convert",
    "devices": "edgekit.cli.devices",
    "doctor": "edgekit.cli.doctor",
    "evaluate": "edgekit.cli.evaluate",
    "explain": "edgekit.cli.explain",
    "inspect": "edgekit.cli.inspect",
    "metadata": "edgekit.cli.metadata",
    "new": "edgekit.cli.new",
    "report": "edgekit.cli.report",
    "scale": "edgekit.cli.scale",
    "serve": "edgekit.cli.serve",
    "train": "edgekit.cli.train",
    "snippet": "edgekit.cli.snippet",
    "verify": "edgekit.cli.verify",
    "zoo": "edgekit.cli.zoo",
}

#: Shown by `edgekit --help`, so that it need not import the commands.
SUMMARIES: Mapping[str, str] = {
    "benchmark": "Time models: percentiles, memory, and ratios with intervals, on devices that take turns.",
    "camera": "Name what a camera, a video or a stream shows, live.",
    "classify": "Name what is in images, with the model's own labels and preprocessing.",
    "compare": "Compare two models: agreement, accuracy, and the error of every layer with its cause.",
    "compile": "Compile an int8 .tflite for the Edge TPU, or write what another machine needs for it.",
    "convert": "Turn a trained Keras, SavedModel or float .tflite model into a verified .tflite.",
    "devices": "List the devices that models can run on.",
    "doctor": "Diagnose why an Edge TPU does not work, and show how to fix it.",
    "evaluate": "Say how often a .tflite is right: top-1 and top-5 with intervals, by class, confusions.",
    "explain": "Show which parts of images speak for a class, float beside int8.",
    "inspect": "Show what a .tflite holds: ops, tensors, quantization, metadata.",
    "metadata": "Show or change what a .tflite says about itself: labels, preprocessing, names.",
    "new": "Make a member of the EfficientNet family with fresh weights, to be trained.",
    "report": "Make a page to send round, from what other commands print with --json.",
    "scale": "Compare the EfficientNet family on the Edge TPU: what fits, and why the next does not.",
    "serve": "Serve a model as a live page, with /predict, /health and /metrics.",
    "train": "Turn a folder of images, a sub-folder for each class, into a verified int8 .tflite.",
    "snippet": "Write code that runs a model, for Python, Android, iOS, C++ or Arduino.",
    "verify": "Check a model against the gates of a project, for continuous integration.",
    "zoo": "List or build models with published ImageNet weights.",
}


class LazyGroup(click.Group):
    """A group whose commands are imported on use: `edgekit --help` must not wait for any of them."""

    def __call__(self, *args: object, **options: object) -> object:
        """Runs a command line, and ends as it does; one that a shell started, in a process that is watched."""
        from edgekit.cli.failures import end_output, interruption_told, open_closed_streams
        from edgekit.cli.watching import watched

        open_closed_streams()
        if not args and sys.argv[1:2] != ["train"]:  # which multiplies large matrices
            # Before numpy is loaded: OpenBLAS' other threads spin while they wait, 0.3 s of a conversion's time, and
            # small matrices are multiplied faster without them.
            os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        with interruption_told() if args else watched("--json" in sys.argv):
            try:
                return super().__call__(*args, **options)
            except OSError:  # click's own message about wrong usage could not be printed
                end_output(UsageError.exit_code)

    def make_context(
        self, info_name: Optional[str], args: List[str], parent: Optional[click.Context] = None, **extra: object
    ) -> click.Context:
        """Sees to the streams before anything is printed: help already may meet a full disk."""
        from edgekit.cli.failures import told

        for stream in (sys.stdout, sys.stderr):
            # File names need not be text: what no encoding has is written as \\udcff, which JSON reads too.
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        with told("--json" in args):
            return super().make_context(info_name, args, parent, **extra)

    def parse_args(self, ctx: click.Context, args: List[str]) -> List[str]:
        """Notes whether a machine reads the answer, for errors found before a command runs."""
        ctx.meta[_JSON] = "--json" in args
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        """Runs the command; tells wrong options and an answer that cannot be printed as any other error."""
        from edgekit.cli.failures import tell, told

        try:
            with told(ctx.meta[_JSON]):
                return super().invoke(ctx)
        except click.UsageError as error:
            if ctx.meta[_JSON]:
                tell(UsageError(error.format_message(), "See: edgekit COMMAND --help"), as_json=True)
            raise click.UsageError(printable(error.format_message()), error.ctx) from None

    def list_commands(self, ctx: click.Context) -> List[str]:
        """Names for the help page."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> Optional[click.Command]:
        """Imports the command's module."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(COMMANDS[cmd_name]), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the help page from SUMMARIES."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, SUMMARIES[name]) for name in self.list_commands(ctx)])

    def resolve_command(
        self, ctx: click.Context, args: List[str]
    ) -> Tuple[Optional[str], Optional[click.Command], List[str]]:
        """Tells the commands there are where one is misspelt."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"There is no command {args[0]!r}. Commands: {', '.join(sorted(COMMANDS))}.")
        name, command, rest = super().resolve_command(ctx, args)
        if name and command and not {"-h", "--help"} & set(rest):
            from edgekit.cli.usual import usual_options

            ctx.default_map = {name: usual_options(name, command)}
        return name, command, rest


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="edgekit")
def main() -> None:
    """From a trained image classifier to the Edge TPU, phones and plain CPUs."""
