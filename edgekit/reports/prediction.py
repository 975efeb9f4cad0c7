"""What a classifier said of an image file: its JSON document, and its lines."""

from dataclasses import asdict
from typing import Dict, Iterator

from edgekit.devices.classifying import FileAnswer
from edgekit.reports.text import error_to_json

_BAR = 24


def answer_to_json(answer: FileAnswer) -> Dict[str, object]:
    """The predictions, best first, or why there are none."""
    if answer.error is not None:
        return {"image": answer.image, "error": error_to_json(answer.error)}
    assert answer.prediction is not None
    return {
        "image": answer.image,
        "device": answer.prediction.device,
        "predictions": [asdict(best) for best in answer.prediction.classes],
        "latency_ms": asdict(answer.prediction.latency),
    }


def answer_lines(answer: FileAnswer) -> Iterator[str]:
    """The classes with their scores as bars; nothing where there are none."""
    if answer.prediction is None:
        return
    yield f"\n{answer.image}  ({sum(asdict(answer.prediction.latency).values()):.1f} ms)"
    for best in answer.prediction.classes:
        bar = "█" * round(_BAR * best.score)
        yield f"{best.score:7.1%}  {bar:<{_BAR}}  {best.label}"
