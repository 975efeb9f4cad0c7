import inspect
import re

import pytest

from edgekit import errors
from edgekit.errors import CompilerError, EdgekitError


def classes():
    found = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, EdgekitError)]
    assert len(found) > 10
    return found


@pytest.mark.parametrize("kind", classes())
def test_every_error_carries_message_hint_and_kind(kind):
    error = kind("What happened.", "What to do.")
    assert (error.message, error.hint, error.kind, error.exit_code) == (
        "What happened.",
        "What to do.",
        kind.__name__,
        3 if kind is CompilerError else 2,
    )
    assert str(error) == "What happened. What to do."
    assert str(kind("What happened.")) == "What happened."


def test_the_tree_in_the_docstring_is_the_tree():
    drawn = re.findall(r"^ +([│ ]*)(?:[├└]── )?(\w+Error)  ", errors.__doc__, re.MULTILINE)
    assert sorted(name for _, name in drawn) == sorted(kind.__name__ for kind in classes())
    for lead, name in drawn:
        base = getattr(errors, name).__mro__[1]
        if name == "EdgekitError":
            assert base is Exception
        else:
            assert (base is EdgekitError) == (lead.strip() == ""), name
