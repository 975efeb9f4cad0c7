"""What is damaged, and by which command or call the damaged file is opened: one function a kind.

Each takes a seeded `random.Random`, the workshop and a folder for the case, writes the damaged file there and returns
what opens it: the arguments of the command line, or a function to be called.
"""

import io
import json
from pathlib import Path
from random import Random
from typing import Callable, Dict, List, Mapping, Union

import h5py
import numpy as np

from edgekit.errors import EdgekitError
from tests.fuzz.bytewise import TEXTS, damaged, damaged_json, damaged_text
from tests.fuzz.models import damaged_model
from tests.fuzz.workshop import Workshop, rezipped

Action = Union[List[str], Callable[[], object]]
Kind = Callable[[Random, Workshop, Path], Action]


def model(random: Random, shop: Workshop, folder: Path) -> Action:
    """A `.tflite`, by every command that reads one, and by pycoral's names."""
    # Half of them begin as the classifiers that the images are of, so that more is reached than the door.
    name = random.choice(("float32", "uint8")) if random.random() < 0.5 else random.choice(list(shop.models))
    path, data = written(folder / "m.tflite", damaged_model(random, shop.models[name])), str(shop.images)
    return random.choice(
        (
            ["inspect", path, "--tensors", "--json"],
            ["inspect", path, "--edgetpu"],
            ["classify", path, str(shop.image)],
            ["classify", path, str(shop.image), "--preprocess", "raw", "--json"],
            ["evaluate", path, "--data", data, "--preprocess", "raw"],
            ["compare", str(shop.float_model), path, "--data", data, "--preprocess", "raw"],
            ["compare", path, str(shop.model), "--data", data, "--preprocess", "raw"],
            ["convert", path, "--data", data, "--no-verify", "--ranges", "minmax", "-o", str(folder / "out.tflite")],
            ["compile", path, "--handoff", str(folder / "handoff")],
            ["doctor", path],
            lambda: _pycoral(path),
        )
    )


def compiled(random: Random, shop: Workshop, folder: Path) -> Action:
    """A compiled file beside its sound twin, or a sound one beside a damaged twin."""
    content, twin = shop.compiled[random.choice(list(shop.compiled))], shop.models["twin"]
    change = random.choice((damaged, damaged_model))
    if random.random() < 0.7:
        content = change(random, content)
    else:
        twin = change(random, twin)
    written(folder / "net.tflite", twin)
    path = written(folder / "net_edgetpu.tflite", content)
    return random.choice(
        (
            ["inspect", path, "--edgetpu"],
            ["inspect", path, "--json"],
            ["classify", path, str(shop.image), "--preprocess", "raw"],
            ["classify", path, str(shop.image), "--preprocess", "raw", "--device", "emulated"],
            ["doctor", path],
            lambda: _pycoral(path),
        )
    )


def keras(random: Random, shop: Workshop, folder: Path) -> Action:
    """An .h5 or .keras file; one that opens is not converted, which takes seconds."""
    name = random.choice(list(shop.keras))
    path = folder / name
    if random.random() < 0.25:
        path.write_bytes(damaged(random, shop.keras[name]))
    elif name.endswith(".h5"):
        path.write_bytes(shop.keras[name])
        with h5py.File(path, "r+") as file:
            _damage_group(random, file)
    else:
        path.write_bytes(_damaged_archive(random, shop.keras[name]))
    return lambda: _source(str(path))


def saved_model(random: Random, shop: Workshop, folder: Path) -> Action:
    """A SavedModel with one of its files damaged or missing."""
    changed = random.choice(sorted(shop.saved_model))
    for name, content in shop.saved_model.items():
        (folder / "saved" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "saved" / name).write_bytes(damaged(random, content) if name == changed else content)
    if random.random() < 0.1:
        (folder / "saved" / changed).unlink()
    return lambda: _source(str(folder / "saved"))


def video(random: Random, shop: Workshop, folder: Path) -> Action:
    """A video."""
    name = random.choice(sorted(shop.videos))
    path = written(folder / name, damaged(random, shop.videos[name]))
    return ["camera", str(shop.model), path, "--headless"]


def labels(random: Random, shop: Workshop, folder: Path) -> Action:
    """A list of class names."""
    path = written(folder / "labels.txt", damaged_text(random, shop.labels))
    return random.choice(
        (
            ["classify", str(shop.model), str(shop.image), "--labels", path],
            ["evaluate", str(shop.model), "--data", str(shop.images), "--labels", path, "--json"],
        )
    )


