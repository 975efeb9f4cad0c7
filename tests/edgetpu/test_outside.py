import re
from pathlib import Path

import pytest

from edgekit.edgetpu.outside import COMPILER, DRIVER, LIBRARY, OFFERS, offers, page, version_of


@pytest.mark.parametrize("offer", OFFERS, ids=lambda offer: offer.name)
def test_each_fact_has_a_source_and_the_month_when_it_was_read(offer):
    assert offer.source and offer.fits and offer.note
    assert re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", offer.date)


def test_something_fits_every_need():
    assert all(offers(what) for what in (DRIVER, LIBRARY, COMPILER))
    assert offers(DRIVER, (99,)), "no driver is known for the newest kernels"


@pytest.mark.parametrize(
    ("text", "version"),
    [("6.12.5-v8+", (6, 12, 5)), ("5.15.0-91-generic", (5, 15, 0)), ("6.18", (6, 18)), ("", ()), ("linux", ())],
)
def test_releases_begin_with_numbers(text, version):
    assert version_of(text) == version


def test_a_version_leaves_out_what_no_longer_fits():
    names = {offer.name for offer in offers(DRIVER, (6, 12, 0))}
    assert "google/gasket-driver" not in names
    assert "google/gasket-driver" in {offer.name for offer in offers(DRIVER, (6, 11, 99))}
    assert len(offers(DRIVER)) > len(names)


def test_corals_own_driver_is_offered_for_the_kernels_it_builds_on():
    """google-coral/edgetpu issues 808 and 822: it builds on 6.2 and fails on 6.5, by a change of 6.4."""
    names = [
        {offer.name for offer in offers(DRIVER, version)} for version in ((6, 2, 16), (6, 3, 99), (6, 4, 0), (6, 5))
    ]
    assert ["gasket-dkms from Coral's Debian repository" in each for each in names] == [True, True, False, False]


def test_the_page_is_what_the_table_says():
    stored = Path(__file__).resolve().parents[2] / "docs" / "outside.md"
    assert stored.read_text(encoding="utf-8") == page() + "\n", (
        "run: python -m edgekit.edgetpu.outside > docs/outside.md"
    )


def test_the_kernel_from_which_on_a_driver_does_not_fit_is_the_one_that_is_told():
    told = {offer.name: re.fullmatch(r"kernels before (\d+)\.(\d+)", offer.fits) for offer in OFFERS}
    expected = {name: tuple(map(int, found.groups())) for name, found in told.items() if found}
    assert {offer.name: offer.below for offer in OFFERS if offer.below} == expected
    assert len(expected) == 2
