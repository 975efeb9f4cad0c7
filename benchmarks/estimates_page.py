"""docs/estimates.md and its plot, from the constants in use and the figures that they are judged on."""

from collections import defaultdict
from pathlib import Path

import numpy as np

from benchmarks.published import (
    DEVELOPED_ON,
    HERE,
    UNEXPLAINED,
    memory_pairs,
    memory_rows,
    printed,
    set_aside,
    table,
)
from edgekit.documented import markdown_table
from edgekit.edgetpu.estimate.estimate import bytes_text, estimate, milliseconds_text
from edgekit.edgetpu.estimate.profiles import (
    EDGE_TPU,
    HOSTS,
    LATENCY_SPREAD,
    LEAST_FREE,
    MANY_CONCATENATIONS,
    MEMORY_SPREAD,
    MOST_FREE,
)
from edgekit.edgetpu.placement.mapping import map_ops
from edgekit.models.family import FAMILY
from edgekit.sizes import size_text

PAGE = HERE.parent / "docs" / "estimates.md"
#: Its words; the figures are filled in.
TEMPLATE = HERE / "estimates_page.md"
PLOT = PAGE.parent / "images" / "estimates.svg"
#: The networks of which the page gives both figures.
SHOWN = ("mobilenet_v2_224", "efficientnet_edgetpu_s_224", "efficientnet_edgetpu_m_240", "efficientnet_edgetpu_l_300")
MEMBERS = ("lite0", "lite1", "lite2", "b0")


def page(chosen, shared=None):
    """The document as Markdown; the part on compiled files stays as it is where the shared data is not at hand."""
    errors = set_aside(chosen)
    chip = EDGE_TPU
    return TEMPLATE.read_text(encoding="utf-8").format(
        tiles=chip.tiles,
        words=chip.words,
        lanes=chip.lanes,
        units=chip.tiles * chip.lanes * chip.words,
        tile=size_text(chip.tile_bytes),
        halo=size_text(chip.halo_bytes),
        most=size_text(chip.most_halo_bytes),
        activations=size_text(chip.activation_bytes),
        piece=size_text(chip.piece_bytes),
        call=chip.call_bytes,
        op=chip.op_bytes,
        spill=chip.spill_bytes,
        array=chip.array_ns,
        vector=chip.vector_ns,
        least=LEAST_FREE,
        more=MOST_FREE,
        spread=MEMORY_SPREAD - 1,
        latency_spread=LATENCY_SPREAD,
        many=MANY_CONCATENATIONS,
        memory_table=_memory_table(shared),
        hosts=_hosts(),
        errors=_errors(errors),
        networks=_networks(errors),
        members=_table(("model", "on-chip memory", *HOSTS), [member_row(name) for name in MEMBERS]),
        sources="\n".join(_sources()),
    )


def _table(header, rows):
    return "\n".join(markdown_table(header, rows))


def _memory_table(shared):
    pairs = list(memory_pairs(printed()))
    header = ("what", "figures of 64 KiB and more", "median error", "within 10 %", "in their interval")
    rows = [
        _memory_row(f"printed by compilers, {source}", pairs, source) for source in dict.fromkeys(p[0] for p in pairs)
    ]
    rows += _compiled(shared) if shared else [_kept(title) for title in ("developed on", "held out")]
    return _table(header, rows)


def _memory_row(title, pairs, source):
    chosen = [(mib, interval) for name, mib, interval in pairs if name == source]
    errors = np.abs([interval[1] / mib - 1 for mib, interval in chosen])
    inside = np.mean([interval[0] <= mib <= interval[2] for mib, interval in chosen])
    return (title, str(len(chosen)), f"{np.median(errors):.1%}", f"{np.mean(errors <= 0.1):.0%}", f"{inside:.0%}")


def _compiled(shared):
    errors = defaultdict(list)
    for _, repository, real, expected in memory_rows(shared):
        if real >= 64 * 1024:
            errors["developed on" if repository in DEVELOPED_ON else "held out"].append(abs(expected / real - 1))
    for part in ("developed on", "held out"):
        found = np.array(errors[part])
        inside = np.mean(found <= MEMORY_SPREAD - 1)
        title = f"stored in compiled files, repositories {part}"
        yield (title, str(len(found)), f"{np.median(found):.1%}", f"{np.mean(found <= 0.1):.0%}", f"{inside:.0%}")


