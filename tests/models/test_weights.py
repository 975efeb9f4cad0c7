import numpy as np
import pytest

from edgekit.errors import ModelFormatError
from edgekit.models.architecture import plan
from edgekit.models.configuration import configuration
from edgekit.models.family import HEAD_FILTERS, LITE, Variant, blocks
from edgekit.models.network import Network
from edgekit.models.weights import from_torch
from tests.models.test_architecture import predictions
from tests.support.torch_reference import forward

TINY = Variant("tiny", LITE, width=0.3, depth=0.6, size=37, dropout=0.0)
CLASSES = 5


LAYERS = plan(TINY, CLASSES)


@pytest.fixture
def tensors():
    """Random weights under the ports' names, in PyTorch's axes, with shapes from the paper's definitions."""
    random = np.random.default_rng(0)
    found = {}

    def conv_bn(prefix, conv, bn, shape):
        fan_in = np.prod(shape[1:])
        found[f"{prefix}{conv}.weight"] = random.normal(0, fan_in**-0.5, shape).astype(np.float32)
        for name, low, high in (
            ("weight", 0.5, 2),
            ("bias", -0.5, 1),
            ("running_mean", -1, 1),
            ("running_var", 0.01, 1),
        ):
            found[f"{prefix}{bn}.{name}"] = random.uniform(low, high, shape[0]).astype(np.float32)
        found[f"{prefix}{bn}.num_batches_tracked"] = np.array(1, np.int64)

    conv_bn("", "_conv_stem", "_bn0", (32, 3, 3, 3))
    channels = 32
    for number, block in enumerate(blocks(TINY)):
        inner = channels * block.expansion
        if block.expansion > 1:
            conv_bn(f"_blocks.{number}.", "_expand_conv", "_bn0", (inner, channels, 1, 1))
        conv_bn(f"_blocks.{number}.", "_depthwise_conv", "_bn1", (inner, 1, block.kernel, block.kernel))
        conv_bn(f"_blocks.{number}.", "_project_conv", "_bn2", (block.filters, inner, 1, 1))
        channels = block.filters
    conv_bn("", "_conv_head", "_bn1", (HEAD_FILTERS, channels, 1, 1))
    found["_fc.weight"] = random.normal(0, 0.1, (CLASSES, HEAD_FILTERS)).astype(np.float32)
    found["_fc.bias"] = random.normal(size=CLASSES).astype(np.float32)
    return found


def test_the_model_computes_what_the_paper_defines(tensors):
    network = Network(configuration("tiny", LAYERS), from_torch(TINY, LAYERS, tensors))
    image = np.random.default_rng(1).uniform(-1, 1, (37, 37, 3)).astype(np.float32)
    expected = forward(image, tensors, [(block.kernel, block.stride) for block in blocks(TINY)])
    assert np.ptp(expected) > 0.05
    np.testing.assert_allclose(predictions(network, [image])[0], expected, rtol=1e-3, atol=1e-5)


def test_counters_may_be_absent(tensors):
    from_torch(TINY, LAYERS, {name: a for name, a in tensors.items() if "batches" not in name})


@pytest.mark.parametrize(
    "name",
    ["_conv_stem.weight", "_bn0.running_var", "_blocks.3._project_conv.weight", "_blocks.3._bn2.bias", "_fc.bias"],
)
def test_a_missing_tensor_is_named(tensors, name):
    del tensors[name]
    with pytest.raises(ModelFormatError, match=f"lack {name}"):
        from_torch(TINY, LAYERS, tensors)


@pytest.mark.parametrize(
    "extra", ["_blocks.0._se_reduce.weight", "_blocks.99._bn1.weight", "_fc.num_batches_tracked", "note"]
)
def test_a_left_over_tensor_is_refused(tensors, extra):
    tensors[extra] = np.zeros(3, np.float32)
    with pytest.raises(ModelFormatError, match="1 tensors"):
        from_torch(TINY, LAYERS, tensors)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("_conv_stem.weight", np.zeros((3, 3, 3, 32), np.float32)),
        ("_conv_stem.weight", np.zeros(864, np.float32)),
        ("_fc.weight", np.zeros((HEAD_FILTERS, CLASSES), np.float32)),
        ("_fc.bias", np.zeros((), np.float32)),
        ("_bn0.weight", np.zeros((32, 1), np.float32)),
    ],
)
def test_a_tensor_of_another_shape_is_refused(tensors, name, array):
    tensors[name] = array
    with pytest.raises(ModelFormatError, match="shapes"):
        from_torch(TINY, LAYERS, tensors)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(tensors, value):
    tensors["_bn1.running_mean"][3] = value
    with pytest.raises(ModelFormatError, match="not all finite"):
        from_torch(TINY, LAYERS, tensors)


def test_integers_are_no_weights(tensors):
    tensors["_fc.bias"] = np.zeros(CLASSES, np.int64)
    with pytest.raises(ModelFormatError, match="float32"):
        from_torch(TINY, LAYERS, tensors)
