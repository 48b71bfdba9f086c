"""What the answer to a check says about its cause. Pure; called by `diagnosis.ask`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from atlas_ops.catalog import conventions
from atlas_ops.pager.diagnosis import units
from atlas_ops.pager.diagnosis.checks import TOLD_LENGTH, Check
from atlas_ops.pager.diagnosis.verdict import Finding, Standing
from atlas_ops.pager.runbooks.placeholder import PLACEHOLDER, Values, value_of
from atlas_ops.pager.scrub import clip, scrub, scrub_labels
from atlas_ops.prometheus import Point

_WORDS = {label: word for word, label in conventions.ALERT_LABELS.items()}


def judged(check: Check, query: str, points: Sequence[Point], values: Values) -> Finding:
    """Return what the samples say. The one that says most is told, with its own labels or those of the alert."""
    finite = [point for point in points if math.isfinite(point.value)]
    if not finite:
        if check.empty_says_no:
            return _finding(check, query, Standing.UNLIKELY, check.against or "There is no sign of it")
        return unknown(check, query, "There is no data")
    most = max(finite, key=lambda point: check.when.nearest(point.value))
    value = units.UNITS[check.unit](most.value)
    known = {**values, **_labels(most.labels), "value": value}
    if check.when.holds(most.value):
        return _finding(check, query, Standing.LIKELY, _filled(check.evidence, known))
    told = _filled(check.against, known) or f"No sign of it: {value}, the limit is {check.when.sign} {_limit(check)}"
    return _finding(check, query, Standing.UNLIKELY, told)


def unknown(check: Check, query: str, reason: str) -> Finding:
    """Return that the question has no answer, and why."""
    return _finding(check, query, Standing.UNKNOWN, reason)


def _finding(check: Check, query: str, standing: Standing, told: str) -> Finding:
    clean = " ".join(scrub(told).split())
    return Finding(
        cause=check.cause,
        standing=standing,
        told=clean if len(clean) <= TOLD_LENGTH * 2 else f"{clean[: TOLD_LENGTH * 2]}…",
        next_step=check.next_step,
        weight=check.weight,
        query=query,
    )


def _labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Return labels that Prometheus told, scrubbed, by their own names and by people's words."""
    clean = scrub_labels({name: clip(value, TOLD_LENGTH) for name, value in labels.items()})
    return {**{_WORDS[name]: value for name, value in clean.items() if name in _WORDS}, **clean}


def _filled(text: str, known: Mapping[str, str]) -> str:
    return PLACEHOLDER.sub(lambda place: value_of(place, known) or "?", text)


def _limit(check: Check) -> str:
    return units.UNITS[check.unit](check.when.number)
