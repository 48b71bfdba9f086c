"""JUnit XML, which continuous integration shows as tests: one for each metric, and one for the verdict."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from atlas_ops.detect.gate import Verdict
from atlas_ops.gate.judge import Finding, Judgement
from atlas_ops.gate.report import words

_SUITE = "atlas-ops gate"
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd]")
"""Characters that XML 1.0 does not take."""


def text(judgement: Judgement) -> str:
    """Return the document. A metric that cannot be judged is `skipped`; the test `verdict` fails unless it is a pass."""
    cases = [_case(finding) for finding in judgement.findings]
    cases.append(_verdict(judgement))
    counts = {kind: str(sum(case.find(kind) is not None for case in cases)) for kind in ("failure", "skipped")}
    suite = ElementTree.Element(
        "testsuite",
        name=_SUITE,
        tests=str(len(cases)),
        failures=counts["failure"],
        skipped=counts["skipped"],
        errors="0",
    )
    suite.extend(cases)
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(finding: Finding) -> ElementTree.Element:
    case = ElementTree.Element("testcase", classname=_SUITE, name=finding.metric.title)
    told = _clean(
        "; ".join(
            f"{name}: {cell}" for name, cell in zip(words.COLUMNS[1:], words.row(finding)[1:], strict=True) if cell
        )
    )
    if finding.verdict is Verdict.FAIL:
        ElementTree.SubElement(case, "failure", message=told)
    elif finding.verdict is not Verdict.PASS:
        ElementTree.SubElement(case, "skipped", message=told)
    ElementTree.SubElement(case, "system-out").text = told
    return case


def _verdict(judgement: Judgement) -> ElementTree.Element:
    case = ElementTree.Element("testcase", classname=_SUITE, name="verdict")
    if judgement.verdict is not Verdict.PASS:
        ElementTree.SubElement(case, "failure", message=_clean(words.sentence(judgement)))
    ElementTree.SubElement(case, "system-out").text = _clean("\n".join((words.sentence(judgement), *judgement.notes)))
    return case


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("?", text)
