"""docs/estimates.md: written by a command, and what it promises of one model is what users are told of it."""

import numpy as np
import pytest

from edgekit.edgetpu.estimate.profiles import HOSTS, LATENCY_SPREAD
from edgekit.edgetpu.placement.mapping import map_ops
from edgekit.models.family import FAMILY
from edgekit.reports.placement import placement_lines


def test_the_row_of_b0_is_what_inspect_prints():
    pytest.importorskip("litert_quantizer")
    from benchmarks.estimates_page import PAGE, member_row
    from benchmarks.family import quantized

    row = member_row("b0")
    assert "| " + " | ".join(row) + " |" in PAGE.read_text(encoding="utf-8").splitlines()
    graph = quantized(FAMILY["b0"])
    printed = "\n".join(placement_lines(graph, map_ops(graph)))
    assert f"  parameters  {row[1]} on chip (estimated)\n" in printed
    for said, host in zip(row[2:], HOSTS.values()):
        assert f"  latency     {said} ({host.title})\n" in printed


@pytest.mark.shared
def test_the_page_is_up_to_date(shared):
    pytest.importorskip("keras")
    pytest.importorskip("scipy")
    from benchmarks.estimates_page import PAGE, page
    from benchmarks.published import figures

    assert PAGE.read_text(encoding="utf-8") == page(figures(), shared / "edgetpu")


def test_the_interval_holds_nine_in_ten_figures_of_sources_left_out():
    pytest.importorskip("keras")
    pytest.importorskip("scipy")
    from benchmarks.published import figures, fit, set_aside, spread

    errors = set_aside(figures())
    assert spread([error for _, error in errors]) == pytest.approx(LATENCY_SPREAD, abs=0.02)
    networks = np.abs([error for figure, error in errors if not figure.synthetic])
    synthetic = np.abs([error for figure, error in errors if figure.synthetic])
    assert np.expm1(np.median(networks)) <= 0.2 and np.expm1(np.median(synthetic)) <= 0.4
    for size in (networks, synthetic):
        assert 0.85 <= np.mean(size <= np.log(LATENCY_SPREAD)) <= 0.95
    _, hosts = fit(figures())
    for name, host in HOSTS.items():
        assert (host.fixed_ms, host.send_ns) == pytest.approx((hosts[name].fixed_ms, hosts[name].send_ns), rel=0.03)
        assert host.fetch_ns == pytest.approx(hosts[name].fetch_ns, rel=0.03)
