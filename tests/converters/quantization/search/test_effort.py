"""How much the efforts try, as the help and the documentation tell it."""

from pathlib import Path

from edgekit.converters.quantization.corrections import HEAD, NAMES, Wanted, parse_corrections, rewrites
from edgekit.converters.quantization.search.effort import EFFORTS

ARCHITECTURE = (Path(__file__).parents[4] / "docs/architecture.md").read_text("utf-8")


def test_fast_chooses_one_range_method_and_measures_no_tensor_groups():
    fast = EFFORTS["fast"]
    assert fast.ranges == "mse" and (fast.measured, fast.refinements) == (0, 0)


def test_fast_makes_each_correction_that_helps_int8_but_the_fitted_head():
    told = parse_corrections(EFFORTS["fast"].corrections)
    assert told.named == tuple(name for name in NAMES if name not in (HEAD, "small-means", "spread-gates"))
    assert (
        [each.name for each in rewrites(told)] == [each.name for each in rewrites(Wanted(auto=True))] == ["split-swish"]
    )


def test_full_tries_more_than_auto_on_more_images_and_leaves_nothing_out():
    auto, full = EFFORTS["auto"], EFFORTS["full"]
    assert full.selection > auto.selection and full.measured > auto.measured and full.refinements > auto.refinements
    assert full.spread_db == 0.0 < auto.spread_db


def test_auto_does_what_the_documentation_tells():
    auto = EFFORTS["auto"]
    assert f"on up to {auto.selection} calibration" in ARCHITECTURE
    told = " ".join(ARCHITECTURE.split())
    assert f"Where the methods are {auto.spread_db:.0f} dB apart or more" in told
    assert f"is measured on {auto.measured} images" in told
    assert auto.refinements == 12 and "twelve promising changes are tried" in told
