"""Checks that document themselves."""

import pytest

from edgekit.documented import Registry, markdown_table


def test_a_docstring_gives_both_texts_and_the_numbers_that_the_check_uses():
    registry = Registry()

    @registry.check("documented", {"limit": 16_384})
    def small_enough(size):
        """At most {limit:,} values
        are allowed.

        Use fewer than {limit}.
        """
        return f"{size} values" if size > 16_384 else None

    (check,) = registry
    assert check.name == "small_enough" and check.facts == "documented"
    assert check.what == "At most 16,384 values are allowed."
    assert check.remedy == "Use fewer than 16384."
    assert (check.run(16_384), check.run(16_385)) == (None, "16385 values")
    assert small_enough(16_385) == "16385 values"


@pytest.mark.parametrize("docstring", [None, "", "Braces {stay} without numbers."])
def test_without_a_remedy_or_a_docstring_the_text_is_empty(docstring):
    def bare(subject):
        return None

    bare.__doc__ = docstring
    registry = Registry()
    registry.check(None)(bare)
    (check,) = registry
    assert (check.what, check.remedy) == (docstring or "", "")


def test_cells_of_a_generated_table_may_hold_a_bar():
    assert markdown_table(("a", "b"), [("x|y", "z")]) == ["| a | b |", "| --- | --- |", "| x\\|y | z |"]
