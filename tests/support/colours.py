"""Folders of plain images in red, green and blue, and the model that tells them apart."""

from pathlib import Path

import numpy as np
from PIL import Image

from edgekit.tflite.metadata import Metadata, write_metadata
from tests.support.build import GraphBuilder, colour_classifier

NAMES = ("red", "green", "blue")


def image(colour, path, size=8):
    """Writes an image whose strongest channel is `colour` (0, 1, 2)."""
    pixels = np.full((size, size, 3), 20, np.uint8)
    pixels[..., colour] = 200
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def folder(root, counts):
    """A class folder for each key of `counts`; its value names the colours of the images in it: "red": "rrg"."""
    for name, colours in counts.items():
        for number, colour in enumerate(colours):
            image("rgb".index(colour), Path(root) / name / f"{number}.png")
    return Path(root)


def model(labels=NAMES):
    """The classifier of red, green and blue, with these names."""
    return write_metadata(colour_classifier(), Metadata(labels=labels)) if labels else colour_classifier()


def with_background():
    """A classifier of 1001 outputs: 0 is the background, 1, 2 and 3 are red, green and blue."""
    graph = GraphBuilder()
    x = graph.input((1, 8, 8, 3), "uint8", quant=(1.0, 0))
    axes = graph.constant(np.array([1, 2], np.int32))
    mean = graph.op("MEAN", [x, axes], (1, 3), "uint8", quant=(1.0, 0), options={"keepDims": False}, version=2)
    pads = graph.constant(np.array([[0, 0], [1, 997]], np.int32))
    return graph.finish([graph.op("PAD", [mean, pads], (1, 1001), "uint8", quant=(1.0, 0), version=2)])