def table(random: Random, shop: Workshop, folder: Path) -> Action:
    """A table of images and their classes."""
    path = written(folder / "table.csv", damaged_text(random, shop.table))
    return ["evaluate", str(shop.model), "--labels-csv", path, "--data", str(shop.images)]


def array(random: Random, shop: Workshop, folder: Path) -> Action:
    """Images as .npy or .npz."""
    name = random.choice(list(shop.arrays))
    path = written(folder / name, damaged(random, shop.arrays[name]))
    return ["compare", str(shop.float_model), str(shop.float_model), "--data", path]


def image(random: Random, shop: Workshop, folder: Path) -> Action:
    """An image."""
    name = random.choice(list(shop.encoded))
    path = written(folder / f"image.{name}", damaged(random, shop.encoded[name]))
    return ["classify", str(shop.model), path]


def ranges(random: Random, shop: Workshop, folder: Path) -> Action:
    """Saved ranges."""
    path = written(folder / "ranges.json", damaged_json(random, shop.ranges).encode())
    argv = ["convert", str(shop.float_model), "--data", str(shop.images), "--no-verify", "--ranges", path]
    return [*argv, "-o", str(folder / "out.tflite")]


def written(path: Path, content: bytes) -> str:
    """Writes a file, and returns its path as a command takes it."""
    path.write_bytes(content)
    return str(path)


def _pycoral(path: str) -> None:
    """As programs do; they expect ValueError and RuntimeError."""
    from edgekit.pycoral.utils.edgetpu import make_interpreter

    try:
        interpreter = make_interpreter(path)
        interpreter.allocate_tensors()
        interpreter.invoke()
    except (ValueError, RuntimeError):
        pass


def _source(path: str) -> None:
    from edgekit.converters import load_source

    try:
        load_source(path)
    except EdgekitError as error:
        assert len(str(error)) < 1000, "a long message"


def _damage_group(random: Random, file: h5py.File) -> None:
    """A dataset, an attribute or a link of an HDF5 file."""
    names: List[str] = []
    file.visit(names.append)
    name = random.choice(names)
    kind = random.randrange(6)
    if kind == 0:
        del file[name]
    elif kind == 1:
        del file[name]
        file[name] = random.choice((np.zeros((2, 2)), np.float32(1), np.arange(5), "text"))
    elif kind == 2:
        del file[name]
        file[name] = random.choice(
            (h5py.SoftLink("/"), h5py.ExternalLink("/etc/passwd", "/"), h5py.SoftLink("/nowhere"))
        )
    elif kind == 3:
        holder = file[random.choice(["/", *names])]
        for key in list(holder.attrs)[:1]:
            holder.attrs[key] = random.choice((np.int32(3), "text", np.zeros(3), h5py.Empty("f4")))
    else:
        _damage_configuration(random, file)


def _damage_configuration(random: Random, file: h5py.File) -> None:
    key = random.choice([key for key in ("model_config", "model_config", "training_config") if key in file.attrs])
    text = damaged_json(random, json.loads(file.attrs[key])).replace("\0", "?")  # which h5py cannot write
    file.attrs[key] = (
        text.encode("utf-8", "surrogatepass")[:60000] if random.random() < 0.9 else random.choice(TEXTS[3:])
    )


def _damaged_archive(random: Random, content: bytes) -> bytes:
    import zipfile

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        name = random.choice(["config.json", "config.json", "config.json", *archive.namelist()])
        member = archive.read(name)
    if name.endswith(".json"):
        return rezipped(content, {name: damaged_json(random, json.loads(member)).encode("utf-8", "surrogatepass")})
    return rezipped(content, {name: damaged(random, member)})


#: Kind → the function, and how often it is chosen.
KINDS: Mapping[str, Kind] = {
    "model": model,
    "compiled": compiled,
    "keras": keras,
    "savedmodel": saved_model,
    "video": video,
    "labels": labels,
    "table": table,
    "array": array,
    "image": image,
    "ranges": ranges,
}
SHARES: Dict[str, int] = {"model": 45, "compiled": 10, "keras": 15, "labels": 4, "table": 4, "array": 7, "image": 7}
SHARES.update({"ranges": 2, "request": 6, "savedmodel": 3, "video": 3})
