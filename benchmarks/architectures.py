"""The layers of published architectures as work for the Edge TPU, with no weights and no conversion.

Most come from keras.applications; EfficientNet-EdgeTPU and SqueezeNet, which it lacks, are spelled out
from their papers (https://ai.googleblog.com/2019/08/efficientnet-edgetpu-creating.html; arXiv 1602.07360),
the synthetic series from the sources that published their measurements (published.csv).
"""

import math

from edgekit.edgetpu.estimate.work import layer_work

KERAS = {
    "mobilenet_v1_224": ("MobileNet", 224, {}),
    "mobilenet_v1_0.25_128": ("MobileNet", 128, {"alpha": 0.25}),
    "mobilenet_v2_224": ("MobileNetV2", 224, {}),
    "inception_v3_299": ("InceptionV3", 299, {}),
    "inception_resnet_v2_299": ("InceptionResNetV2", 299, {}),
    "vgg16_224": ("VGG16", 224, {}),
    "vgg19_224": ("VGG19", 224, {}),
    "resnet50_v1_299": ("ResNet50", 299, {}),
    "resnet50_v2_299": ("ResNet50V2", 299, {}),
    "resnet152_v2_299": ("ResNet152V2", 299, {}),
    "densenet121_224": ("DenseNet121", 224, {}),
}
_KINDS = {
    "Conv2D": "CONV_2D",
    "DepthwiseConv2D": "DEPTHWISE_CONV_2D",
    "Dense": "FULLY_CONNECTED",
    "Add": "ADD",
    "CustomScaleLayer": "ADD",
    "Concatenate": "CONCATENATION",
    "MaxPooling2D": "MAX_POOL_2D",
    "AveragePooling2D": "AVERAGE_POOL_2D",
    "GlobalAveragePooling2D": "MEAN",
}


def work_of(name):
    """The works of an architecture by name, in order."""
    if name in KERAS:
        return list(keras_work(name))
    kind, _, size = name.rpartition("_")
    if kind in ("conv5", "conv2"):
        return conv_stack(int(size), int(kind[-1]))
    if kind in ("dense64", "dense6912"):
        return dense_stack(int(size), int(kind[5:]))
    if kind == "squeezenet":
        return squeezenet(int(size))
    return efficientnet_edgetpu(int(size), *_SCALES[kind[-1]])


def keras_work(name):
    from keras import applications

    build, size, options = KERAS[name]
    model = getattr(applications, build)(weights=None, input_shape=(size, size, 3), **options)
    for layer in model.layers[1:]:
        source, output = (_shape(x[0] if isinstance(x, list) else x) for x in (layer.input, layer.output))
        kind = type(layer).__name__
        if kind in _KINDS:
            yield layer_work(_KINDS[kind], source, output, kernel=_kernel(layer, source))
        elif kind == "BatchNormalization" and not _folds(layer):
            # Behind an addition or a concatenation there is no convolution to fold it into.
            yield layer_work("MUL", output, output)
            yield layer_work("ADD", output, output)


def _shape(tensor):
    sizes = tuple(tensor.shape[1:])
    return (1,) * (3 - len(sizes)) + sizes


def _kernel(layer, source):
    if type(layer).__name__ == "GlobalAveragePooling2D":
        return source[:2]
    return tuple(getattr(layer, "kernel_size", None) or getattr(layer, "pool_size", None) or (1, 1))


def _folds(layer):
    maker = layer.input._keras_history.operation
    return type(maker).__name__ in ("Conv2D", "DepthwiseConv2D", "Dense")


def conv_stack(filters, layers, size=64):
    shapes = [(size, size, 3)] + [(size, size, filters)] * layers
    return [layer_work("CONV_2D", a, b, kernel=(3, 3)) for a, b in zip(shapes, shapes[1:])]


def dense_stack(width, inputs):
    sizes = [inputs] + [width] * (4 if inputs == 64 else 5) + [10]
    return [layer_work("FULLY_CONNECTED", (1, 1, a), (1, 1, b)) for a, b in zip(sizes, sizes[1:])]


def squeezenet(size):
    """SqueezeNet 1.0 for 1000 classes."""
    works = []

    def conv(source, channels, kernel, stride=1):
        side = math.ceil(source[0] / stride)
        works.append(layer_work("CONV_2D", source, (side, side, channels), kernel=(kernel, kernel)))
        return (side, side, channels)

    def pool(source):
        side = (source[0] - 3) // 2 + 1
        works.append(layer_work("MAX_POOL_2D", source, (side, side, source[2]), kernel=(3, 3)))
        return (side, side, source[2])

    x = conv((size, size, 3), 96, 7, 2)
    for number, (squeeze, expand) in enumerate(
        zip((16, 16, 32, 32, 48, 48, 64, 64), (64, 64, 128, 128, 192, 192, 256, 256))
    ):
        x = pool(x) if number in (0, 3, 7) else x
        narrow = conv(x, squeeze, 1)
        conv(narrow, expand, 1)
        conv(narrow, expand, 3)
        x = (*narrow[:2], 2 * expand)
        works.append(layer_work("CONCATENATION", x, x))
    x = conv(x, 1000, 1)
    works.append(layer_work("MEAN", x, (1, 1, 1000), kernel=x[:2]))
    return works


# repeats, kernel, stride, expansion, output channels, whether the expansion is one k×k convolution
_EDGETPU = [
    (1, 3, 1, 4, 24, True),
    (2, 3, 2, 8, 32, True),
    (4, 3, 2, 8, 48, True),
    (5, 5, 2, 8, 96, False),
    (4, 5, 1, 8, 144, False),
    (2, 5, 2, 8, 192, False),
]


# variant → width, depth
_SCALES = {"s": (1.0, 1.0), "m": (1.0, 1.1), "l": (1.2, 1.4)}


def efficientnet_edgetpu(size, width, depth):
    works = []

    def scaled(channels):
        rounded = max(8, int(channels * width + 4) // 8 * 8)
        return rounded + 8 if rounded < 0.9 * channels * width else rounded

    def add(kind, source, channels, kernel=1, stride=1):
        side = math.ceil(source[0] / stride)
        works.append(layer_work(kind, source, (side, side, channels), kernel=(kernel, kernel)))
        return (side, side, channels)

    x = add("CONV_2D", (size, size, 3), scaled(32), 3, 2)
    for number, (repeats, kernel, first_stride, expansion, channels, fused) in enumerate(_EDGETPU):
        for repeat in range(math.ceil(repeats * depth)):
            stride = first_stride if repeat == 0 else 1
            wide = (24 if number == 0 else x[2]) * expansion
            y = add("CONV_2D", x, wide, kernel, stride) if fused else add("CONV_2D", x, wide)
            y = y if fused else add("DEPTHWISE_CONV_2D", y, wide, kernel, stride)
            y = add("CONV_2D", y, scaled(channels))
            x = add("ADD", y, y[2]) if y == x and number else y
    x = add("CONV_2D", x, scaled(1280))
    works.append(layer_work("MEAN", x, (1, 1, x[2]), kernel=x[:2]))
    works.append(layer_work("FULLY_CONNECTED", (1, 1, x[2]), (1, 1, 1001)))
    return works
