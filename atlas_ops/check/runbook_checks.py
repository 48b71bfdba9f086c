"""Check: the checks of a runbook can be asked. They parse, name metrics of the contract, and fill in what the alert carries.

What they are made of is `pager.diagnosis.checks`'s; metrics are found by the names that `check.metrics` knows.
"""

from __future__ import annotations

from collections.abc import Iterator

from atlas_ops import expressions
from atlas_ops.catalog import conventions
from atlas_ops.catalog.model import Fault
from atlas_ops.check import metric_names
from atlas_ops.check.finding import Finding, did_you_mean
from atlas_ops.check.metrics import askable
from atlas_ops.check.rules import judge_of
from atlas_ops.check.runbooks import FIXED_WORDS, STEP_SECTIONS
from atlas_ops.check.tree import Tree
from atlas_ops.errors import ConfigError
from atlas_ops.expressions import subset
from atlas_ops.expressions.firing import nodes
from atlas_ops.expressions.judge import Judge
from atlas_ops.pager.diagnosis import checks, question
from atlas_ops.pager.diagnosis.checks import Check
from atlas_ops.pager.runbooks.runbook import Runbook

_WORDS = {label: word for word, label in conventions.ALERT_LABELS.items()}


def check(tree: Tree) -> Iterator[Finding]:
    """Find checks that cannot be asked, or that speak of what nobody tells."""
    judged = judge_of(tree)[1]
    metrics = askable(tree.catalog)
    for fault in tree.catalog.faults:
        if tree.has(fault.runbook):
            text = tree.text(fault.runbook)
            book = Runbook(fault=fault.name, family=fault.family.value, text=text)
            try:
                found = checks.read(text, fault.runbook)
            except ConfigError as error:
                yield from (
                    Finding(file=fault.runbook, message=one, next_step=error.next_step) for one in error.mistakes
                )
                continue
            steps = tuple(step.title for section in STEP_SECTIONS for step in book.steps(section))
            for one in found:
                for message, next_step in _wrong(one, fault, steps, metrics, judged):
                    line = next((n for n, line in enumerate(text.splitlines(), 1) if one.cause[:30] in line), 1)
                    yield Finding(
                        file=fault.runbook, line=line, message=f"check {one.cause!r}: {message}", next_step=next_step
                    )


def _wrong(
    one: Check, fault: Fault, steps: tuple[str, ...], metrics: frozenset[str], judged: Judge
) -> Iterator[tuple[str, str]]:
    carried = (*fault.alert_labels, *FIXED_WORDS)
    if one.next_step and one.next_step not in steps:
        yield f"there is no step {one.next_step!r}{did_you_mean(one.next_step, steps)}", "name a step's title exactly"
    for place in question.unquoted(one.query):
        yield f"{place} does not stand between double quotes", 'write it as label="{{word}}"'
    for word in question.words(one.query):
        if word not in carried:
            told = f"alerts of {fault.name} carry no {word!r}{did_you_mean(word, carried)}"
            yield told, f"use one of {', '.join(carried)}"
    yield from _unaskable(question.filled(one.query, {}), metrics)
    yield from _untold(one, carried, judged)


def _unaskable(query: str, metrics: frozenset[str]) -> Iterator[tuple[str, str]]:
    expr = expressions.parsed(query)
    if expr is None:
        yield "the query does not parse", "mend its syntax: `promtool query instant` says where"
        return
    for node in nodes(expr):
        yield from subset.foreign(node)
    for metric in metric_names.metrics(query):
        if metric not in metrics:
            told = f"{metric} is neither a signal of the contract nor a recording of the catalog"
            yield told + did_you_mean(metric, metrics), "mend the name; a new signal belongs in catalog/signals.py"


def _untold(one: Check, carried: tuple[str, ...], judged: Judge) -> Iterator[tuple[str, str]]:
    """Say which words of the sentences neither the samples nor the alert can fill in."""
    expr = expressions.parsed(question.filled(one.query, {}))
    try:
        left = judged.labels.left(expr) if expr is not None else frozenset[str]()
    except KeyError:
        return  # a metric that nobody publishes is told already
    known = {"value", *carried, *left, *(_WORDS[label] for label in left if label in _WORDS)}
    if "ALERTS" in one.query:
        known |= {*conventions.ALERT_LABELS, *conventions.DETAIL_LABELS, "alertname", conventions.SEVERITY}
    for word in question.words(f"{one.evidence} {one.against}"):
        if word not in known:
            told = f"{{{{{word}}}}} is no label of the query's result{did_you_mean(word, known)}"
            yield told, "keep the label in the aggregation, or leave the word out"
