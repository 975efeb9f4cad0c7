"""Tiny classifiers with random weights, built by either Keras."""

import warnings

SIZE = 32


def classifier(keras, *before, classes=3, activation="softmax", shape=(SIZE, SIZE, 3), batch=None):
    """A small convolutional classifier of either Keras, with random weights and layers put before."""
    layers = keras.layers
    given = {"batch_shape": (batch, *shape)} if batch else {"shape": shape}
    return keras.Sequential(
        [
            keras.Input(**given),
            *before,
            layers.Conv2D(4, 3, strides=2, use_bias=False),
            layers.BatchNormalization(name="first_norm"),
            layers.ReLU(6.0),
            layers.GlobalAveragePooling2D(),
            layers.Dense(classes, activation=activation),
        ]
    )


def save(model, path):
    """Saves a model as its own Keras does, without the warnings about old formats."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(str(path))
    return path


def saved_as(kind, model, tmp_path):
    """Saves a model in a folder as a .keras or .h5 file, a SavedModel or a float .tflite."""
    if kind in ("keras", "h5"):
        return save(model, tmp_path / f"m.{kind}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind == "savedmodel":
            model.export(str(tmp_path / "m"), verbose=False)
            return tmp_path / "m"
        import tensorflow as tf

        (tmp_path / "m.tflite").write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
        return tmp_path / "m.tflite"
