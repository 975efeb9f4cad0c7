"""A changed model relearns its original's answers from images alone."""

import numpy as np
import pytest

from edgekit.converters.surgery.distillation import distill
from edgekit.converters.surgery.surgery import operate
from edgekit.errors import ConversionError
from tests.support.swishes import images, swish_net


@pytest.fixture(params=["keras2", "keras3"])
def keras(request):
    return request.getfixturevalue(request.param)


def answers(model, inputs):
    return np.log(np.asarray(model(inputs, training=False)) + 1e-9)


def batches(count=96, size=16):
    return list(images(count).reshape(-1, size, *images(1).shape[1:]))


@pytest.mark.parametrize("inner", [False, True])
@pytest.mark.parametrize("surgery", ["relu6", "relu6-no-se"])
def test_most_of_the_error_goes(keras, surgery, inner):
    teacher, student = swish_net(keras, inner=inner), swish_net(keras, inner=inner)
    operate(student, surgery, "m.h5")
    unseen = images(64, seed=9)
    expected, before = answers(teacher, unseen), answers(student, unseen)
    training = distill(teacher, student, batches(), minutes=1)
    after = answers(student, unseen)
    assert training.images == 96 and training.seconds > 0
    assert np.abs(after - expected).mean() < 0.4 * np.abs(before - expected).mean()
    assert np.array_equal(answers(teacher, unseen), expected)


def test_what_was_not_changed_stays_the_same(keras):
    teacher, student = swish_net(keras), swish_net(keras)
    distill(teacher, student, batches(), minutes=1)
    assert np.allclose(answers(student, images(8, 9)), answers(teacher, images(8, 9)), atol=2e-2)


def test_a_dense_layer_is_fitted_by_ridge_regression(keras):
    """Against the closed form, written out: one batch, inputs that lost half their size on the way."""
    from edgekit.converters.surgery.distillation import RIDGE

    def net(scale):
        layers = [keras.Input((4, 4, 3)), keras.layers.Rescaling(scale), keras.layers.GlobalAveragePooling2D()]
        return keras.Sequential([*layers, keras.layers.Dense(2)])

    teacher, student = net(1.0), net(0.5)
    batch = images(16)[:, ::6, ::6]
    distill(teacher, student, [batch], minutes=1)
    inputs = batch.mean(axis=(1, 2)) / 2
    kernel = teacher.layers[-1].get_weights()[0]
    centred, wanted = inputs - inputs.mean(axis=0), 2 * (inputs - inputs.mean(axis=0)) @ kernel
    power = centred.T @ centred / 16
    damped = power + (RIDGE * np.trace(power) / 3 + 1e-9) * np.eye(3)
    expected = kernel + np.linalg.solve(damped, centred.T @ wanted / 16 - power @ kernel)
    assert np.allclose(student.layers[-1].get_weights()[0], expected, atol=1e-4)


def test_time_is_kept_and_one_batch_is_always_taken(keras3):
    teacher, student = swish_net(keras3), swish_net(keras3)
    stages = []
    training = distill(
        teacher, student, batches(), minutes=1e-9, progress=lambda stage, done, total: stages.append((stage, done))
    )
    assert training.images == 16
    assert stages == [("Distilling (at most 1e-09 min)", 16)]


def test_channels_that_relu_would_silence_are_kept(keras):
    """As in squeeze-and-excitation: a layer with its own activation that is negative for all images."""

    def net():
        layers = [keras.layers.Conv2D(4, 1, activation="swish"), keras.layers.GlobalAveragePooling2D()]
        return keras.Sequential([keras.Input((8, 8, 3)), *layers, keras.layers.Dense(2)])

    teacher = net()
    kernel, _ = teacher.layers[0].get_weights()
    teacher.layers[0].set_weights([0.1 * kernel, np.full(4, -2.0)])
    student = net()
    student.set_weights(teacher.get_weights())
    operate(student, "relu6", "m.h5")
    shown = images(32)[:, ::3, ::3]
    assert not np.asarray(student.layers[0](shown)).any()
    distill(teacher, student, [shown[:16], shown[16:]], minutes=1)
    assert np.asarray(student.layers[0](shown)).max(axis=(0, 1, 2)).min() > 0
    expected, found = (np.asarray(model(shown, training=False)) for model in (teacher, student))
    assert np.abs(found - expected).mean() < 0.5 * expected.std(axis=0).mean()


def test_answers_that_are_no_numbers(keras3):
    teacher, student = swish_net(keras3), swish_net(keras3)
    for model in (teacher, student):
        model.layers[-1].set_weights([value * np.nan for value in model.layers[-1].get_weights()])
    with pytest.raises(ConversionError, match="NaN or infinity"):
        distill(teacher, student, batches(16), minutes=1)
