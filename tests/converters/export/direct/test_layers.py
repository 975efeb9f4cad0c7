"""The direct export against Keras itself: each layer, option by option, as both Kerases save it."""

import pytest

from edgekit.converters.export.direct.layer import UnknownLayerError
from edgekit.converters.export.direct.open import open_directly
from edgekit.converters.sources.sniff import sniff
from edgekit.errors import ModelFormatError
from tests.support.keras_exports import check, randomized
from tests.support.tiny_keras import save

SHAPE = (12, 10, 3)
#: Of both Kerases, so that each can be built by either: (name of the case, layers to put after a first convolution).
LAYERS = {
    "conv strides": lambda k: [k.Conv2D(5, 3, strides=2, padding="same")],
    "conv valid, kernel 2x3": lambda k: [k.Conv2D(5, (2, 3), use_bias=False)],
    "conv dilated": lambda k: [k.Conv2D(4, 3, dilation_rate=2, padding="same", activation="relu")],
    "conv grouped": lambda k: [k.Conv2D(8, 3, groups=2)],
    "depthwise multiplier": lambda k: [k.DepthwiseConv2D(3, depth_multiplier=2, padding="same")],
    "depthwise strides, no bias": lambda k: [k.DepthwiseConv2D(3, strides=2, use_bias=False)],
    "depthwise dilated": lambda k: [k.DepthwiseConv2D(3, dilation_rate=2)],
    "separable": lambda k: [k.SeparableConv2D(6, 3, depth_multiplier=2, activation="relu")],
    "separable strides": lambda k: [k.SeparableConv2D(6, 3, strides=2, padding="same", use_bias=False)],
    "transposed": lambda k: [k.Conv2DTranspose(5, 3, strides=2, padding="same")],
    "transposed valid": lambda k: [k.Conv2DTranspose(5, 3, strides=2)],
    "conv and batch norm": lambda k: [k.Conv2D(5, 3), k.BatchNormalization(), k.ReLU()],
    "conv with an activation, then batch norm": lambda k: [k.Conv2D(5, 3, activation="relu"), k.BatchNormalization()],
    "batch norm alone": lambda k: [k.ReLU(), k.BatchNormalization(epsilon=0.01), k.ReLU()],
    "batch norm without scale": lambda k: [k.BatchNormalization(scale=False)],
    "batch norm without centre": lambda k: [k.BatchNormalization(center=False)],
    "depthwise and batch norm": lambda k: [k.DepthwiseConv2D(3), k.BatchNormalization(), k.ReLU(6.0)],
    "layer norm": lambda k: [k.LayerNormalization(epsilon=1e-6)],
    "relu6": lambda k: [k.ReLU(6.0)],
    "relu with a slope": lambda k: [k.ReLU(negative_slope=0.2)],
    "relu up to 1": lambda k: [k.ReLU(max_value=1.0)],
    "relu with a slope up to 1": lambda k: [k.ReLU(max_value=1.0, negative_slope=0.1)],
    "leaky relu": lambda k: [k.LeakyReLU()],
    "leaky relu 0.1": lambda k: [k.LeakyReLU(0.1)],
    "prelu": lambda k: [k.PReLU(alpha_initializer="uniform")],
    "prelu shared": lambda k: [k.PReLU(alpha_initializer="uniform", shared_axes=[1, 2])],
    "elu": lambda k: [k.ELU()],
    "elu 0.5": lambda k: [k.ELU(0.5)],
    "softmax over channels": lambda k: [k.Softmax()],
    "max pool": lambda k: [k.MaxPooling2D()],
    "max pool same": lambda k: [k.MaxPooling2D(3, strides=2, padding="same")],
    "average pool": lambda k: [k.AveragePooling2D((2, 3))],
    "average pool same": lambda k: [k.AveragePooling2D(3, strides=2, padding="same")],
    "global max": lambda k: [k.GlobalMaxPooling2D()],
    "global average kept": lambda k: [k.GlobalAveragePooling2D(keepdims=True), k.Conv2D(5, 1)],
    "flatten": lambda k: [k.Flatten()],
    "reshape": lambda k: [k.Reshape((-1, 4))],
    "permute": lambda k: [k.Permute((2, 1, 3))],
    "zero padding": lambda k: [k.ZeroPadding2D(((0, 1), (2, 3)))],
    "zero padding, conv": lambda k: [k.ZeroPadding2D(1), k.Conv2D(3, 3, strides=2)],
    "centre crop": lambda k: [k.CenterCrop(7, 5)],
    "cropping": lambda k: [k.Cropping2D(((1, 2), (0, 1)))],
    "upsampling nearest": lambda k: [k.UpSampling2D(2)],
    "upsampling bilinear": lambda k: [k.UpSampling2D((2, 3), interpolation="bilinear")],
    "resizing": lambda k: [k.Resizing(7, 9)],
    "resizing nearest": lambda k: [k.Resizing(20, 17, interpolation="nearest")],
    "rescaling": lambda k: [k.Rescaling(1 / 127.5, offset=-1)],
    "rescaling by lists": lambda k: [k.Rescaling([0.1, 0.2, 0.3, 0.4], offset=[1.0, 2.0, 3.0, 4.0])],
    "normalization by lists": lambda k: [k.Normalization(mean=[1.0, 2.0, 3.0, 4.0], variance=[1.0, 4.0, 9.0, 2.0])],
    "what only acts in training": lambda k: [
        k.Dropout(0.5), k.SpatialDropout2D(0.5), k.GaussianNoise(0.5), k.ActivityRegularization(0.1),
        k.RandomFlip(), k.RandomRotation(0.1), k.RandomZoom(0.1), k.RandomContrast(0.1),
    ],
    "group normalization": lambda k: [k.GroupNormalization(2)],
    "group normalization of each channel": lambda k: [k.GroupNormalization(-1, scale=False, epsilon=0.1)],
    "unit normalization": lambda k: [k.UnitNormalization()],
    "average of a sequence": lambda k: [k.Reshape((-1, 4)), k.GlobalAveragePooling1D()],
    "maximum of a sequence, kept": lambda k: [k.Reshape((-1, 4)), k.GlobalMaxPooling1D(keepdims=True)],
    "dense on an image": lambda k: [k.Dense(5, activation="tanh")],
    "dense without bias": lambda k: [k.Flatten(), k.Dense(5, use_bias=False)],
}  # fmt: skip
ACTIVATIONS = "linear relu sigmoid tanh softmax softplus softsign elu selu exponential hard_sigmoid swish gelu".split()
MERGES = "Add Multiply Subtract Average Maximum Minimum Concatenate".split()


