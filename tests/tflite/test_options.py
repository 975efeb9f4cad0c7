"""Options of ops in damaged files; those of whole ones are read in test_reader."""

from types import SimpleNamespace

import pytest
import tflite

from edgekit.tflite.options import enum_names, op_options


def stored(kind, table):
    """An operator that names a kind of options, and may have none, as a damaged file does."""
    answers = {"BuiltinOptionsType": kind, "BuiltinOptions": table, "BuiltinOptions2Type": 0, "BuiltinOptions2": None}
    return SimpleNamespace(**{name: lambda answer=answer: answer for name, answer in answers.items()})


@pytest.mark.parametrize(
    ("kind", "table"), [(tflite.BuiltinOptions.Conv2DOptions, None), (0, SimpleNamespace()), (250, SimpleNamespace())]
)
def test_options_without_a_table_or_without_a_known_kind_are_none(kind, table):
    assert op_options(stored(kind, table)) == ()


def test_enumerations_are_named_as_in_the_schema():
    assert enum_names("Padding") == {0: "SAME", 1: "VALID"}
