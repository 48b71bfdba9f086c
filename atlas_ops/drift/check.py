"""Compares live rows with a reference, once, and says drift, no drift, or that it cannot be told. Called by `atlas-ops drift check`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from atlas_ops.detect.batch import Limits, effective, parts
from atlas_ops.detect.calibration import LEAST_DAYS, LEAST_ROWS
from atlas_ops.detect.distances import Distances, distances
from atlas_ops.detect.features import Counts, Feature
from atlas_ops.detect.score import residual
from atlas_ops.detect.season import DAY, HOUR
from atlas_ops.detect.statistics import Floats, Statistic
from atlas_ops.detect.windows import STEP, Windows, observe
from atlas_ops.drift.live import Live
from atlas_ops.drift.reference import Reference

SEEN_SHIFT, SEEN_SHARE = 0.5, 0.10
"""What has to be visible before "no drift" is said: half a standard deviation, and ten points of a share."""


COLD_PSI = 0.25
"""Before two weeks of history, what a day of live rows has to differ by: no quiet day of three simulated worlds did (drift reference)."""


class Standing(Enum):
    """What came of a check; the value is the exit code."""

    NO_DRIFT = 0
    DRIFT = 1
    CANNOT_TELL = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """One statistic beyond its limit: `score` standard deviations from what is usual, where `limit` is allowed."""

    statistic: Statistic
    score: float
    limit: float
    value: float
    usual: float
    since: float | None
    """When the first part beyond its limit began (Unix seconds); None without times."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """One feature: how far it lies from the reference, and what of it moved, the most first."""

    feature: Feature
    reference: Counts
    live: Counts
    distances: Distances
    nearness: float
    """The greatest score of its statistics as a share of the limit: 1 and above is drift."""
    moves: tuple[Move, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What is told of a check. `features` are those nearest to their limits first."""

    standing: Standing
    why: str
    rows: int
    needed: int
    """Rows with which it can be told; 0 when these are enough."""
    needed_hours: float
    """Hours of history that the reference lacks to tell it; 0 when it lacks none."""
    start: float | None
    end: float | None
    features: tuple[Compared, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Look:
    """Scores of one length of part: of each part and statistic its z and rows, and when the part ends."""

    z: Floats
    rows: Floats
    mean: Floats
    usual: Floats
    ends: Floats | None
    seconds: float
    limit: float
    wander: Floats
    per_row: Floats
    most: float
    """Rows of the part that has the most of them, as `effective` counts them."""


def check(reference: Reference, live: Live) -> Verdict:
    """Return the verdict on live rows."""
    limits = reference.limits
    if live.table is None or limits is None or not np.isfinite(limits.centre).any():
        return _silent(
            live, "there are no live rows" if live.table is None else "the reference has too few rows to judge by"
        )
    totals = live.counting.totals(live.table)
    looks = _timed(reference, live) if limits.timed else _whole(reference, limits, totals)
    if not looks:
        return _silent(live, f"the live rows span less than {limits.lengths[0] / HOUR:.0f} hour")
    best = np.maximum.reduce([np.abs(look.z).max(axis=0, initial=0.0) / look.limit for look in looks])
    compared = _compared(reference, totals, looks, best)
    rows = int(totals[reference.features[0].name].sum())
    sight = _sight(reference.watched, looks, rows)
    lacking = 0.0 if _plain(compared, live) else _lacking_hours(reference)
    standing, why = _judged(compared, rows, sight, lacking)
    untold = standing is Standing.CANNOT_TELL
    start = live.table.first * STEP if live.counting.time else None
    return Verdict(
        standing=standing,
        why=why,
        rows=rows,
        needed=sight.needed if untold and sight.needed > rows else 0,
        needed_hours=lacking if untold and sight.needed <= rows else 0.0,
        start=start,
        end=start + len(live.table.counts) * STEP if start is not None else None,
        features=compared,
        notes=(*live.notes, *_overlap(reference, start), *_blind_note(sight)),
    )


def _judged(compared: Sequence[Compared], rows: int, sight: _Sight, lacking: float) -> tuple[Standing, str]:
    moved = sum(1 for one in compared if one.moves)
    if moved and lacking:
        why = (
            f"{moved} of {len(compared)} features moved, and the history is too short to know whether a week does that"
        )
        return Standing.CANNOT_TELL, why
    if moved:
        return Standing.DRIFT, f"{moved} of {len(compared)} features moved"
    if sight.needed > rows:
        return Standing.CANNOT_TELL, f"{rows:,} rows are too few to see {_WORTH.rstrip(',')}"
    if sight.everything or (sight.blind and lacking):
        return Standing.CANNOT_TELL, f"the reference itself moves so much that {_WORTH} would not be seen"
    return Standing.NO_DRIFT, "no feature is further from the reference than its own parts are"


def _lacking_hours(reference: Reference) -> float:
    """Return the hours of history without which a reference with times knows no week from another."""
    if reference.time is None or reference.limits is None or reference.limits.timed:
        return 0.0
    span = (reference.end or 0.0) - (reference.start or 0.0)
    return max(1.0, math.ceil((LEAST_DAYS * DAY - span) / HOUR))


def _plain(compared: Sequence[Compared], live: Live) -> bool:
    """Say whether a whole day of live rows differs by more than any quiet day does."""
    whole_day = live.table is not None and live.counting.time is not None and len(live.table.counts) * STEP >= DAY
    return whole_day and any(one.moves and one.distances.psi > COLD_PSI for one in compared)


def _silent(live: Live, why: str) -> Verdict:
    """Return the verdict on what cannot be compared at all."""
    totals = live.counting.totals(live.table) if live.table is not None else {}
    return Verdict(
        standing=Standing.CANNOT_TELL,
        why=why,
        rows=int(totals[live.counting.features[0].name].sum()) if totals else 0,
        needed=0 if totals else math.ceil(LEAST_ROWS),
        needed_hours=0.0,
        start=None,
        end=None,
        features=(),
        notes=live.notes,
    )


def _timed(reference: Reference, live: Live) -> list[_Look]:
    """Compare each hour, six hours and day with what is usual at that time of the week."""
    calibration, limits = reference.calibration, reference.limits
    if calibration is None or limits is None or live.table is None:
        raise ValueError("a reference that knows the hours of the week has a calibration")
    observed = observe(live.counting.windows(live.table), reference.watched)
    residuals, usual = residual(observed, calibration), calibration.season.at(observed.times)
    known = [place for place in range(len(limits.lengths)) if math.isfinite(limits.centre[place])]
    found = []
    for place in known:
        mean, rows, ends = parts(observed.times, residuals, observed.rows, limits.lengths[place])
        if not len(mean):
            continue
        ordinary, _, _ = parts(observed.times, usual, observed.rows, limits.lengths[place])
        z = np.where(rows >= LEAST_ROWS, mean / limits.spread.deviation(place, rows), 0.0)
        limit = limits.limit(place, len(known) * len(z))
        wander, per_row, most = limits.spread.wander[place], limits.spread.per_row[place], float(rows.max(initial=0.0))
        found.append(
            _Look(z, rows, ordinary + mean, ordinary, ends, limits.lengths[place], limit, wander, per_row, most)
        )
    return found


def _whole(reference: Reference, limits: Limits, totals: Mapping[str, Counts]) -> list[_Look]:
    """Compare all live rows with all rows of the reference."""
    one = observe(Windows(np.array([STEP]), {name: counts[None] for name, counts in totals.items()}), reference.watched)
    all_ = {name: counts[None] for name, counts in reference.counts.items()}
    usual = observe(Windows(np.array([STEP]), all_), reference.watched)
    rows = effective(one.rows, usual.rows)
    place = limits.nearest(float(rows.max(initial=0.0)))
    z = np.where(one.rows >= LEAST_ROWS, (one.values - usual.values) / limits.spread.deviation(place, rows), 0.0)
    wander, per_row, most = limits.spread.wander[place], limits.spread.per_row[place], float(rows.max(initial=0.0))
    return [_Look(z, one.rows, one.values, usual.values, None, 0.0, limits.limit(place, 1), wander, per_row, most)]


def _compared(
    reference: Reference,
    totals: Mapping[str, Counts],
    looks: Sequence[_Look],
    best: Floats,
) -> tuple[Compared, ...]:
    found, watched = [], reference.watched
    for feature in reference.features:
        places = [place for place, statistic in enumerate(watched) if statistic.feature == feature.name]
        moves = [_move(watched[place], place, looks) for place in places if best[place] >= 1]
        found.append(
            Compared(
                feature=feature,
                reference=reference.counts[feature.name],
                live=totals[feature.name],
                distances=distances(totals[feature.name], reference.shares(feature.name)),
                nearness=float(best[places].max(initial=0.0)),
                moves=tuple(sorted(moves, key=lambda move: -move.score / move.limit)),
            )
        )
    return tuple(sorted(found, key=lambda one: -one.nearness))


def _move(statistic: Statistic, place: int, looks: Sequence[_Look]) -> Move:
    look = max(looks, key=lambda one: float(np.abs(one.z[:, place]).max(initial=0.0)) / one.limit)
    part = int(np.abs(look.z[:, place]).argmax())
    over = [
        float(one.ends[np.abs(one.z[:, place]) >= one.limit].min()) - one.seconds
        for one in looks
        if one.ends is not None and (np.abs(one.z[:, place]) >= one.limit).any()
    ]
    return Move(
        statistic=statistic,
        score=float(abs(look.z[part, place])),
        limit=look.limit,
        value=float(look.mean[part, place]),
        usual=float(look.usual[part, place]),
        since=min(over, default=None),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sight:
    """What would have been seen. `needed`: rows with which a shift worth telling is; `blind`: features of which none is, ever."""

    needed: int
    blind: tuple[str, ...]
    everything: bool
    """Whether all features are blind."""


def _sight(watched: Sequence[Statistic], looks: Sequence[_Look], rows: int) -> _Sight:
    judged = [one for one in enumerate(watched) if one[1].name == "location" or one[1].name.startswith("share")]
    shares = {place: _share_of_rows(place, statistic, looks) for place, statistic in judged}
    blind = tuple(dict.fromkeys(statistic.feature for place, statistic in judged if math.isinf(shares[place])))
    most = max((share for share in shares.values() if math.isfinite(share)), default=0.0)
    features = {statistic.feature for _, statistic in judged}
    return _Sight(needed=math.ceil(rows * most), blind=blind, everything=len(blind) == len(features))


def _share_of_rows(place: int, statistic: Statistic, looks: Sequence[_Look]) -> float:
    """Return how many times the live rows it takes to see a shift worth telling; infinite: no number of rows shows it."""
    wanted = SEEN_SHIFT if statistic.name == "location" else SEEN_SHARE
    found = math.inf
    for look in looks:
        # The variance of a mean falls with its rows, down to how far the reference moves by itself.
        room = (wanted / look.limit) ** 2 - float(look.wander[place])
        if room > 0:
            found = min(found, max(float(look.per_row[place]) / room, LEAST_ROWS) / max(look.most, 1.0))
    return found


def _blind_note(sight: _Sight) -> tuple[str, ...]:
    if not sight.blind:
        return ()
    names = ", ".join(sight.blind[:10]) + (f" and {len(sight.blind) - 10} more" if len(sight.blind) > 10 else "")
    return (f"the reference itself moves so much that {_WORTH} would not be seen of: {names}",)


_WORTH = "a shift of half a standard deviation, or of ten points of a share,"


def _overlap(reference: Reference, start: float | None) -> tuple[str, ...]:
    if start is not None and reference.end is not None and start < reference.end:
        return ("the live rows are from a time that the reference has seen as well",)
    return ()
