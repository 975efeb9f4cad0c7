"""A project as users have it: a trained Keras file that tells colours, images to train and to validate on."""

import numpy as np

from edgekit.models.configuration import configuration
from edgekit.models.kerasfile import h5_bytes
from edgekit.models.network import Network
from edgekit.models.plan import Layer
from tests.support.float_nets import save_images


def colour_network(size=16):
    """Names blue (0), green (1) and red (2), from raw pixels."""
    layers = [
        Layer("InputLayer", "image", shape=(size, size, 3), weights=(), inputs=(), options={}),
        Layer("Rescaling", "small", shape=(size, size, 3), weights=(), inputs=("image",), options={"scale": 1 / 255}),
        Layer(
            "Conv2D",
            "conv",
            shape=(size, size, 3),
            weights=((3, 3, 3, 3), (3,)),
            inputs=("small",),
            options={"filters": 3, "kernel_size": [3, 3], "padding": "same", "activation": "relu"},
        ),
        Layer("GlobalAveragePooling2D", "pool", shape=(3,), weights=(), inputs=("conv",), options={}),
        Layer(
            "Dense",
            "scores",
            shape=(3,),
            weights=((3, 3), (3,)),
            inputs=("pool",),
            options={"units": 3, "activation": "softmax"},
        ),
    ]
    random = np.random.default_rng(0)
    blur = (np.eye(3)[None, None] / 9 + random.normal(0, 0.005, (3, 3, 3, 3))).astype(np.float32)
    turned = (6 * np.eye(3)[::-1]).astype(np.float32)
    zeros = np.zeros(3, np.float32)
    return Network(configuration("colours", layers), {"conv": (blur, zeros), "scores": (turned, zeros)})


def write_project(folder):
    """model.h5, its class names, and images in train/ and validation/."""
    (folder / "model.h5").write_bytes(h5_bytes(colour_network()))
    (folder / "model.labels.txt").write_text("blue\ngreen\nred\n")
    for name in ("train", "validation"):
        save_images(folder / name)
    return folder
