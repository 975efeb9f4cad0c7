"""What a search found out about a model and did about it, for people; read from its steps."""

from collections.abc import Sequence

from edgekit.converters.quantization.search.search import Step, kept


def explain(steps: Sequence[Step]) -> tuple[str, ...]:
    """Sentences, one for each thing that was done; () where nothing had to be done."""
    told = (
        _rewrites(steps),
        *map(_adjustment, kept(steps, "adjustment")),
        _groups(kept(steps, "group")),
        *map(_head, kept(steps, "head")),
    )
    return tuple(sentence for sentence in told if sentence)


def _rewrites(steps: Sequence[Step]) -> str:
    plain = next((step for step in steps if step.kind == "ranges"), None)
    taken = kept(steps, "ranges")
    form = taken[-1].candidate.form if taken else None
    if plain is None or form is None or not form.corrections or plain.candidate.form.corrections:
        return ""
    return (
        f"Channels of different size lose much in int8: min-max ranges give the scores {plain.sqnr_db:.1f} dB SQNR, "
        f"{' and '.join(form.corrections)} ({form.changes} places) with {taken[-1].method} ranges: "
        f"{taken[-1].sqnr_db:.1f} dB."
    )


def _adjustment(step: Step) -> str:
    (name,) = step.candidate.adjusted[-1:]
    return f"Correction {name} of the quantized weights: SQNR {step.before_db:.1f} → {step.sqnr_db:.1f} dB."


def _groups(steps: Sequence[Step]) -> str:
    if not steps:
        return ""
    changes = ", ".join(f"{step.group}: {step.method}" for step in steps)
    return f"Other range methods for some tensors ({changes}): SQNR {steps[-1].sqnr_db:.1f} dB."


def _head(step: Step) -> str:
    return (
        f"Last layer fitted to its int8 inputs: SQNR {step.before_db:.1f} → {step.sqnr_db:.1f} dB on images left out "
        "of the fit."
    )
