"""What to do first: steps of the runbook, filled in, the one that the likely cause names first. Pure; called by `slack.message`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from atlas_ops.pager.incident import Incident
from atlas_ops.pager.runbooks import runbook
from atlas_ops.pager.runbooks.runbook import Runbook, Step
from atlas_ops.pager.runbooks.values import values
from atlas_ops.pager.slack import blocks
from atlas_ops.pager.slack.blocks import Section, Span, bold, plain

MITIGATION_STEPS = 3
DIAGNOSIS_STEPS = 1
"""Where no check tells a likely cause, a page begins with how to confirm the fault: at night one acts on a page that one
believes."""
_LIMIT = 600
"""Characters of one step."""


def steps(incident: Incident, book: Runbook) -> Iterator[Section]:
    """Return the first steps, each in a paragraph of its own."""
    lead = incident.lead
    known = values(lead)
    note = f" (filled in for {lead.place})" if incident.headline.total > 1 and lead.place else ""
    for number, step in enumerate(first(incident, book), start=1):
        before = [bold("First steps"), plain(f"{blocks.cut(note, 100)}\n")] if number == 1 else []
        yield blocks.section([*before, *_step(number, runbook.fill(step, known))], _LIMIT)


def first(incident: Incident, book: Runbook) -> Sequence[Step]:
    """Return the steps that a message tells, in their order, not filled in."""
    diagnosis, mitigation = book.steps("Diagnosis"), book.steps("Mitigation")
    likely = incident.diagnosis.likely if incident.diagnosis else ()
    names = dict.fromkeys(_plain(finding.next_step) for finding in likely if finding.next_step)
    every = {_plain(step.title): step for step in (*diagnosis, *mitigation)}
    named = [every[name] for name in names if name in every]
    if named:
        return list(dict.fromkeys((*named, *mitigation)))[:MITIGATION_STEPS]
    return [*diagnosis[:DIAGNOSIS_STEPS], *mitigation[:MITIGATION_STEPS]]


def _step(number: int, step: Step) -> Iterator[Span]:
    yield plain(f"{number}. ")
    yield bold(blocks.cut(step.title, 200))
    if step.effect == "change":
        yield plain(f" (changes things; undo: {blocks.cut(step.undo, 150) or 'not said'})")
    elif step.effect == "read":
        yield plain(" (only reads)")
    if step.commands:
        yield plain("\n")
        yield blocks.block("\n".join(step.commands))
    elif step.prose:
        yield plain(f"\n{blocks.cut(step.prose, 250)}")


def _plain(title: str) -> str:
    return " ".join(title.split()).rstrip(".").casefold()