def ended(keras, layers):
    """A classifier with layers between its first convolution and its head."""
    k = keras.layers
    x = given = keras.Input(SHAPE)
    x = k.Conv2D(4, 3, padding="same")(x)
    for layer in layers:
        x = layer(x)
    if len(x.shape) > 2:
        x = k.Flatten()(x)
    return randomized(keras.Model(given, k.Dense(3)(x)))


@pytest.mark.parametrize("case", LAYERS)
def test_a_layer_computes_what_it_does_in_keras(case, way, tmp_path):
    keras, suffix = way
    try:
        layers = LAYERS[case](keras.layers)
    except (TypeError, ValueError, AttributeError):
        pytest.skip("this Keras has no such option")
    check(ended(keras, layers), tmp_path, suffix)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_computes_what_it_does_in_keras(name, way, tmp_path):
    keras, suffix = way
    model = ended(keras, [keras.layers.Conv2D(4, 3, activation=name), keras.layers.Activation(name)])
    check(model, tmp_path, suffix)


@pytest.mark.parametrize("kind", MERGES)
def test_tensors_are_merged_as_in_keras(kind, way, tmp_path):
    keras, suffix = way
    k, given = keras.layers, keras.Input(SHAPE)
    parts = [k.Conv2D(4, 3, padding="same")(given), k.Conv2D(4, 1, activation="relu")(given)]
    parts += [] if kind == "Subtract" else [k.Conv2D(4, 1)(given)]
    x = k.GlobalAveragePooling2D()(getattr(k, kind)()(parts))
    check(randomized(keras.Model(given, k.Dense(3)(x))), tmp_path, suffix)


def test_squeeze_and_excitation_broadcasts(way, tmp_path):
    keras, suffix = way
    k, given = keras.layers, keras.Input(SHAPE)
    x = k.Conv2D(4, 3)(given)
    gate = k.Reshape((1, 1, 4))(k.GlobalAveragePooling2D()(x))
    gate = k.Conv2D(4, 1, activation="sigmoid")(k.Conv2D(2, 1, activation="swish")(gate))
    x = k.GlobalAveragePooling2D()(k.Multiply()([x, gate]))
    check(randomized(keras.Model(given, k.Dense(3, activation="softmax")(x))), tmp_path, suffix)


