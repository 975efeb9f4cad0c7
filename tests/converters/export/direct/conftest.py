"""Both Kerases and the formats that they save."""

import pytest


@pytest.fixture(params=["keras2.h5", "keras3.h5", "keras3.keras"])
def way(request, keras2, keras3):
    """(a Keras, the suffix that it saves to)."""
    library, suffix = request.param.split(".")
    return (keras2 if library == "keras2" else keras3), "." + suffix
