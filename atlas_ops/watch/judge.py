"""What the last days of a model's counts say against its reference. Pure; called by `watch.watcher` in each round.

With two weeks of history or more, the calibrated score and the slower chart; before, PSI over a day. What cannot be told is named, with
what it lacks, and has no score: silence is not `no drift`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from atlas_ops.catalog import conventions as c
from atlas_ops.detect.calibration import LEAST_DAYS, Calibration
from atlas_ops.detect.cold import COLD_PSI, LEAST_ROWS_EACH, cold
from atlas_ops.detect.course import Course, course
from atlas_ops.detect.distances import smoothed
from atlas_ops.detect.features import Counts, Feature
from atlas_ops.detect.move import Move
from atlas_ops.detect.score import by_feature, known, moved, score
from atlas_ops.detect.season import DAY
from atlas_ops.detect.spread import LEAST_ROWS
from atlas_ops.detect.statistics import Floats, Statistic
from atlas_ops.detect.windows import STEP, Observed, Windows, observe
from atlas_ops.drift.reference import Reference
from atlas_ops.drift.words import counted, moment

_DAY = round(DAY / STEP)
_MOST_MOVES = 3
"""Statistics by which a great PSI is explained."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What one detector says of one feature at the end of the last window."""

    feature: Feature
    detector: str
    share: float
    """The score as a share of its limit: 1 and above is drift."""
    found: bool
    since: float | None
    """Since when its score has been rising (Unix seconds); None without drift."""
    moves: tuple[Move, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """What is said of one model."""

    end: float
    """End of the last window that was judged (Unix seconds)."""
    counted_until: float | None
    """End of the last window in which requests were counted; None: none were in all the days that are kept."""
    findings: tuple[Finding, ...]
    untold: Mapping[str, str]
    """{feature: why nothing can be said of it}."""
    notes: tuple[str, ...] = ()

    @property
    def drifted(self) -> tuple[Finding, ...]:
        """The findings that are drift."""
        return tuple(finding for finding in self.findings if finding.found)


def judge(reference: Reference, windows: Windows) -> Judgement:
    """Return the judgement on counts of the features of the reference."""
    windows = _since_accepted(windows, reference.accepted_since)
    observed = observe(windows, reference.watched)
    calibration = reference.calibration
    notes: tuple[str, ...] = ()
    if calibration is not None and calibration.pages:
        findings = _calibrated(reference, calibration, observed)
    else:
        findings, notes = _cold(reference, windows, observed), (_until(reference, windows),)
    told = {finding.feature.name for finding in findings}
    counts = np.stack([windows.counts[feature.name].sum(axis=1) for feature in reference.features])
    busy = np.flatnonzero(counts.any(axis=0))
    return Judgement(
        end=float(windows.times[-1]),
        counted_until=float(windows.times[busy[-1]]) if busy.size else None,
        findings=findings,
        untold={
            feature.name: _lacks(reference, windows, feature, cold=bool(notes))
            for feature in reference.features
            if feature.name not in told
        },
        notes=notes,
    )


def _since_accepted(windows: Windows, since: float | None) -> Windows:
    """Return the windows with nothing known from before a change was accepted: it would be drift against the new level."""
    if since is None:
        return windows
    after = windows.times - STEP >= since
    seen = np.ones(len(after), dtype=np.bool_) if windows.seen is None else windows.seen
    counts = {name: np.where(after[:, None], of, 0) for name, of in windows.counts.items()}
    return replace(windows, counts=counts, seen=seen & after)


def _calibrated(reference: Reference, calibration: Calibration, observed: Observed) -> tuple[Finding, ...]:
    watched = reference.watched
    scores = score(observed, calibration)
    moves, can_tell = moved(observed, scores, calibration, watched), known(observed)
    named = {"seasonal": c.SEASONAL, "slow": c.SLOW}
    return tuple(
        _finding(feature, named[detector], of, moves.get(feature.name, ()))
        for feature, courses in _of_features(reference, by_feature(scores, calibration, watched))
        if can_tell[[place for place, one in enumerate(watched) if one.feature == feature.name]].any()
        for detector, of in courses.items()
    )


def _of_features(
    reference: Reference, found: Mapping[str, Mapping[str, Course]]
) -> Iterator[tuple[Feature, Mapping[str, Course]]]:
    for feature in reference.features:
        yield feature, found[feature.name]


def _finding(feature: Feature, detector: str, of: Course, moves: tuple[Move, ...]) -> Finding:
    return Finding(
        feature=feature,
        detector=detector,
        share=float(of.share[-1]),
        found=of.now,
        since=of.rising_since,
        moves=moves if of.now else (),
    )


def _cold(reference: Reference, windows: Windows, observed: Observed) -> tuple[Finding, ...]:
    usual, covers = _usual(reference), observed.covers(DAY)
    found = []
    for name, of in cold(windows, usual).items():
        feature = reference.feature(name)
        if feature is None or not covers[-1] or _lacking_rows(windows, usual, feature):
            continue
        judged = course(windows.times, np.where(covers, of.share, 0.0))
        found.append(_finding(feature, c.COLD, judged, _explained(reference, windows, usual, judged, feature)))
    return tuple(found)


def _usual(reference: Reference) -> Mapping[str, Counts]:
    return reference.counts if reference.accepted is None else reference.accepted


def _last_day(windows: Windows, feature: Feature) -> Counts:
    return np.asarray(windows.counts[feature.name][-_DAY:].sum(axis=0))


def _lacking_rows(windows: Windows, usual: Mapping[str, Counts], feature: Feature) -> str:
    """Return which rows PSI lacks; "" when it has enough."""
    least = LEAST_ROWS_EACH * len(feature.bins)
    if (rows := int(_last_day(windows, feature).sum())) < least:
        return f"{counted(rows, 'value')} in the last day, {least:,} are needed"
    if (rows := int(usual[feature.name].sum())) < least:
        return f"{counted(rows, 'value')} in the reference, {least:,} are needed: make it of more"
    return ""


def _explained(
    reference: Reference, windows: Windows, usual: Mapping[str, Counts], of: Course, feature: Feature
) -> tuple[Move, ...]:
    """Return the statistics that are furthest from the reference, by how far they lie in standard deviations of one row."""
    now, before = smoothed(_last_day(windows, feature)), smoothed(usual[feature.name])
    moves = [_move(statistic, now, before, of) for statistic in reference.watched if statistic.feature == feature.name]
    return tuple(sorted(moves, key=lambda one: -one.score)[:_MOST_MOVES])


def _move(statistic: Statistic, now: Floats, before: Floats, of: Course) -> Move:
    weights = np.asarray(statistic.weights)
    value, usual = float(weights @ now), float(weights @ before)
    deviation = math.sqrt(max(float(weights**2 @ before) - usual**2, 1e-12))
    score = abs(value - usual) / deviation
    return Move(statistic=statistic, score=score, limit=COLD_PSI, value=value, usual=usual, since=of.rising_since)


def _until(reference: Reference, windows: Windows) -> str:
    """Say until when nothing better than PSI is known."""
    if reference.start is not None:
        when = f"until {moment(reference.start + LEAST_DAYS * DAY)}"
    else:
        rows = sum(windows.counts[feature.name].sum(axis=1) for feature in reference.features)
        busy = np.flatnonzero(rows)
        first = float(windows.times[busy[0]]) if busy.size else float(windows.times[-1])
        when = f"until {moment(first + LEAST_DAYS * DAY)} at the latest"
    return (
        f"cold start, {when}: only great shifts are seen, and only tickets come of them. Then make the reference again "
        f"of two weeks of counts: atlas-ops drift fit --prometheus URL --model {reference.model} --bins REFERENCE"
    )


def _lacks(reference: Reference, windows: Windows, feature: Feature, *, cold: bool) -> str:
    """Say what is missing for a feature to be judged."""
    counts = windows.counts[feature.name]
    if not counts.any():
        return (
            "no server counts it" if reference.accepted_since is None else "nothing was counted since it was accepted"
        )
    seen = np.ones(len(counts), dtype=np.bool_) if windows.seen is None else windows.seen
    if cold and (reason := _lacking_rows(windows, _usual(reference), feature)):
        return reason
    rows = int(_last_day(windows, feature).sum())
    if not cold and rows < LEAST_ROWS:
        return f"{counted(rows, 'value')} in the last day, {LEAST_ROWS:.0f} are needed"
    hours = float(seen[-_DAY:].sum()) * STEP / 3600
    return f"Prometheus has {hours:.1f} hours of the last day: too much is missing, or the counters are too new"
