"""What a model takes beside another, in a line and as JSON."""

from edgekit.evaluation.cost import Cost


def cost_text(cost: Cost, first: str, second: str) -> str:
    """«float 16.1 MB, 28.1 ms; int8 5.3 MB, 14.9 ms: 0.53 times as long (95 % CI 0.52–0.55) on one CPU core»."""
    told = (
        f"{name} {size / 1e6:.1f} MB, {time:.3g} ms"
        for name, size, time in zip((first, second), cost.sizes, cost.milliseconds, strict=True)
    )
    low, high = cost.ratio.interval
    ratio = f"{cost.ratio.value:.2f} times as long (95 % CI {low:.2f}–{high:.2f}) on one CPU core"
    return f"{'; '.join(told)}: {ratio}"


def cost_to_json(cost: Cost) -> dict[str, object]:
    """Bytes, milliseconds and the ratio with its interval; pairs are the first model's value and the second's."""
    return {
        "bytes": list(cost.sizes),
        "inference_ms": list(cost.milliseconds),
        "ratio": cost.ratio.value,
        "ratio_interval": list(cost.ratio.interval),
    }