def test_a_layer_inside_may_be_called_as_the_end_of_another_ones_name(way, tmp_path):
    """As in MobileNetV3 and DenseNet, whose layers are called «Conv», «expanded_conv/squeeze_excite/Conv»."""
    keras, suffix = way
    if keras.__name__ == "keras":
        pytest.skip("Keras 3 has no slash in a layer's name")
    k, given = keras.layers, keras.Input(SHAPE)
    x = k.Conv2D(4, 3, name="Conv")(given)
    x = k.Conv2D(4, 3, name="block/Conv")(k.BatchNormalization(name="Conv/bn")(x))
    inner = keras.Model(given, k.BatchNormalization(name="bn")(x), name="inner")
    outer = keras.Input(SHAPE)
    model = keras.Model(outer, k.Dense(3)(k.GlobalAveragePooling2D()(inner(outer))))
    check(randomized(model), tmp_path, suffix)


def test_a_layer_that_is_called_twice_has_one_set_of_weights(way, tmp_path):
    keras, suffix = way
    k, given = keras.layers, keras.Input(SHAPE)
    shared = k.Conv2D(3, 3, padding="same", activation="relu")
    x = k.Flatten()(shared(shared(given)))
    check(randomized(keras.Model(given, k.Dense(3)(x))), tmp_path, suffix)


def test_models_in_models(way, tmp_path):
    keras, suffix = way
    k = keras.layers
    inside = keras.Input(SHAPE)
    backbone = keras.Model(inside, k.BatchNormalization()(k.Conv2D(4, 3)(inside)), name="backbone")
    head = keras.Sequential([k.GlobalAveragePooling2D(), k.Dense(3, activation="softmax")], name="head")
    given = keras.Input(SHAPE)
    functional = keras.Model(given, head(backbone(given)))
    check(functional, tmp_path, suffix)
    check(keras.Sequential([keras.Input(SHAPE), functional]), tmp_path, suffix)


UNKNOWN = {
    "EinsumDense": ["abcd,de->abce", (*SHAPE[:2], 5)],
    "LocallyConnected2D": [3, 3],
    "RMSNormalization": [],
    "ThresholdedReLU": [],
}


@pytest.mark.parametrize("layer, given", UNKNOWN.items())
def test_a_layer_without_a_row_is_named(layer, given, way, tmp_path):
    keras, suffix = way
    if not hasattr(keras.layers, layer):
        pytest.skip("this Keras has no such layer")
    path = save(ended(keras, [getattr(keras.layers, layer)(*given)]), tmp_path / f"m{suffix}")
    with pytest.raises(UnknownLayerError, match=layer):
        open_directly(path, sniff(path), trust=False, size=None)


OPTIONS = {
    "crop_to_aspect_ratio": lambda k: k.Resizing(8, 8, crop_to_aspect_ratio=True),
    "threshold": lambda k: k.ReLU(threshold=0.5),
    "interpolation": lambda k: k.Resizing(8, 8, interpolation="lanczos3"),
    "axis": lambda k: k.BatchNormalization(axis=1),
}


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_that_no_row_knows_is_named(option, keras3, tmp_path):
    path = save(ended(keras3, [OPTIONS[option](keras3.layers)]), tmp_path / "m.keras")
    with pytest.raises(UnknownLayerError, match=option):
        open_directly(path, sniff(path), trust=False, size=None)


HUGE = {
    "zero_padding2d": lambda k: k.ZeroPadding2D(40_000),
    "up_sampling2d": lambda k: k.UpSampling2D(3_000),
    "resizing": lambda k: k.Resizing(50_000, 50_000),
}


@pytest.mark.parametrize("name", HUGE)
def test_a_layer_that_computes_more_than_any_memory_holds_is_named_with_the_bound(name, keras3, tmp_path):
    path = save(
        ended(keras3, [HUGE[name](keras3.layers), keras3.layers.GlobalAveragePooling2D()]), tmp_path / "m.keras"
    )
    with pytest.raises(ModelFormatError, match=f"from layer '{name}") as caught:
        open_directly(path, sniff(path), trust=False, size=None)
    assert "268,435,456 values in a tensor" in caught.value.hint


@pytest.mark.parametrize("kind", ["BatchNormalization", "Dropout"])
def test_a_layer_that_goes_on_training_is_left_to_keras(kind, keras3, tmp_path):
    given = keras3.Input(SHAPE)
    layer = keras3.layers.Dropout(0.5) if kind == "Dropout" else keras3.layers.BatchNormalization()
    x = keras3.layers.Flatten()(layer(given, training=True))
    path = save(keras3.Model(given, keras3.layers.Dense(3)(x)), tmp_path / "m.keras")
    with pytest.raises(UnknownLayerError, match="called in a way"):
        open_directly(path, sniff(path), trust=False, size=None)
