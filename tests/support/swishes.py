"""A small network of either Keras with swishes and squeeze-and-excitation, and images that tell its classes apart."""

import numpy as np

from edgekit.converters.sources.keras.layers import leaves

SIZE = 24


def swish_net(keras, *, swish="swish", excite=True, inner=False):
    """A classifier of two MBConv-like blocks with random weights; `inner` nests all but its head in a model."""
    keras.utils.set_random_seed(7)
    layers = keras.layers
    x = start = keras.Input((SIZE, SIZE, 3))
    x = layers.BatchNormalization(momentum=0.0)(layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(x))
    x = layers.Activation(swish)(x)
    for strides in (1, 2):
        x = layers.BatchNormalization(momentum=0.0)(layers.Conv2D(16, 1, use_bias=False)(x))
        x = layers.Activation(swish)(x)
        x = layers.DepthwiseConv2D(3, strides=strides, padding="same", use_bias=False)(x)
        x = layers.Activation(swish)(layers.BatchNormalization(momentum=0.0)(x))
        if excite:
            gate = layers.Reshape((1, 1, 16))(layers.GlobalAveragePooling2D()(x))
            gate = layers.Conv2D(16, 1, activation="sigmoid")(layers.Conv2D(4, 1, activation=swish)(gate))
            x = layers.Multiply()([x, gate])
        x = layers.BatchNormalization(momentum=0.0)(layers.Conv2D(8, 1, use_bias=False)(x))
    if inner:
        body = keras.Model(start, x)
        start = keras.Input((SIZE, SIZE, 3))
        x = body(start)
    x = layers.Dense(4, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(start, x)
    _spread(model)
    return model


def _spread(model):
    """Normalizations that have seen images and scale and shift, and classes that differ, as in a trained network."""
    random = np.random.default_rng(1)
    for layer in leaves(model):
        if type(layer).__name__ == "BatchNormalization":
            layer.gamma.assign(random.uniform(0.7, 1.5, layer.gamma.shape))
            layer.beta.assign(random.normal(size=layer.beta.shape))
    model(images(64), training=True)  # the normalizations' momentum is 0: they keep what they see here
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([3 * random.normal(size=kernel.shape), 0 * bias])


def images(count, seed=0):
    """Smooth random images, normalized, float32 (count, SIZE, SIZE, 3)."""
    random = np.random.default_rng(seed)
    coarse = random.normal(size=(count, SIZE // 8, SIZE // 8, 3)) + random.normal(size=(count, 1, 1, 3))
    return np.kron(coarse, np.ones((1, 8, 8, 1))).clip(-3.5, 3.5).astype(np.float32)
