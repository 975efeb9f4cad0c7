"""Kinds of cases for what works on results: documents, gates, records, explanations, benchmarks, training, new models.

As in `cases`: each writes a damaged file and returns what opens it.
"""

import json
import shutil
from pathlib import Path
from random import Random
from typing import List, Mapping

from tests.fuzz.bytewise import REAL, TEXTS, WHOLE, damaged, damaged_json, damaged_text
from tests.fuzz.cases import Action, Kind, written
from tests.fuzz.models import damaged_model
from tests.fuzz.workshop import Workshop


def document(random: Random, shop: Workshop, folder: Path) -> Action:
    """What commands print with --json, alone or beside a sound one, made into a page."""
    name = random.choice(sorted(shop.documents))
    path = written(
        folder / "document.json", damaged_json(random, shop.documents[name]).encode("utf-8", "surrogatepass")
    )
    beside = written(folder / "beside.json", json.dumps(shop.documents[random.choice(sorted(shop.documents))]).encode())
    documents = random.choice(([path], [path, beside], [beside, path]))
    return ["report", *documents, "-o", str(folder / "page.html"), *random.choice(([], ["--json"]))]


def baseline(random: Random, shop: Workshop, folder: Path) -> Action:
    """An earlier benchmark."""
    text = damaged_json(random, shop.documents["benchmark"]).encode("utf-8", "surrogatepass")
    return ["benchmark", str(shop.model), "--runs", "25", "--against", written(folder / "earlier.json", text)]


def spec(random: Random, shop: Workshop, folder: Path) -> Action:
    """A project's file: gates and usual options."""
    for name in ("colours.tflite", "float.tflite"):
        shutil.copy(shop.folder / name, folder / name)
    path = written(folder / "edgekit.toml", damaged_text(random, shop.project))
    target = folder / "verified"
    return random.choice(
        (
            ["verify", str(folder / "colours.tflite"), "--spec", path],
            ["verify", str(folder / "colours.tflite"), "--spec", path, "--json", "--junit", f"{target}.xml"],
            ["verify", str(folder / "colours.tflite"), "--spec", path, "--markdown", f"{target}.md"],
        )
    )


def record(random: Random, shop: Workshop, folder: Path) -> Action:
    """A model whose structure or metadata is damaged, by what reads or writes its record, and by what runs it."""
    name = random.choice(("float32", "uint8", "int8", *shop.models))
    path = written(folder / "m.tflite", damaged_model(random, shop.models[name]))
    names = written(folder / "labels.txt", damaged_text(random, shop.labels))
    return random.choice(
        (
            ["metadata", "show", path, *random.choice(([], ["--json"]))],
            ["metadata", "labels", path],
            ["metadata", "set", path, "--labels", names],
            ["metadata", "set", path, "--name", random.choice(TEXTS), "--preprocess", random.choice(("raw", *TEXTS))],
            ["snippet", path, "--for", random.choice(("python", "android-kotlin", "ios-swift", "cpp", "arduino"))],
            ["explain", path, str(shop.image), "-o", str(folder / "sheet.png"), "--preprocess", "raw"],
            ["explain", str(shop.float_model), str(shop.image), "--against", path, "-o", str(folder / "sheet.png")],
            ["benchmark", path, "--runs", "25", "--warm-up", "0"],
            ["verify", path, "--spec", written(folder / "edgekit.toml", shop.project.encode())],
        )
    )


def explained(random: Random, shop: Workshop, folder: Path) -> Action:
    """An image to explain."""
    name = random.choice(list(shop.encoded))
    path = written(folder / f"image.{name}", damaged(random, shop.encoded[name]))
    return ["explain", str(shop.float_model), path, "-o", str(folder / "sheet.png")]


def training(random: Random, shop: Workshop, folder: Path) -> Action:
    """Images to train on, one of them damaged, or a table of them; the base is a small classifier."""
    images = folder / "images"
    shutil.copytree(shop.images, images)
    name = random.choice(list(shop.encoded))
    written(images / random.choice(("red", "green", "")) / f"odd.{name}", damaged(random, shop.encoded[name]))
    argv = ["train", str(images), "--base", str(shop.float_model), "--augment", "none", "-o", str(folder / "t.tflite")]
    if random.random() < 0.5:
        argv += ["--labels-csv", written(folder / "table.csv", damaged_text(random, shop.table))]
    return argv


def options(random: Random, shop: Workshop, folder: Path) -> Action:
    """Sound files and odd values of options."""
    odd = random.choice((*TEXTS, *map(str, (*WHOLE, *REAL)), "5%", "8ms", "7.5MiB", "1,2", "224x0", "b0", "lite0"))
    data, model, net = str(shop.images), str(shop.model), str(shop.float_model)
    convert = ["convert", net, "--data", data, "--no-verify", "-o", str(folder / "o.tflite"), "--ranges", "minmax"]
    given: Mapping[str, List[str]] = {
        "--max-latency": ["scale"],
        "--max-memory": ["scale"],
        "--base": ["scale"],
        "--classes": ["scale"],
        "--phi": ["new", "no-such-member"],
        "--device": ["classify", model, str(shop.image)],
        "--size": convert,
        "--samples": convert,
        "--preprocess": convert,
        "--target": convert,
        "--min-agreement": convert,
        "--corrections": convert,
        "--output-name": convert,
        "--threads": ["benchmark", model, "--runs", "25"],
        "--against": ["compare", net, model, "--data", data],
        "--class": ["explain", net, str(shop.image), "-o", str(folder / "sheet.png")],
        "--on-label": ["camera", model, data, "--headless"],
        "--labels": ["evaluate", model, "--data", data],
    }
    option, passed = random.choice(sorted(given)), odd.replace("\0", "")  # which no command line can hold
    return [*given[option], f"{option}={passed}"]


#: Kind → the function.
LATER_KINDS: Mapping[str, Kind] = {
    "document": document,
    "baseline": baseline,
    "spec": spec,
    "record": record,
    "explained": explained,
    "training": training,
    "options": options,
}

#: How often each is chosen, as in `cases.SHARES`.
LATER_SHARES = {"document": 12, "baseline": 2, "spec": 8, "record": 20, "explained": 3, "training": 3, "options": 12}
