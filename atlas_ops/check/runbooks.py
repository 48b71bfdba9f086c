"""Check: every fault has its runbook, whole and up to date, and every runbook has its fault."""

from __future__ import annotations

import re
from collections.abc import Iterator

from atlas_ops.catalog.model import Fault
from atlas_ops.check import markdown
from atlas_ops.check.finding import Finding, did_you_mean
from atlas_ops.check.generated import first_difference
from atlas_ops.check.tree import Tree
from atlas_ops.pager.runbooks import front_matter
from atlas_ops.pager.runbooks.runbook import Runbook
from atlas_ops.render import runbooks

HEADINGS = ("Meaning", "Impact", "Diagnosis", "Mitigation", "Escalation")
"""What every runbook has to say, in this order."""
FIXED_WORDS = ("alertname", "severity", "started_at", "prometheus")
"""Placeholders that the pager can fill in for every alert."""
STEP_SECTIONS = ("Diagnosis", "Mitigation")
"""Sections whose numbered steps the pager puts into its messages."""
# `{{.Names}}` is a template of some other tool (docker, kubectl) inside a command: the pager leaves it alone.
_PLACEHOLDER = re.compile(r"\{\{(?!\s*\.)([^{}]*)\}\}")


def check(tree: Tree) -> Iterator[Finding]:
    """Find runbooks that are missing, incomplete, out of date or without a fault, and placeholders nobody can fill."""
    for fault in tree.catalog.faults:
        if tree.has(fault.runbook):
            text = tree.text(fault.runbook)
            yield from _headings(fault, text)
            yield from _steps(fault, text)
            yield from _facts(fault, text, tree.facts[fault.runbook])
            yield from _placeholders(fault, text)
        else:
            yield Finding(
                file=fault.runbook,
                message=f"the runbook of {fault.name} is missing",
                next_step=f"write it, with the headings {', '.join(HEADINGS)} and the two facts markers",
            )
    for path in tree.files("runbooks/**/*.md"):
        if path not in tree.facts and not path.endswith("/README.md"):
            yield Finding(
                file=path,
                message="there is no fault for this runbook",
                next_step="a runbook lies at runbooks/<family>/<Fault>.md; move it, or delete it with its fault",
            )


def _headings(fault: Fault, text: str) -> Iterator[Finding]:
    found = markdown.parse(text).headings
    for heading in HEADINGS:
        if heading not in found:
            yield Finding(
                file=fault.runbook,
                message=f"has no heading {heading!r}{did_you_mean(heading, found)}",
                next_step=f"add the section `## {heading}`",
            )


def _steps(fault: Fault, text: str) -> Iterator[Finding]:
    book = Runbook(fault=fault.name, family=fault.family.value, text=text)
    for section in STEP_SECTIONS:
        steps = book.steps(section)
        line = next((n for n, line in enumerate(text.splitlines(), 1) if line == f"## {section}"), 1)
        form = "begin each with a number, a bold sentence, and `(read)` or `(change; undo: ...)`"
        if not steps:
            yield Finding(file=fault.runbook, line=line, message=f"{section} has no steps", next_step=form)
        for step in steps:
            if not (step.title and step.effect):
                told = (
                    f"{section}: a step does not say what it is or what it changes: {(step.title or step.prose)[:60]!r}"
                )
                yield Finding(file=fault.runbook, line=line, message=told, next_step=form)


def _facts(fault: Fault, text: str, block: str) -> Iterator[Finding]:
    current = runbooks.replace(text, block)
    if current is None:
        yield Finding(
            file=fault.runbook,
            message="has no facts block",
            next_step=f"add the lines `{runbooks.BEGIN}` and `{runbooks.END}`, then run `atlas-ops build`",
        )
    elif current != text:
        line, found, expected = first_difference(text, current)
        yield Finding(
            file=fault.runbook,
            line=line,
            message=f"the facts block is out of date: found {found}, expected {expected}",
            next_step="run `atlas-ops build`",
        )


def _placeholders(fault: Fault, text: str) -> Iterator[Finding]:
    """Find them in the page; those of its checks are `check.runbook_checks`'s."""
    known = (*fault.alert_labels, *FIXED_WORDS)
    for number, line in enumerate(front_matter.body(text).splitlines(), start=1):
        for placeholder in _PLACEHOLDER.finditer(line):
            for word in (word.strip() for word in placeholder[1].split("|")):
                if word not in known:
                    yield Finding(
                        file=fault.runbook,
                        line=number,
                        message=f"placeholder {placeholder[0]}: alerts of {fault.name} carry no {word!r}"
                        + did_you_mean(word, known),
                        next_step=f"use one of {', '.join(known)}",
                    )
