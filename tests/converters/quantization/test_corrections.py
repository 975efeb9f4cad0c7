"""Which corrections a text asks for."""

import pytest

from edgekit.converters.quantization.corrections import AUTO, CORRECTIONS, HEAD, NAMES, NONE, Form, parse_corrections
from edgekit.errors import UsageError


def taken(text):
    wanted = parse_corrections(text)
    return [each.name for each in CORRECTIONS if wanted.takes(each)] + [HEAD] * wanted.head


@pytest.mark.parametrize(
    ("text", "made"),
    [
        (AUTO, ["split-swish", "rounding", "head"]),
        (NONE, []),
        ("head", ["head"]),
        ("rounding", ["rounding"]),
        ("rounding, split-swish", ["split-swish", "rounding"]),
        ("spread-gates", ["spread-gates"]),
        (",".join(NAMES), list(NAMES)),
    ],
)
def test_what_is_named_is_made_and_auto_leaves_out_what_serves_a_target_alone(text, made):
    assert sorted(taken(text)) == sorted(made)


@pytest.mark.parametrize("name", NAMES)
def test_auto_with_a_name_makes_that_in_any_case_and_tries_the_others(name):
    wanted = parse_corrections(f"auto,{name}")
    assert wanted.auto and wanted.named == (name,)
    assert set(taken(f"auto,{name}")) == {name, *taken(AUTO)}


@pytest.mark.parametrize("text", ["", "none,head", "split_swish", "auto,bias"])
def test_other_words_are_refused(text):
    with pytest.raises(UsageError, match="no correction"):
        parse_corrections(text)


def test_a_form_is_of_the_model_as_it_is_where_nothing_else_is_said():
    form = Form(None, None)
    assert (form.corrections, form.changes, form.limits, form.margins, form.allow_float) == ((), 0, {}, {}, False)
