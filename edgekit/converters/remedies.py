"""What to do where a smaller model names other classes than its float original too often."""

from collections.abc import Iterator, Mapping

from edgekit.converters.pipeline import Conversion
from edgekit.targets import TARGETS

_COMPARE = "`edgekit compare` names the layers that cost most"


def remedies(conversion: Conversion) -> tuple[str, ...]:
    """That the agreement is low, and what else to try, in sentences; () where it is not low."""
    verdict = conversion.verdict
    if verdict is None or not verdict.low:
        return ()
    recipe = conversion.artefact.provenance["recipe"]
    doubt = "judge it on images of your own first (--verify-data)" if verdict.source == "synthetic" else ""
    others = "; ".join(filter(None, (doubt, *_REMEDIES[str(recipe["precision"])](recipe))))
    return (f"the {recipe['precision']} model often predicts another class than its float original: {others}",)


def _of_int8(recipe: Mapping[str, object]) -> Iterator[str]:
    yield _COMPARE
    if recipe["effort"] != "full":
        yield "--effort full tries more"
    if "float16" in TARGETS[str(recipe["target"])].precisions:
        yield "--float16 loses next to nothing"
    else:
        yield "calibrate on images like those it will see, or choose a model that int8 suits (docs/int8-went-wrong.md)"


def _of_dynamic(recipe: Mapping[str, object]) -> Iterator[str]:
    yield "--float16 loses next to nothing; --int8, with ranges from images (--data), usually loses less"


def _of_float16(recipe: Mapping[str, object]) -> Iterator[str]:
    yield f"some values are out of float16's reach; {_COMPARE}, --int8 does without float16"


#: Precision → what to try instead.
_REMEDIES = {"int8": _of_int8, "dynamic": _of_dynamic, "float16": _of_float16}
