import numpy as np
import pytest

from edgekit.calibration import choose_ranges, observe, open_samples
from edgekit.converters.export import FloatModel
from edgekit.converters.stability import halves_agree
from edgekit.tflite import edit
from tests.evaluation.test_layers import SPEC, float_model

pytest.importorskip("litert_quantizer")


def model():
    unpacked = edit.unpack(float_model())
    unpacked.signatureDefs = []  # litert-quantizer wants the list to be there
    return FloatModel(edit.pack(unpacked), SPEC, "probabilities")


def pictures(brightness):
    random = np.random.default_rng(0)
    return open_samples(
        (random.random((len(brightness), 6, 6, 3)) * np.reshape(brightness, (-1, 1, 1, 1))).astype(np.uint8), SPEC
    )


def agreement(samples):
    observations = observe(model().content, samples, SPEC)
    return halves_agree(model(), observations, choose_ranges(observations, "minmax"), samples)


def test_halves_of_pictures_alike_make_models_alike():
    alike, mixed = agreement(pictures([255] * 12)), agreement(pictures([255] + [8] * 11))
    assert alike.sqnr_db > mixed.sqnr_db
    assert (alike.pictures, mixed.pictures) == (12, 12)
