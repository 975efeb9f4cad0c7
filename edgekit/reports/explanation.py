"""Activation maps as text and as a JSON document."""

from collections.abc import Iterator

from edgekit.converters.explaining import ActivationMap, ExplainedImage, Explanation
from edgekit.reports.text import columns, percent

_WAYS = {
    "cam": "exact, a sum over the positions of the feature maps that the head reads",
    "grad-cam": "the last feature map, weighted by slopes of the score",
    "occlusion": "what covering a part of the image costs the score",
}


def explanation_lines(found: Explanation) -> Iterator[str]:
    """How the maps were made, a row for each image, and how alike they are."""
    for model, way in zip(found.models, found.ways, strict=True):
        yield f"{model}: {way} ({_WAYS[way]})"
    yield ""
    first, *others = found.models
    header = ("image", "class", first, *(title for model in others for title in (model, "correlation")))
    yield from columns(header, [_row(image) for image in found.images])
    for number, model in enumerate(found.models[1:], 1):
        values = found.correlations(number)
        if values:
            yield f"Correlation of the maps of {model} with those of {found.models[0]} (Pearson, position by position):"
            yield f"  mean {sum(values) / len(values):.3f}, least {min(values):.3f}, on {_images(len(values))}"
    for name, reason in list(found.skipped.items())[:3]:
        yield f"Skipped {name}: {reason}"


def _row(image: ExplainedImage) -> tuple[str, ...]:
    first, *others = image.maps
    compared = (text for each in others for text in (_said(each, image.label), _correlation(each)))
    return (image.image, image.label, _said(first, image.label), *compared)


def _said(found: ActivationMap, label: str) -> str:
    return percent(found.score) + ("" if found.predicted == label else f", predicts {found.predicted}")


def _correlation(found: ActivationMap) -> str:
    return "-" if found.correlation is None else f"{found.correlation:.3f}"


def _images(count: int) -> str:
    return f"{count} image" if count == 1 else f"{count} images"


def explanation_to_json(found: Explanation) -> dict[str, object]:
    """All maps, with what the models said; correlations are Pearson's with the first model's map.

    `rows` and `columns` are the centres of a map's positions, as parts of the image's height and width.
    """
    return {
        "models": [
            {"model": model, "way": way, "correlation": _summary(found, number)}
            for number, (model, way) in enumerate(zip(found.models, found.ways, strict=True))
        ],
        "images": [
            {
                "image": image.image,
                "index": image.index,
                "label": image.label,
                "maps": [_map_to_json(each) for each in image.maps],
            }
            for image in found.images
        ],
        "skipped": [{"image": name, "reason": reason} for name, reason in found.skipped.items()],
    }


def _summary(found: Explanation, model: int) -> dict[str, object] | None:
    values = found.correlations(model)
    return {"mean": sum(values) / len(values), "least": min(values), "images": len(values)} if values else None


def _map_to_json(found: ActivationMap) -> dict[str, object]:
    return {
        "model": found.model,
        "score": found.score,
        "predicted": found.predicted,
        "correlation": found.correlation,
        "map": found.values.tolist(),
        "rows": found.places.rows.tolist(),
        "columns": found.places.columns.tolist(),
    }
