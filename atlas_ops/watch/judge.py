"""What the last days of a model's counts say against its reference. Pure; called by `watch.watcher` in each round.

With two weeks of history or more, the calibrated score and the slower chart; before, PSI over a day. What cannot be told is named, with
what it lacks, and has no score: silence is not `no drift`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from atlas_ops.catalog import conventions as c
from atlas_ops.detect.calibration import Calibration
from atlas_ops.detect.features import Feature
from atlas_ops.detect.score import by_feature, known, moved, score
from atlas_ops.detect.season import DAY, HOUR
from atlas_ops.detect.spread import LEAST_ROWS
from atlas_ops.detect.windows import STEP, Observed, Windows, observe
from atlas_ops.drift.reference import Reference
from atlas_ops.drift.words import counted
from atlas_ops.watch import cold_start
from atlas_ops.watch.finding import Finding, Judgement, at_the_end

_DAY = round(DAY / STEP)
_NAMES = {"seasonal": c.SEASONAL, "slow": c.SLOW}


def judge(reference: Reference, windows: Windows, misfits: Mapping[str, str] = MappingProxyType({})) -> Judgement:
    """Return the judgement on counts of the features of the reference; `misfits` says of some why they are not counted."""
    windows = _since_accepted(windows, reference.accepted_since)
    observed = observe(windows, reference.watched)
    calibration = reference.calibration
    notes: tuple[str, ...] = ()
    if calibration is not None and calibration.pages:
        findings = _calibrated(reference, calibration, observed)
    else:
        findings, notes = cold_start.findings(reference, windows, observed), (cold_start.until(reference, windows),)
    told = {finding.feature.name for finding in findings}
    counts = np.stack([windows.counts[feature.name].sum(axis=1) for feature in reference.features])
    busy = np.flatnonzero(counts.any(axis=0))
    return Judgement(
        end=float(windows.times[-1]),
        counted_until=float(windows.times[busy[-1]]) if busy.size else None,
        findings=findings,
        untold={
            feature.name: misfits.get(feature.name) or _lacks(reference, windows, feature, cold=bool(notes))
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
    courses = by_feature(scores, calibration, watched)
    return tuple(
        at_the_end(feature, _NAMES[detector], of, moves.get(feature.name, ()))
        for feature in reference.features
        if can_tell[[place for place, one in enumerate(watched) if one.feature == feature.name]].any()
        for detector, of in courses[feature.name].items()
    )


def _lacks(reference: Reference, windows: Windows, feature: Feature, *, cold: bool) -> str:
    """Say what is missing for a feature to be judged."""
    counts = windows.counts[feature.name]
    if not counts.any():
        return (
            "no server counts it" if reference.accepted_since is None else "nothing was counted since it was accepted"
        )
    seen = np.ones(len(counts), dtype=np.bool_) if windows.seen is None else windows.seen
    if cold and (reason := cold_start.lacking_rows(reference, windows, feature)):
        return reason
    rows = int(cold_start.last_day(windows, feature).sum())
    if not cold and rows < LEAST_ROWS:
        return f"{counted(rows, 'value')} in the last day, {LEAST_ROWS:.0f} are needed"
    hours = float(seen[-_DAY:].sum()) * STEP / HOUR
    return f"Prometheus has {hours:.1f} hours of the last day: too much is missing, the counters are too new, or servers had other bins"
