"""A benchmark on a phone: its JSON document, of the form of a local one, and its table."""

from pathlib import Path
from typing import Dict, Iterator, Optional, Sequence, Tuple

from edgekit.devices.benchmarking.baseline import Slowdown
from edgekit.devices.phone.benchmark import BLOCKS, PhoneBenchmark, PhoneMeasurement, Turn
from edgekit.evaluation.phone import PhoneAgreement
from edgekit.reports.benchmark import ratio_text, ratio_to_json
from edgekit.reports.text import Facts, columns, error_to_json, with_interval
from edgekit.sizes import size_text

_HEADER = ("model", "device", "threads", "load", "first", "inference", "p95", "memory", "agreement", "ratio (95 % CI)")


def phone_to_json(
    found: PhoneBenchmark, agreements: Sequence[PhoneAgreement], slower: Sequence[Slowdown] = ()
) -> Dict[str, object]:
    """The document of a local benchmark, with `phone`, `failed` and each result's `agreement`.

    What the binary does not tell is null: p99, preprocess and postprocess, the peak of memory.
    """
    then = {each.timed.key: each.ratio for each in slower}
    by_turn = {each.turn: each for each in agreements}
    phone = found.phone
    return {
        "machine": {
            "processor": processor(found),
            "system": f"Android {phone.android}",
            "abis": list(phone.abis),
            "serial": phone.serial,
            "binary": found.binary,
            "governors": list(found.governors),
            "load": found.load,
        },
        "warm_up": found.warm_up,
        "results": [
            {
                **_result(found, each),
                **ratio_to_json("slowdown", then.get(each.timed.key)),
                "agreement": _agreement_to_json(by_turn.get(each.turn)),
            }
            for each in found.measurements
        ],
        "failed": [{**_turn_to_json(each.turn), **error_to_json(each.error)} for each in found.failed],
        "notes": list(_notes(found, agreements)),
    }


def processor(found: PhoneBenchmark) -> str:
    """The phone and its chip."""
    phone = found.phone
    return f"{phone.name} ({phone.processor})" if phone.processor else phone.name


def _turn_to_json(turn: Turn) -> Dict[str, object]:
    return {"model": turn.model, "device": turn.accelerator.name, "threads": turn.threads}


def _result(found: PhoneBenchmark, each: PhoneMeasurement) -> Dict[str, object]:
    told = each.printed[0]
    return {
        **_turn_to_json(each.turn),
        "reason": "it was requested",
        "delegated": told.delegated or None,
        "on_cpu": list(told.on_cpu),
        "load_ms": each.median("load"),
        "first_ms": each.median("first"),
        "inference_ms": {
            "p50": each.median("median"),
            "mean": each.median("mean"),
            "p95": each.median("p95"),
            "p99": None,
        },
        "preprocess_ms": None,
        "postprocess_ms": None,
        "runs": sum(printed.runs for printed in each.printed),
        "blocks_ms": [float(value) for value in each.timed.blocks],
        "peak_memory_bytes": None,
        "model_memory_bytes": each.median("memory_bytes"),
        **ratio_to_json("ratio", found.ratio(each)),
    }


def _agreement_to_json(found: Optional[PhoneAgreement]) -> Optional[Dict[str, object]]:
    if found is None:
        return None
    return {
        "agreement": found.agreement,
        "interval": list(found.interval) if found.agreement is not None else None,
        "images": found.images,
        "source": found.source,
        "sqnr_db": found.sqnr_db if found.agreement is not None else None,
        "broken": found.broken or None,
        "why_not": found.why_not or None,
    }


def phone_facts(found: PhoneBenchmark, agreements: Sequence[PhoneAgreement]) -> Facts:
    """The phone and the way of measuring."""
    phone = found.phone
    chip = f", {phone.processor}" if phone.processor else ""
    yield "Phone", f"{phone.name}{chip}, Android {phone.android}, {', '.join(phone.abis)} ({phone.serial})"
    yield "Binary", found.binary
    if found.governors:
        yield "Governor", ", ".join(found.governors)
    if found.load is not None:
        yield "Load", f"{found.load:.2f} before the run"
    runs = sum(printed.runs for printed in found.measurements[0].printed)
    yield "Runs", f"{runs} of each in {BLOCKS} blocks, interleaved, each after {found.warm_up} of warm-up"
    compared = next((each for each in agreements if each.agreement is not None), None)
    if compared:
        kind = "synthetic images" if compared.source == "synthetic" else "images"
        yield "Agreement", f"with the CPU interpreter here, on {compared.images} {kind}"
    for note in _notes(found, agreements):
        yield "Note", note


def phone_lines(found: PhoneBenchmark, agreements: Sequence[PhoneAgreement]) -> Iterator[str]:
    """A row for each measurement."""
    by_turn = {each.turn: each for each in agreements}
    yield from columns(_HEADER, [_row(found, each, by_turn.get(each.turn)) for each in found.measurements])
    yield ""
    yield "  Times in ms, the median of the blocks: load is the model's initialization, inference the median, or the"
    yield "  mean where the binary tells no median. Memory is what the process grew by."


def _row(found: PhoneBenchmark, each: PhoneMeasurement, agreement: Optional[PhoneAgreement]) -> Tuple[str, ...]:
    typical = each.median("median")
    times = (each.median("load"), each.median("first"), typical or each.median("mean"), each.median("p95"))
    memory = each.median("memory_bytes")
    return (
        Path(each.turn.model).name,
        each.turn.accelerator.name,
        str(each.turn.threads),
        *("-" if value is None else f"{value:.3g}" if value < 100 else f"{value:.0f}" for value in times),
        "-" if memory is None else size_text(round(memory)),
        "-"
        if agreement is None or agreement.agreement is None
        else with_interval(agreement.agreement, agreement.interval),
        "1" if each is found.measurements[0] else ratio_text(found.ratio(each)),
    )


def unmet(agreements: Sequence[PhoneAgreement]) -> Optional[str]:
    """The first answers that are plainly wrong, in words; None where none are."""
    wrong = [each for each in agreements if each.broken]
    return f"{_named(wrong[0].turn)} answers with {wrong[0].broken}" if wrong else None


def _named(turn: Turn) -> str:
    return f"{Path(turn.model).name} on {turn.accelerator.name}"


def _notes(found: PhoneBenchmark, agreements: Sequence[PhoneAgreement]) -> Iterator[str]:
    for lost in found.failed:
        yield f"{_named(lost.turn)} could not be timed. {lost.error}"
    for each in found.measurements:
        told = each.printed[0]
        if told.delegated not in ("", "all of it"):
            left = f": {'; '.join(told.on_cpu)}" if told.on_cpu else ""
            yield f"{_named(each.turn)}: the delegate took {told.delegated}, the CPU computes the rest{left}."
    for agreement in agreements:
        if agreement.broken:
            yield f"{_named(agreement.turn)} answers with {agreement.broken}: do not use it there."
        elif agreement.agreement is not None and agreement.interval[1] < 1:
            yield f"{_named(agreement.turn)} names another class than the CPU here on some images: look at them."
    for reason in dict.fromkeys(each.why_not for each in agreements if each.why_not):
        yield f"Answers were not compared: {reason.rstrip('.')}."
    varying = [each for each in found.governors if each != "performance"]
    if varying:
        yield f"The phone's governor is {', '.join(varying)}: its clock follows the work and its heat."
