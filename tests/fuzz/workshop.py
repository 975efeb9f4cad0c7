"""The sound files that damage is done to, made once for a worker in a folder of its own."""

import io
import json
import zipfile
from functools import cached_property
from pathlib import Path
from typing import Dict, List

import numpy as np
from PIL import Image

from edgekit.preprocess import InputSpec
from edgekit.tflite.metadata import Metadata, write_metadata
from tests.support.build import colour_classifier, colour_model
from tests.support.every_op import every_op
from tests.support.float_nets import colour_net, save_images
from tests.support.pairs import compiled, twin, write_pair

LABELS = ("blue", "green", "red")
_METADATA = Metadata(labels=LABELS, input=InputSpec(16, 16))


class Workshop:
    """Sound files, by what they are."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.float_model = self.write("float.tflite", write_metadata(colour_net(), _METADATA))
        self.model = self.write("colours.tflite", colour_model())
        self.images = save_images(folder / "images", each=2)
        self.image = self.images / "red" / "00.png"
        self.labels = "red\ngreen\nblue\n"
        self.table = "".join(f"{path.relative_to(self.images)},{path.parent.name}\n" for path in self.files())
        self.pair = write_pair(folder)

    def write(self, name: str, content: bytes) -> Path:
        """A file of this folder."""
        path = self.folder / name
        path.write_bytes(content)
        return path

    def files(self) -> List[Path]:
        """The images."""
        return sorted(self.images.rglob("*.png"))

    @cached_property
    def models(self) -> Dict[str, bytes]:
        """`.tflite` classifiers of many kinds; each brings its preprocessing."""
        described = Metadata(input=InputSpec(8, 8))
        found = {name: write_metadata(content, described) for name, content in every_op().items()}
        found.update({"uint8": colour_model(), "int8": colour_classifier("int8"), "twin": twin()})
        found["float32"] = self.float_model.read_bytes()
        return found

    @cached_property
    def compiled(self) -> Dict[str, bytes]:
        """Compiled files of one and of several custom ops."""
        return {kind: compiled(kind) for kind in ("whole", "apart", "neighbours")}

    @cached_property
    def keras(self) -> Dict[str, bytes]:
        """Files of either Keras: file name → content."""
        import keras

        from tests.support.tiny_keras import classifier, save

        model = classifier(keras)
        return {name: save(model, self.folder / name).read_bytes() for name in ("keras3.keras", "keras3.h5")}

    @cached_property
    def arrays(self) -> Dict[str, bytes]:
        """Images as .npy and .npz."""
        found = {}
        for name, dtype in (("u8.npy", np.uint8), ("f4.npy", np.float32)):
            stream = io.BytesIO()
            np.save(stream, np.arange(8 * 16 * 16 * 3).reshape(8, 16, 16, 3).astype(dtype))
            found[name] = stream.getvalue()
        stream = io.BytesIO()
        np.savez(stream, x=np.zeros((8, 16, 16, 3), np.uint8), y=np.arange(8) % 3)
        return {**found, "both.npz": stream.getvalue()}

    @cached_property
    def encoded(self) -> Dict[str, bytes]:
        """Images of several formats."""
        found = {}
        for name, mode in (
            ("png", "RGBA"),
            ("jpeg", "RGB"),
            ("gif", "P"),
            ("bmp", "L"),
            ("tiff", "RGB"),
            ("webp", "RGB"),
        ):
            stream = io.BytesIO()
            Image.open(self.image).resize((33, 21)).convert(mode).save(stream, name)
            found[name] = stream.getvalue()
        return found

    @cached_property
    def videos(self) -> Dict[str, bytes]:
        """Videos of two codecs."""
        import cv2

        found = {}
        for name, codec in (("mjpg.avi", "MJPG"), ("mp4v.mp4", "mp4v")):
            path = self.folder / name
            writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), 10, (64, 48))
            for step in range(6):
                writer.write(np.full((48, 64, 3), 40 * step, np.uint8))
            writer.release()
            found[name] = path.read_bytes()
        return found

    @cached_property
    def saved_model(self) -> Dict[str, bytes]:
        """A SavedModel: the files of its folder."""
        import keras

        from tests.support.tiny_keras import classifier

        root = self.folder / "saved"
        classifier(keras).export(str(root), verbose=False)
        return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}

    @cached_property
    def documents(self) -> Dict[str, Dict[str, object]]:
        """What commands print with --json, and the manifest of a conversion."""
        net, model, data = str(self.float_model), str(self.model), str(self.images)
        made = self.folder / "converted.tflite"
        commands = {
            "convert": ["convert", net, "--data", data, "--ranges", "minmax", "-o", str(made)],
            "evaluate": ["evaluate", model, "--data", data],
            "compare": ["compare", net, net, "--data", data],
            "inspect": ["inspect", model, "--edgetpu"],
            "classify": ["classify", model, str(self.image)],
            "benchmark": ["benchmark", model, "--runs", "25"],
            "explain": ["explain", net, str(self.image), "-o", str(self.folder / "sheet.png")],
        }
        found = {name: _printed([*argv, "--json"]) for name, argv in commands.items()}
        found["manifest"] = json.loads(made.with_suffix(".json").read_text())
        return {name: value for name, value in found.items() if isinstance(value, dict)}

    @property
    def project(self) -> str:
        """A project's file."""
        gates = {"data": str(self.images), "source": str(self.float_model), "max_size": "1MiB", "min_mapped": "10%"}
        gates.update({"min_top1": "1%", "min_agreement": "1%", "max_on_chip": "7.5MiB"})
        lines = [f"{name} = {json.dumps(value)}" for name, value in gates.items()]
        return "\n".join(["[convert]", "samples = 9", "[verify]", *lines, "reproducible = false", ""])

    @cached_property
    def ranges(self) -> Dict[str, object]:
        """Saved ranges of the float model."""
        from click.testing import CliRunner

        from edgekit.cli import main

        path = self.folder / "ranges.json"
        argv = ["convert", str(self.float_model), "--data", str(self.images), "--no-verify", "--ranges", "minmax"]
        CliRunner().invoke(main, [*argv, "--save-ranges", str(path), "-o", str(self.folder / "made.tflite")])
        found: Dict[str, object] = json.loads(path.read_text())
        return found


def _printed(argv: List[str]) -> object:
    from click.testing import CliRunner

    from edgekit.cli import main

    return json.loads(CliRunner().invoke(main, argv).stdout)


def rezipped(content: bytes, change: Dict[str, bytes]) -> bytes:
    """An archive with some of its members replaced."""
    source, target = zipfile.ZipFile(io.BytesIO(content)), io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in source.namelist():
            archive.writestr(name, change.get(name, source.read(name)))
    return target.getvalue()
