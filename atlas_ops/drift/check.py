"""Compares live rows with a reference, once, and says drift, no drift, or that it cannot be told. Called by `atlas-ops drift check`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from atlas_ops.detect.batch import Limits
from atlas_ops.detect.calibration import LEAST_DAYS
from atlas_ops.detect.cold import COLD_PSI
from atlas_ops.detect.distances import Distances, distances, smoothed
from atlas_ops.detect.features import Counts, Feature
from atlas_ops.detect.move import Move
from atlas_ops.detect.season import DAY, HOUR
from atlas_ops.detect.spread import LEAST_ROWS
from atlas_ops.detect.statistics import Floats, Statistic
from atlas_ops.detect.windows import STEP
from atlas_ops.drift.live import Live
from atlas_ops.drift.looks import Look, Sight, sight_of, timed, whole
from atlas_ops.drift.reference import Reference
from atlas_ops.drift.standing import Standing


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
    needed_span: float
    """Seconds within which there have to be so many, because hours and days are judged, each by its own rows; 0: however long it takes."""
    needed_hours: float
    """Hours of history that the reference lacks to tell it; 0 when it lacks none."""
    start: float | None
    end: float | None
    features: tuple[Compared, ...]
    notes: tuple[str, ...]


def check(reference: Reference, live: Live) -> Verdict:
    """Return the verdict on live rows."""
    limits = reference.limits
    if live.table is None or limits is None or not np.isfinite(limits.centre).any():
        return _silent(
            live, "there are no live rows" if live.table is None else "the reference has too few rows to judge by"
        )
    totals = live.counting.totals(live.table)
    looks = timed(reference, live) if limits.timed else whole(reference, limits, totals)
    if not looks:
        return _silent(live, f"the live rows span less than {limits.lengths[0] / HOUR:.0f} hour")
    best = np.maximum.reduce([np.abs(look.z).max(axis=0, initial=0.0) / look.limit for look in looks])
    compared = _compared(reference, totals, looks, best)
    rows = int(totals[reference.features[0].name].sum())
    sight = sight_of(reference.watched, limits, looks, rows)
    lacking = 0.0 if _plain(compared, live) else _lacking_hours(reference)
    standing, why = _judged(compared, reference.rows, rows, sight, lacking)
    untold = standing is Standing.CANNOT_TELL
    start = live.table.first * STEP if live.counting.time else None
    span = len(live.table.counts) * STEP
    return Verdict(
        standing=standing,
        why=why,
        rows=rows,
        needed=_asked(sight, limits, looks) if untold and sight.needed > rows else 0,
        needed_span=span if limits.timed and untold and sight.needed > rows else 0.0,
        needed_hours=lacking if untold and sight.needed <= rows else 0.0,
        start=start,
        end=start + span if start is not None else None,
        features=compared,
        notes=(*live.notes, *_overlap(reference, start), *_blind_notes(sight, reference.rows)),
    )


def _asked(sight: Sight, limits: Limits, looks: Sequence[Look]) -> int:
    """Return the rows to ask for: where parts are judged by their time, as many more as the fullest may have by chance."""
    chance = 1 / math.sqrt(max(1.0, *(look.most for look in looks))) if limits.timed else 0.0
    return math.ceil(sight.needed * (1 + chance))


def _judged(compared: Sequence[Compared], known: int, rows: int, sight: Sight, lacking: float) -> tuple[Standing, str]:
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
        return Standing.CANNOT_TELL, _blind(moves=sight.blind != sight.few, known=known)
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
        needed_span=0.0,
        needed_hours=0.0,
        start=None,
        end=None,
        features=(),
        notes=live.notes,
    )


def _compared(
    reference: Reference,
    totals: Mapping[str, Counts],
    looks: Sequence[Look],
    best: Floats,
) -> tuple[Compared, ...]:
    found, watched = [], reference.watched
    for feature in reference.features:
        places = [place for place, statistic in enumerate(watched) if statistic.feature == feature.name]
        moves = [_move(watched[place], place, looks) for place in places if best[place] >= 1]
        found.append(
            Compared(
                feature=feature,
                reference=reference.usual[feature.name],
                live=totals[feature.name],
                distances=distances(totals[feature.name], smoothed(reference.usual[feature.name])),
                nearness=float(best[places].max(initial=0.0)),
                moves=tuple(sorted(moves, key=lambda move: -move.score / move.limit)),
            )
        )
    return tuple(sorted(found, key=lambda one: -one.nearness))


def _move(statistic: Statistic, place: int, looks: Sequence[Look]) -> Move:
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


def _blind_notes(sight: Sight, known: int) -> Iterator[str]:
    for moves in (True, False):
        names = [name for name in sight.blind if (name not in sight.few) is moves]
        if names:
            more = f" and {len(names) - 10} more" if len(names) > 10 else ""
            yield f"{_blind(moves=moves, known=known)} of: {', '.join(names[:10])}{more}"


def _blind(*, moves: bool, known: int) -> str:
    """Say why nothing would have been seen: the reference moves by itself, or has too few rows to know that it does not."""
    if moves:
        return f"the reference itself moves so much that {_WORTH} would not be seen"
    return f"the reference has so few rows ({known:,}) that {_WORTH} would not be seen"


_WORTH = "a shift of half a standard deviation, or of ten points of a share,"


def _overlap(reference: Reference, start: float | None) -> tuple[str, ...]:
    if start is not None and reference.end is not None and start < reference.end:
        return ("the live rows are from a time that the reference has seen as well",)
    return ()
