"""Models with what tools of training left in them are named as what they are, with the way out."""

import json
import warnings
import zipfile

import pytest

from edgekit.converters.sources.open import load_source
from edgekit.errors import UnsupportedModelError
from tests.support.tiny_keras import SIZE, classifier, save

TFMOT = "tensorflow_model_optimization.python.core"


def wrapped(path, kind, target, module):
    """A `.keras` file with each Conv2D in a wrapper of this kind, as TensorFlow Model Optimization saves it."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        config = json.loads(old.read("config.json"))
        for place, layer in enumerate(config["config"]["layers"]):
            if layer["class_name"] == "Conv2D":
                outer = {"name": f"wrapped_{place}", "layer": layer}
                entry = {"class_name": kind, "module": module, "registered_name": kind, "config": outer}
                config["config"]["layers"][place] = entry
        for name in old.namelist():
            new.writestr(name, json.dumps(config) if name == "config.json" else old.read(name))
    return target


@pytest.mark.parametrize("trust", [False, True])
@pytest.mark.parametrize(
    ("kind", "what", "way_out"),
    [
        ("QuantizeWrapperV2", "trained quantization-aware (1 QuantizeWrapperV2)", "before `quantize_model`"),
        ("PruneLowMagnitude", "saved with the wrappers of pruning (1 PruneLowMagnitude)", "strip_pruning(model)"),
        ("ClusterWeights", "saved with the wrappers of weight clustering (1 ClusterWeights)", "strip_clustering"),
    ],
)
@pytest.mark.parametrize("module", [None, TFMOT])
def test_wrappers_of_model_optimization(keras2, tmp_path, kind, what, way_out, module, trust):
    plain = save(classifier(keras2), tmp_path / "plain.keras")
    path = wrapped(plain, kind, tmp_path / "m.keras", module)
    with pytest.raises(UnsupportedModelError) as caught:
        load_source(path, trust=trust)
    assert what in caught.value.message and way_out in caught.value.hint


def test_a_savedmodel_that_was_trained_quantization_aware(tmp_path):
    tf = pytest.importorskip("tensorflow")
    module = tf.Module()
    module.weights = tf.Variable(tf.random.normal([3, 4]))

    @tf.function(input_signature=[tf.TensorSpec([None, SIZE, SIZE, 3], name="image")])
    def call(image):
        features = tf.quantization.fake_quant_with_min_max_vars(tf.reduce_mean(image, [1, 2]), 0.0, 6.0)
        return {"scores": features @ tf.quantization.fake_quant_with_min_max_vars(module.weights, -1.0, 1.0)}

    tf.saved_model.save(module, str(tmp_path / "m"), signatures=call)
    with pytest.raises(UnsupportedModelError, match=r"trained quantization-aware \(2 fake-quantization ops\)"):
        load_source(tmp_path / "m")


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_a_savedmodel_in_mixed_precision(keras3, tmp_path, policy):
    keras3.config.set_dtype_policy(policy)
    try:
        model = classifier(keras3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.export(str(tmp_path / "m"), verbose=False)
    finally:
        keras3.config.set_dtype_policy("float32")
    with pytest.raises(UnsupportedModelError, match=f"computes in {policy[6:]} .* in mixed precision") as caught:
        load_source(tmp_path / "m")
    assert "edgekit turns to float32" in caught.value.hint
    # As the hint says: the file itself can be opened.
    assert any("Mixed precision" in note for note in load_source(save(model, tmp_path / "m.keras")).notes)