def _kept(part):
    """A row as the page has it."""
    title = f"stored in compiled files, repositories {part}"
    line = next(line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith(f"| {title} |"))
    return tuple(cell.strip() for cell in line.strip("|").split("|"))


def _hosts():
    header = ("`--host`", "computer", "fixed", "a byte sent", "a byte fetched", "clock")
    rows = [
        (
            name,
            host.title,
            f"{host.fixed_ms} ms",
            f"{host.send_ns} ns ({1e3 / host.send_ns:.0f} MB/s)",
            f"{host.fetch_ns} ns",
            "full" if host.clock == 1 else f"1/{host.clock:.0f}",
        )
        for name, host in HOSTS.items()
    ]
    return _table(header, rows)


def _errors(errors):
    """Errors on figures whose source was left out of the fit."""
    header = ("left out", "figures", "median error", "in their interval")
    rows = [_errors_row("**networks, all sources**", [e for f, e in errors if not f.synthetic])]
    rows.append(_errors_row("**synthetic models, all sources**", [e for f, e in errors if f.synthetic]))
    for group in dict.fromkeys(figure.group for figure, _ in errors):
        for synthetic, kind in ((False, "networks"), (True, "synthetic")):
            chosen = [error for figure, error in errors if figure.group == group and figure.synthetic == synthetic]
            if chosen:
                rows.append(_errors_row(f"{group}, {kind}", chosen))
    return _table(header, rows)


def _errors_row(title, errors):
    size = np.abs(errors)
    inside = np.mean(size <= np.log(LATENCY_SPREAD))
    return (title, str(len(size)), f"{np.median(np.expm1(size)):.0%}", f"{inside:.0%}")


def _networks(errors):
    rows = [
        (
            figure.model,
            HOSTS[figure.host].title,
            figure.source,
            f"{figure.ms:g} ms",
            f"{figure.ms * np.exp(error):.1f} ms",
        )
        for figure, error in errors
        if figure.model in SHOWN
    ]
    return _table(("model", "computer", "source", "published", "estimated without that source"), rows)


def member_row(name):
    """A member's row; memory and latencies in the very words of `inspect`."""
    from benchmarks.family import quantized

    graph = quantized(FAMILY[name])
    found = estimate(graph, map_ops(graph))
    return (f"{name}, {FAMILY[name].size}", bytes_text(found.on_chip), *map(milliseconds_text, found.latency.values()))


def _sources():
    for row in table("sources.csv"):
        yield f"- {row['source']}: <{row['where']}>, {row['date']}; {row['note']}."


def write(text, chosen):
    """The page and its plot."""
    PAGE.write_text(text, encoding="utf-8")
    plot(set_aside(chosen), PLOT)


def plot(errors, path: Path):
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "edgekit"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 6))
    colours = dict(zip(HOSTS, ("#1668a8", "#7a4fb0", "#c79a12", "#c75b12", "#2a8a3e", "#b03060")))
    for host, colour in colours.items():
        for synthetic, marker in ((False, "o"), (True, ".")):
            chosen = [(f.ms, f.ms * np.exp(e)) for f, e in errors if f.host == host and f.synthetic == synthetic]
            if chosen:
                kind = "series" if synthetic else "networks"
                axes.plot(*zip(*chosen), marker, mec=colour, mfc="none", ms=6, label=f"{HOSTS[host].title}: {kind}")
    ends = np.array([0.08, 1500])
    axes.plot(ends, ends, color="black", lw=1)
    shade = {"color": "black", "alpha": 0.08, "lw": 0, "label": "interval"}
    axes.fill_between(ends, ends / LATENCY_SPREAD, ends * LATENCY_SPREAD, **shade)
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends, xlabel="published (ms)")
    axes.set_ylabel("estimated, its source left out of the fit (ms)")
    axes.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    assert UNEXPLAINED not in {f.model for f, _ in errors}
