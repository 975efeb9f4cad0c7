"""The layers of published architectures as work for the Edge TPU, with no weights and no conversion.

Most come from keras.applications; what it lacks is spelled out from the papers: EfficientNet-EdgeTPU
(https://ai.googleblog.com/2019/08/efficientnet-edgetpu-creating.html), SqueezeNet (arXiv 1602.07360), Inception v1
(arXiv 1409.4842) and v4 (arXiv 1602.07261); the synthetic series as the sources of their measurements describe them
(sources.csv).
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
    if name == "mobilenet_v2_224_features":
        return [work for work in keras_work("mobilenet_v2_224") if work.kind not in ("MEAN", "FULLY_CONNECTED")]
    kind, _, size = name.rpartition("_")
    if kind.startswith("efficientnet_edgetpu"):
        return efficientnet_edgetpu(int(size), *_SCALES[kind[-1]])
    networks = {"squeezenet": squeezenet, "inception_v1": inception_v1, "inception_v4": inception_v4}
    return networks[kind](int(size)) if kind in networks else series(kind, int(size))


def keras_work(name):
    from keras import StatelessScope, applications

    build, size, options = KERAS[name]
    with StatelessScope(initialize_variables=False):  # shapes are all that is asked for; weights take most of the time
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


def series(kind, size):
    """A member of a synthetic series: `size` is what varies in it."""
    if kind in ("conv2", "conv5"):
        return conv_stack([(64, 64, 3)] + [(64, 64, size)] * int(kind[-1]), 3)
    if kind in ("dense64", "dense6912"):
        return dense_stack([int(kind[5:])] + [size] * (4 if kind == "dense64" else 5) + [10])
    if kind == "dense":
        return dense_stack([size, size])
    if kind.startswith("deep"):
        return dense_stack([12] + [int(kind[4:])] * size + [1], numbers=1)
    if kind == "wide7":
        layers = conv_stack([(128, 128, 3)] + [(128, 128, 32)] * size, 7, numbers=1)
        return [_pad(128, 128), *layers, layer_work("CONV_2D", (128, 128, 32), (1, 1, 1))]
    image = (size, int(kind.partition("_")[2]), 3)
    last = layer_work("CONV_2D", image, (1, 1, 1))
    return {"in": [last], "out": [_pad(*image[:2])], "pad": [_pad(*image[:2]), last]}[kind.partition("_")[0]]


def _pad(height, width):
    return layer_work("PAD", (2, 2, 3), (height, width, 3))


def conv_stack(shapes, kernel, numbers=2):
    pairs = zip(shapes, shapes[1:])
    return [layer_work("CONV_2D", a, b, kernel=(kernel, kernel), numbers=numbers) for a, b in pairs]


def dense_stack(sizes, numbers=2):
    return [layer_work("FULLY_CONNECTED", (1, 1, a), (1, 1, b), numbers=numbers) for a, b in zip(sizes, sizes[1:])]


class Layers:
    """Convolutions and poolings one after the other, by the shapes that they make."""

    def __init__(self):
        self.works = []

    def add(self, kind, source, channels, kernel, stride, valid):
        sides = [(a - k) // stride + 1 if valid else math.ceil(a / stride) for a, k in zip(source, kernel)]
        self.works.append(layer_work(kind, source, (*sides, channels), kernel=kernel))
        return (*sides, channels)

    def conv(self, source, channels, kernel=1, stride=1, valid=False):
        kernel = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        return self.add("CONV_2D", source, channels, kernel, stride, valid)

    def chain(self, source, *layers):
        """Convolutions of (channels, kernel) one after the other."""
        for channels, kernel in layers:
            source = self.conv(source, channels, kernel)
        return source

    def pool(self, source, stride=2, valid=False, kind="MAX_POOL_2D"):
        return self.add(kind, source, source[2], (3, 3), stride, valid)

    def join(self, *sources):
        joined = (*sources[0][:2], sum(source[2] for source in sources))
        self.works.append(layer_work("CONCATENATION", joined, joined))
        return joined

    def end(self, source, classes=1001):
        self.works.append(layer_work("AVERAGE_POOL_2D", source, (1, 1, source[2]), kernel=source[:2]))
        self.works.append(layer_work("FULLY_CONNECTED", (1, 1, source[2]), (1, 1, classes)))
        return self.works


# Outputs of the branches: 1×1; 3×3 behind its reduction; 5×5, computed as 3×3, behind its own; pooling. Then a pool?
_INCEPTION_V1 = [
    (64, 96, 128, 16, 32, 32, False),
    (128, 128, 192, 32, 96, 64, True),
    (192, 96, 208, 16, 48, 64, False),
    (160, 112, 224, 24, 64, 64, False),
    (128, 128, 256, 24, 64, 64, False),
    (112, 144, 288, 32, 64, 64, False),
    (256, 160, 320, 32, 128, 128, True),
    (256, 160, 320, 32, 128, 128, False),
    (384, 192, 384, 48, 128, 128, False),
]


def inception_v1(size):
    net = Layers()
    x = net.pool(net.conv((size, size, 3), 64, 7, 2))
    x = net.pool(net.chain(x, (64, 1), (192, 3)))
    for one, reduce3, three, reduce5, five, pooled, pool in _INCEPTION_V1:
        branches = [net.conv(x, one), net.chain(x, (reduce3, 1), (three, 3)), net.chain(x, (reduce5, 1), (five, 3))]
        x = net.join(*branches, net.conv(net.pool(x, 1), pooled))
        x = net.pool(x) if pool else x
    return net.end(x)


def inception_v4(size):
    net = Layers()
    x = net.conv(net.conv((size, size, 3), 32, 3, 2, True), 32, 3, 1, True)
    x = net.conv(x, 64, 3)
    x = net.join(net.pool(x, 2, True), net.conv(x, 96, 3, 2, True))
    ends = net.conv(x, 64), net.chain(x, (64, 1), (64, (1, 7)), (64, (7, 1)))
    x = net.join(*(net.conv(end, 96, 3, 1, True) for end in ends))
    x = net.join(net.conv(x, 192, 3, 2, True), net.pool(x, 2, True))
    for _ in range(4):
        x = _inception_v4_block(net, x, 96, [(96, 1)], [(64, 1), (96, 3)], [(64, 1), (96, 3), (96, 3)])
    x = net.join(net.pool(x, 2, True), net.conv(x, 384, 3, 2, True), _reduced(net, x, (192, 1), (224, 3), 256))
    for _ in range(7):
        long = [(192, 1), (192, (7, 1)), (224, (1, 7)), (224, (7, 1)), (256, (1, 7))]
        x = _inception_v4_block(net, x, 128, [(384, 1)], [(192, 1), (224, (1, 7)), (256, (7, 1))], long)
    ends = _reduced(net, x, (192, 1), 192), _reduced(net, x, (256, 1), (256, (1, 7)), (320, (7, 1)), 320)
    x = net.join(net.pool(x, 2, True), *ends)
    for _ in range(3):
        middle, long = net.conv(x, 384), net.chain(x, (384, 1), (448, (3, 1)), (512, (1, 3)))
        split = [net.conv(end, 256, kernel) for end in (middle, long) for kernel in ((1, 3), (3, 1))]
        x = net.join(net.conv(x, 256), *split, net.conv(net.pool(x, 1, kind="AVERAGE_POOL_2D"), 256))
    return net.end(x)


def _inception_v4_block(net, x, pooled, *branches):
    ends = [net.chain(x, *branch) for branch in branches]
    return net.join(*ends, net.conv(net.pool(x, 1, kind="AVERAGE_POOL_2D"), pooled))


def _reduced(net, x, *layers):
    """Convolutions, the last of 3×3 and half the size, given by its channels."""
    return net.conv(net.chain(x, *layers[:-1]), layers[-1], 3, 2, True)


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
