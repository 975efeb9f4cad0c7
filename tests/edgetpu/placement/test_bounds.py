"""Both sides of every number in the rules, found in their modules: a new number without a case fails."""

import numpy as np
import pytest

from edgekit.edgetpu import CompilerOptions
from edgekit.edgetpu.placement import general_rules, rules, size_rules
from edgekit.edgetpu.placement.case import Case, Seen
from edgekit.edgetpu.placement.registry import violations
from edgekit.tflite.reader import read_graph
from tests.support.one_op import activation, one_op

MODULES = (general_rules, rules, size_rules)
NUMBERS = {
    name: value
    for module in MODULES
    for name, value in vars(module).items()
    if name.isupper() and isinstance(value, (Seen, int, float)) and not isinstance(value, bool)
}


def ints(*values):
    return np.array(values, np.int32)


def _resized(height, width, channels, source):
    x = activation(1, *source, channels)
    return one_op("RESIZE_BILINEAR", x, ints(height, width), out=activation(1, height, width, channels))


def _dense(version=1, rows=1):
    weights = np.ones((4, 16), np.int8)
    return one_op("FULLY_CONNECTED", activation(rows, 16), weights, out=activation(rows, 4), version=version)


#: Size that was seen → the rule, and an op of that size.
SIZES = {
    "MEAN": (
        "mean_over_large_images",
        lambda n: one_op("MEAN", activation(1, n, 1, 3), ints(1, 2), out=activation(1, 3)),
    ),
    "_SOFTMAX": ("softmax_size", lambda n: one_op("SOFTMAX", activation(1, n))),
    "_TRANSPOSE": ("transpose_size", lambda n: one_op("TRANSPOSE", activation(1, 1, n), ints(0, 2, 1))),
    "_RESHAPE": ("reshape_size", lambda n: one_op("RESHAPE", activation(1, n), ints(n, 1), out=activation(n, 1))),
    "_LONG_ROWS": ("long_rows", lambda n: one_op("LOGISTIC", activation(1, n))),
    "_RESIZE_OUTPUT": ("resize_output", lambda n: _resized(n, 1, 1, (n, 1))),
}

#: Other number → the rule, and for a value (op, options of the compiler); how far off the other side is. The number
#: itself is on the side that is mapped for +1, on the other one for -1.
OTHERS = {
    "_INNER": ("three_dimensions", 1, lambda n: (one_op("LOGISTIC", activation(1, *[2] * n)), {})),
    "_INT8_RUNTIME": ("int8_runtime", -1, lambda n: (one_op("TANH", activation(1, 8)), {"min_runtime_version": n})),
    "_ROWS_COMPILER": ("one_vector", -1, lambda n: (_dense(rows=2), {"compiler_version": f"{n}.0"})),
    "_NEW_DENSE": ("dense_version", 1, lambda n: (_dense(version=n - 1), {})),
    "_NEW_RESIZE": ("resize_version", 1, lambda n: (_old_resize(n - 1), {"compiler_version": "15.0"})),
    "_RESIZE_COMPILER": ("resize_version", -1, lambda n: (_old_resize(3), {"compiler_version": f"{n}.0"})),
    "_CHANNEL_STEP": ("mean_over_channels", 1, lambda n: (_over_channels(n), {})),
    "_RESIZE_MAPPED": ("resize_factor", 1, lambda n: (_resized(8 * n, 8, 4, (8, 8)), {})),
    "_RESIZE_ON_CPU": ("resize_factor", None, lambda n: (_resized(round(2 * n), 2, 4, (2, 2)), {})),
}


def _old_resize(version):
    return one_op("RESIZE_BILINEAR", activation(1, 8, 8, 4), ints(8, 8), version=version)


def _over_channels(channels):
    return one_op("MEAN", activation(1, 8, 8, channels), ints(3), out=activation(1, 8, 8))


def judged(rule, model, **options):
    """(whether the rule lets the op through, whether it is certain) at this size."""
    graph = read_graph(model)
    found = [each for each in violations(Case(graph, graph.ops[0], CompilerOptions(**options))) if each.rule == rule]
    return (not any(each.rejected for each in found), all(each.certain for each in found))


MAPPED, UNKNOWN, STAYS = (True, True), (True, False), (False, True)


def test_every_number_in_the_rules_has_a_case():
    assert set(NUMBERS) == {*SIZES, *OTHERS}
    assert {name for name, value in NUMBERS.items() if isinstance(value, Seen)} == set(SIZES)


@pytest.mark.parametrize("name", SIZES)
def test_sizes_on_both_sides_of_what_was_seen(name):
    (rule, model), seen = SIZES[name], NUMBERS[name]
    assert judged(rule, model(seen.mapped)) == MAPPED
    assert judged(rule, model(seen.mapped + 1)) == UNKNOWN
    if seen.on_cpu is not None:
        assert judged(rule, model(seen.on_cpu - 1)) == UNKNOWN
        assert judged(rule, model(seen.on_cpu)) == STAYS


@pytest.mark.parametrize("name", [name for name, (_, side, _) in OTHERS.items() if side])
def test_other_numbers_on_both_sides(name):
    (rule, side, case), number = OTHERS[name], NUMBERS[name]
    within, beyond = case(number), case(number + side)
    assert judged(rule, within[0], **within[1]) == MAPPED
    allowed, certain = judged(rule, beyond[0], **beyond[1])
    assert not (allowed and certain)


def test_the_resize_factor_that_was_seen_to_stay():
    rule, _, case = OTHERS["_RESIZE_ON_CPU"]
    number = NUMBERS["_RESIZE_ON_CPU"]
    assert judged(rule, case(number)[0]) == STAYS
    assert judged(rule, case(number - 0.5)[0]) == UNKNOWN
