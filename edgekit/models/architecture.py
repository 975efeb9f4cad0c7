"""From a row of the family to its layers, named as keras.applications names them, so that its weights load by name.

They differ from those of keras.applications in what suits accelerators: a squeeze keeps its dimensions, which leaves
out a reshape; a mean over a large image is that of means over its parts, since the Edge TPU takes no other; and padding
is the convolutions' own. None of it changes what a model computes.
"""

from collections.abc import Sequence

from edgekit.models.configuration import initial_network
from edgekit.models.family import Block, Series, Variant, blocks, head_filters, stem_filters
from edgekit.models.network import Network
from edgekit.models.plan import Drawing, Layer

#: Share of a block's outputs that are dropped in training, at the last block; in proportion at those before it.
_DROP = 0.2
#: Height × width of the largest image that a mean on the Edge TPU is known to take (`edgetpu.placement.size_rules`).
MEAN_POSITIONS = 8192
#: ImageNet's, on a scale of 0 to 1.
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def plan(variant: Variant, classes: int) -> tuple[Layer, ...]:
    """The layers of a member, from the image to the probabilities of its classes."""
    draw, series = Drawing(variant.series.momentum), variant.series
    image = draw.add("InputLayer", "image", (), (variant.size, variant.size, 3))
    stem = draw.convolution(_scaled(draw, image, series), "stem_conv", stem_filters(variant), 3, 2)
    value = draw.normalized(stem, "stem_", series.activation)
    members = list(blocks(variant))
    for index, block in enumerate(members):
        value = _block(draw, value, block, series, _DROP * index / len(members))
    top = draw.normalized(draw.convolution(value, "top_conv", head_filters(variant)), "top_", series.activation)
    pooled = draw.add("GlobalAveragePooling2D", "avg_pool", [top], top.shape[2:])
    kept = draw.add("Dropout", "top_dropout", [pooled], pooled.shape, options={"rate": variant.dropout})
    weights = [(pooled.shape[0], classes), (classes,)]
    scores = {"units": classes, "activation": "softmax"}
    draw.add("Dense", "predictions", [kept], (classes,), weights, options=scores)
    return tuple(draw.layers)


def member(variant: Variant, classes: int, *, seed: int = 0) -> Network:
    """A member with fresh weights."""
    return initial_network(model_name(variant), plan(variant, classes), seed=seed)


def model_name(variant: Variant) -> str:
    """The name that keras.applications gives a member, or would."""
    return variant.series.root + variant.name


def parameters(layers: Sequence[Layer]) -> int:
    """How many numbers all weights are, statistics included: what Keras counts."""
    return sum(layer.parameters for layer in layers)


def macs(layers: Sequence[Layer]) -> int:
    """Multiply-adds for one image: what the papers call FLOPs.

    Of convolutions and the dense layer alone, as torchvision counts them: to its last digit for B0 and B3 to B7.
    Table 2 of arXiv 1905.11946 has 4.2 and 9.9 G for B4 and B5; the layers that it describes come to 4.39 and 10.27.
    """
    return sum(layer.macs for layer in layers)


def _scaled(draw: Drawing, image: Layer, series: Series) -> Layer:
    """Raw pixels scaled in the model, where its series does that."""
    if series.scaling == "lite":
        return image
    scaled = draw.add("Rescaling", "rescaling", [image], image.shape, options={"scale": 1 / 255, "offset": 0.0})
    if series.scaling == "learned":
        weights = [(3,), (3,), ()]
        return draw.add("Normalization", "normalization", [scaled], image.shape, weights, options={"axis": [3]})
    statistics = {"axis": [3], "mean": list(_MEAN), "variance": [value**2 for value in _DEVIATION]}
    return draw.add("Normalization", "normalization", [scaled], image.shape, options=statistics)


def _block(draw: Drawing, given: Layer, block: Block, series: Series, drop: float) -> Layer:
    """Expand, filter, gate, project; add the input where the shapes agree."""
    name = f"{block.name}_"
    value = _expanded(draw, given, block, series)
    if block.squeezed:
        value = _gated(draw, value, block, series)
    # A fused block that does not expand has its full convolution here.
    last = block.fused and block.expansion == 1
    window = (block.kernel, block.stride) if last else (1, 1)
    projected = draw.convolution(value, f"{name}project_conv", block.filters, *window)
    value = draw.normalized(projected, f"{name}project_", series.activation if last else None)
    if not block.adds:
        return value
    if drop:
        options = {"rate": drop, "noise_shape": [None, 1, 1, 1]}
        value = draw.add("Dropout", f"{name}drop", [value], value.shape, options=options)
    return draw.add("Add", f"{name}add", [value, given], value.shape)


def _expanded(draw: Drawing, value: Layer, block: Block, series: Series) -> Layer:
    """What a block projects, before its gate."""
    name, activation = f"{block.name}_", series.activation
    if block.expansion != 1:
        window = (block.kernel, block.stride) if block.fused else (1, 1)
        expanded = draw.convolution(value, f"{name}expand_conv", block.inner, *window)
        value = draw.normalized(expanded, f"{name}expand_", activation)
    if block.fused:
        return value
    filtered = draw.depthwise(value, name + series.depthwise, block.kernel, block.stride)
    return draw.normalized(filtered, name, activation)


def _gated(draw: Drawing, value: Layer, block: Block, series: Series) -> Layer:
    """Squeeze-and-excitation: each channel times what a small network makes of all channels' means."""
    name, channels = f"{block.name}_se_", value.shape[2]
    pooled = _parts(draw, value, f"{name}pool")
    squeezed = draw.add(
        "GlobalAveragePooling2D", f"{name}squeeze", [pooled], (1, 1, channels), options={"keepdims": True}
    )
    reduced = draw.biased(squeezed, f"{name}reduce", block.squeezed, series.activation)
    gate = draw.biased(reduced, f"{name}expand", channels, "sigmoid")
    return draw.add("Multiply", f"{name}excite", [value, gate], value.shape)


def _parts(draw: Drawing, value: Layer, name: str) -> Layer:
    """A large image's means over equal parts, where there are some."""
    height, width, channels = value.shape
    side = parts_of(height, width)
    if side == 1:
        return value
    options = {"pool_size": [side] * 2, "strides": [side] * 2, "padding": "valid"}
    return draw.add("AveragePooling2D", name, [value], (height // side, width // side, channels), options=options)


def parts_of(height: int, width: int) -> int:
    """The side of the smallest equal parts of an image, of which there are no more than an accelerator's mean takes.

    1 where the image is as small as that itself, or cannot be parted.
    """
    if height * width <= MEAN_POSITIONS:
        return 1
    sides = (side for side in range(2, min(height, width)) if height % side == width % side == 0)
    return next((side for side in sides if height * width <= MEAN_POSITIONS * side**2), 1)
