"""The likely cause, as the checks of the runbook found it, and what is not known. Pure; called by `slack.message`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from atlas_ops.pager.diagnosis.verdict import Diagnosis, Finding, Standing
from atlas_ops.pager.slack import blocks
from atlas_ops.pager.slack.blocks import Span, bold, plain

_LIKELY = 3
_UNKNOWN = 3
_CAUSE, _TOLD = 150, 250
"""Characters of one cause and of its evidence."""


def cause(diagnosis: Diagnosis) -> Iterator[Span]:
    """Return the causes that there is evidence for, the likeliest first; then those of which nothing is known."""
    if diagnosis.likely:
        yield bold("Likely cause")
        yield plain("  ")
        yield from _likely(diagnosis.likely)
    else:
        yield bold("Likely cause not known")
        yield plain("  no check of the runbook finds evidence")
    unknown = [finding for finding in diagnosis.findings if finding.standing is Standing.UNKNOWN]
    if unknown:
        yield plain(f"\nNot known: {_named(unknown)}")
    ruled_out = len(diagnosis.findings) - len(diagnosis.likely) - len(unknown)
    if ruled_out and not diagnosis.likely:
        yield plain(f"\n{ruled_out} of {len(diagnosis.findings)} known causes ruled out")


def _likely(findings: Sequence[Finding]) -> Iterator[Span]:
    for number, finding in enumerate(findings[:_LIKELY]):
        if number:
            yield plain("\n• perhaps also ")
        yield bold(blocks.cut(finding.cause, _CAUSE))
        yield plain(f": {blocks.cut(_line(finding.told), _TOLD)}")
    if len(findings) > _LIKELY:
        yield plain(f"\nand {len(findings) - _LIKELY} more on the incident page")


def _named(findings: Sequence[Finding]) -> str:
    shown = [f"{blocks.cut(one.cause, _CAUSE // 2)} ({blocks.cut(_line(one.told), 80)})" for one in findings[:_UNKNOWN]]
    more = f" and {len(findings) - _UNKNOWN} more" if len(findings) > _UNKNOWN else ""
    return "; ".join(shown) + more


def _line(text: str) -> str:
    return " ".join(text.split()).rstrip(".")
