"""A program's own tests, for pytest."""

from unittest import mock

import pytest
from pycoral.utils import edgetpu


def test_devices_are_listed():
    assert isinstance(edgetpu.list_edge_tpus(), list)


def test_a_missing_model_is_told():
    with pytest.raises(ValueError, match="Could not open"):
        edgetpu.make_interpreter("none.tflite")


def test_names_can_be_replaced():
    replaced = mock.patch("pycoral.utils.edgetpu.load_edgetpu_delegate", side_effect=ValueError("mine"))
    with replaced, pytest.raises(ValueError, match="mine"):
        edgetpu.make_interpreter("none.tflite")
