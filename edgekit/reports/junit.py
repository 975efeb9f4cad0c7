"""JUnit XML, which every continuous integration reads."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

#: What XML 1.0 cannot hold, not even escaped.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Case:
    """One test case.

    Attributes:
      group, name: what it is called: `classname` and `name`.
      output: what was found.
      failure: why it failed; None where it did not.
      skipped: why it was left out; None where it was not.
    """

    group: str
    name: str
    output: str | None = None
    failure: str | None = None
    skipped: str | None = None


def junit(name: str, cases: Sequence[Case]) -> str:
    """A document of one suite."""
    suite = ElementTree.Element(
        "testsuite",
        name=_xml(name),
        tests=str(len(cases)),
        failures=str(sum(case.failure is not None for case in cases)),
        errors="0",
        skipped=str(sum(case.skipped is not None for case in cases)),
    )
    for case in cases:
        element = ElementTree.SubElement(suite, "testcase", classname=case.group, name=_xml(case.name))
        if case.failure is not None:
            failure = ElementTree.SubElement(element, "failure", message=_xml(case.failure))
            failure.text = _xml(case.output or "")
        if case.skipped is not None:
            ElementTree.SubElement(element, "skipped", message=_xml(case.skipped))
        if case.output is not None:
            ElementTree.SubElement(element, "system-out").text = _xml(case.output)
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=False) + "\n"


def _xml(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
