"""Members of the EfficientNet family for people and for machines."""

from typing import TYPE_CHECKING, Dict, Iterator

from edgekit.terminal import command

if TYPE_CHECKING:
    from edgekit.converters.making import NewModel


def new_to_json(made: "NewModel") -> Dict[str, object]:
    """`{"model", "name", "classes", "size", "parameters", "flops"}`; size in pixels, FLOPs as multiply-adds."""
    return {
        "model": str(made.path),
        "name": made.variant.name,
        "classes": made.classes,
        "size": made.variant.size,
        "parameters": made.parameters,
        "flops": made.macs,
    }


def new_lines(made: "NewModel") -> Iterator[str]:
    """What was made, and what comes next."""
    variant = made.variant
    yield (
        f"Made {made.path}: {variant.title}, {variant.size}×{variant.size} pixels, {made.classes} classes, "
        f"{made.parameters:,} parameters, {count_text(made.macs)} FLOPs (multiply-adds)."
    )
    yield "Its weights are fresh: train it before you convert it."
    if made.path.suffix.lower() != ".tflite":
        yield f"In Keras: keras.models.load_model({str(made.path)!r})"
    else:
        yield f"Look at it: {command('edgekit', 'inspect', made.path, '--edgetpu')}"


def count_text(number: float) -> str:
    """385,814,752 → «386 M», 1,827,141,392 → «1.83 G»."""
    return f"{number / 1e9:.3g} G" if number >= 999.5e6 else f"{number / 1e6:.3g} M"
