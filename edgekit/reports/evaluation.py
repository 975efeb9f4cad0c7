"""An evaluation as files: JSON values, a CSV of the confusion matrix, JUnit XML for continuous integration."""

import csv
import io
import re
from typing import Any
from xml.etree import ElementTree

from edgekit.evaluation.accuracy import Evaluation, label_of

#: What XML 1.0 cannot hold, not even escaped.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def unmet_demand(evaluation: Evaluation, min_top1: float | None) -> str | None:
    """In words how top-1 misses what was asked for, 0–1; None where it does not."""
    # Exactly the limit is met, whatever the last bit of a quotient says.
    if min_top1 is None or evaluation.top1 >= min_top1 - 1e-9:
        return None
    return f"top-1 is {evaluation.top1:.1%}, less than the {min_top1:.1%} asked for"


def to_json(evaluation: Evaluation) -> dict[str, Any]:
    """A JSON-ready dictionary of everything an evaluation found."""
    labels = evaluation.labels
    return {
        "images": evaluation.images,
        "top1": evaluation.top1,
        "top1_interval": list(evaluation.top1_interval),
        "top5": evaluation.top5,
        "top5_interval": list(evaluation.top5_interval),
        "mapping": evaluation.mapping,
        "offset": evaluation.offset,
        "classes": [
            {"index": c.index, "label": c.label, "images": c.images, "top1": c.top1, "interval": list(c.interval)}
            for c in evaluation.classes
        ],
        "confusion": [
            {"truth": label_of(o.truth, labels), "answer": label_of(o.answer, labels), "images": o.images}
            | {"truth_index": o.truth, "answer_index": o.answer}
            for o in evaluation.confusion
        ],
        "skipped": [{"image": name, "reason": reason} for name, reason in evaluation.skipped.items()],
    }


def to_csv(evaluation: Evaluation) -> str:
    """The confusion matrix, one row for each of its entries that is not zero."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["truth_index", "truth", "answer_index", "answer", "images"])
    for o in evaluation.confusion:
        truth, answer = (label_of(index, evaluation.labels) for index in (o.truth, o.answer))
        writer.writerow([o.truth, truth, o.answer, answer, o.images])
    return stream.getvalue()


def to_junit(evaluation: Evaluation, model: str, min_top1: float | None = None) -> str:
    """JUnit XML: a test case for the accuracy, and a skipped one for each image that could not be used.

    Without a demand the first case only records the figures and passes.
    """
    unmet = unmet_demand(evaluation, min_top1)
    suite = ElementTree.Element(
        "testsuite",
        name=_xml(f"edgekit evaluate {model}"),
        tests=str(1 + len(evaluation.skipped)),
        failures=str(int(unmet is not None)),
        errors="0",
        skipped=str(len(evaluation.skipped)),
    )
    low, high = evaluation.top1_interval
    found = f"top-1 {evaluation.top1:.4f} ({low:.4f} to {high:.4f}), top-5 {evaluation.top5:.4f}"
    asked = "top-1" if min_top1 is None else f"top-1 at least {min_top1:.1%}"
    case = ElementTree.SubElement(suite, "testcase", classname="edgekit.evaluate", name=asked)
    if unmet is not None:
        ElementTree.SubElement(case, "failure", message=unmet).text = found
    ElementTree.SubElement(case, "system-out").text = f"{found}, {evaluation.images} images"
    for name, reason in evaluation.skipped.items():
        case = ElementTree.SubElement(suite, "testcase", classname="edgekit.evaluate.image", name=_xml(name))
        ElementTree.SubElement(case, "skipped", message=_xml(reason))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=False) + "\n"


def _xml(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
