"""What Keras computes against what the direct export does."""

import numpy as np

from edgekit.converters.export.direct.open import open_directly
from edgekit.converters.sources.sniff import sniff
from tests.support.tiny_keras import save


def randomized(model, spread=0.5):
    """The model with weights such as training leaves: none is 0 or 1, variances are positive."""
    numbers = np.random.default_rng(0)
    for layer in model.layers:
        if hasattr(layer, "layers"):
            randomized(layer, spread)
            continue
        kinds = [weight.name.split("/")[-1].split(":")[0] for weight in layer.weights]
        values = [
            numbers.uniform(0.5, 2, w.shape) if "var" in kind or kind == "gamma" else numbers.normal(0, spread, w.shape)
            for kind, w in zip(kinds, layer.weights)
        ]
        layer.set_weights([value.astype(w.numpy().dtype) for value, w in zip(values, layer.weights)])
    return model


def check(model, folder, suffix):
    """The graph answers as Keras does, and TensorFlow is not asked."""
    path = save(model, folder / f"model{suffix}")
    images = np.random.default_rng(1).normal(0, 1, (3, *model.input_shape[1:])).astype(np.float32)
    expected = np.asarray(model(images, training=False))
    source = open_directly(path, sniff(path), trust=False, size=None)
    answered = source.predict(images)
    assert answered.shape == expected.shape
    np.testing.assert_allclose(answered, expected, rtol=1e-4, atol=1e-5 * max(1.0, float(np.abs(expected).max())))
