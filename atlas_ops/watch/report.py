"""A round as a table with words, and what it means as a whole. Called by `atlas-ops watch --once`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from atlas_ops.drift import words
from atlas_ops.drift.standing import Standing
from atlas_ops.watch.finding import Finding, Judgement
from atlas_ops.watch.watcher import Outcome, Round

_NAME, _SCORES = 28, 25
_MOST = 20
"""Features without drift that are shown of each model, those nearest to their limits."""


def standing(round_: Round) -> Standing:
    """Return what a round says: drift of any model; else whether all of them can be told."""
    judged = [outcome.judgement for outcome in round_.outcomes if outcome.judgement is not None]
    if any(judgement.drifted for judgement in judged):
        return Standing.DRIFT
    told = [outcome for outcome in round_.outcomes if not outcome.problem and _told(outcome.judgement)]
    return Standing.NO_DRIFT if told and len(told) == len(round_.outcomes) else Standing.CANNOT_TELL


def text(round_: Round) -> str:
    """Return a paragraph for each model."""
    return "\n\n".join("\n".join(_outcome(outcome)) for outcome in round_.outcomes) + "\n"


def _told(judgement: Judgement | None) -> bool:
    return judgement is not None and bool(judgement.findings) and not judgement.untold


def _outcome(outcome: Outcome) -> Iterator[str]:
    judgement = outcome.judgement
    if judgement is None:
        yield f"{outcome.model} ({outcome.file}): CANNOT TELL: {outcome.problem}"
        return
    yield f"{outcome.model} ({outcome.file}): {_headline(judgement)}"
    if judgement.findings:
        yield f"{'feature':{_NAME}} {'share of the limit':{_SCORES}}  what moved"
    features = sorted(_by_feature(judgement), key=lambda of: (not _found(of), -max(one.share for one in of)))
    shown = max(_MOST, sum(1 for of in features if _found(of)))
    for of in features[:shown]:
        yield from _feature(of)
    if features[shown:]:
        yield f"... and {words.counted(len(features) - shown, 'feature')} further from their limits"
    for feature, why in judgement.untold.items():
        yield f"{words.short(feature, _NAME):{_NAME}} cannot tell: {why}"
    yield from (f"note: {note}" for note in judgement.notes)
    if outcome.problem:
        yield f"problem: {outcome.problem}"


def _headline(judgement: Judgement) -> str:
    until = f"judged up to {words.moment(judgement.end)}"
    features = {one.feature.name for one in judgement.findings}
    drifted = {one.feature.name for one in judgement.drifted}
    if drifted:
        return f"DRIFT: {len(drifted)} of {words.counted(len(features), 'feature')}, {until}"
    if not features:
        last = judgement.counted_until
        since = f"the last requests were counted at {words.moment(last)}" if last else "no request was counted"
        return f"CANNOT TELL: {since}; {until}"
    return f"no drift in {words.counted(len(features), 'feature')}, {until}"


def _by_feature(judgement: Judgement) -> list[list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for finding in judgement.findings:
        found.setdefault(finding.feature.name, []).append(finding)
    return list(found.values())


def _found(of: Sequence[Finding]) -> bool:
    return any(finding.found for finding in of)


def _feature(of: Sequence[Finding]) -> Iterator[str]:
    """Yield what all detectors say of one feature; those that find drift tell the same of it."""
    feature, moves = of[0].feature, next((finding.moves for finding in of if finding.found), ())
    said = words.told(feature, moves) or ["-"]
    scores = ", ".join(f"{finding.detector} {finding.share:.2f}" for finding in of)
    yield f"{words.short(feature.name, _NAME):{_NAME}} {scores:{_SCORES}}  {said[0]}"
    yield from (f"{'':{_NAME + _SCORES + 3}}{line}" for line in said[1:])
