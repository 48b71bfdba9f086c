"""How live rows score against a reference, and what would have been seen of them. Called by `drift.check`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from atlas_ops.detect.batch import Limits, effective, parts
from atlas_ops.detect.features import Counts
from atlas_ops.detect.score import residual
from atlas_ops.detect.spread import LEAST_ROWS
from atlas_ops.detect.statistics import Floats, Statistic
from atlas_ops.detect.windows import STEP, Windows, observe
from atlas_ops.drift.live import Live
from atlas_ops.drift.reference import Reference

SEEN_SHIFT, SEEN_SHARE = 0.5, 0.10
"""What has to be visible before "no drift" is said: half a standard deviation, and ten points of a share."""


@dataclass(frozen=True, slots=True)
class Look:
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


def timed(reference: Reference, live: Live) -> list[Look]:
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
        wander, per_row, most = limits.spread.steady(place), limits.spread.per_row[place], float(rows.max(initial=0.0))
        found.append(
            Look(z, rows, ordinary + mean, ordinary, ends, limits.lengths[place], limit, wander, per_row, most)
        )
    return found


def whole(reference: Reference, limits: Limits, totals: Mapping[str, Counts]) -> list[Look]:
    """Compare all live rows with all rows of the reference."""
    one = observe(Windows(np.array([STEP]), {name: counts[None] for name, counts in totals.items()}), reference.watched)
    all_ = {name: counts[None] for name, counts in reference.usual.items()}
    usual = observe(Windows(np.array([STEP]), all_), reference.watched)
    rows = effective(one.rows, usual.rows)
    place = limits.nearest(float(rows.max(initial=0.0)))
    z = np.where(one.rows >= LEAST_ROWS, (one.values - usual.values) / limits.spread.deviation(place, rows), 0.0)
    wander, per_row, most = limits.spread.steady(place), limits.spread.per_row[place], float(rows.max(initial=0.0))
    return [Look(z, one.rows, one.values, usual.values, None, 0.0, limits.limit(place, 1), wander, per_row, most)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sight:
    """What would have been seen. `needed`: rows, in the same time, with which a shift worth telling is; `blind`: features of which none is, ever."""

    needed: int
    blind: tuple[str, ...]
    few: tuple[str, ...]
    """Those of `blind` of which the reference has too few rows to know that they move by themselves."""
    everything: bool
    """Whether all features are blind."""


def sight_of(watched: Sequence[Statistic], limits: Limits, looks: Sequence[Look], rows: int) -> Sight:
    """Return what would have been seen with the rows that there are."""
    judged = [one for one in enumerate(watched) if one[1].name == "location" or one[1].is_share]
    shares = {place: _share_of_rows(place, statistic, looks) for place, statistic in judged}
    unseen = [(place, statistic.feature) for place, statistic in judged if math.isinf(shares[place])]
    blind = tuple(dict.fromkeys(feature for _, feature in unseen))
    moving = {feature for place, feature in unseen if not _by_chance(place, limits, looks)}
    most = max((share for share in shares.values() if math.isfinite(share)), default=0.0)
    features = {statistic.feature for _, statistic in judged}
    return Sight(
        needed=math.ceil(rows * most),
        blind=blind,
        few=tuple(feature for feature in blind if feature not in moving),
        everything=len(blind) == len(features),
    )


def _share_of_rows(place: int, statistic: Statistic, looks: Sequence[Look]) -> float:
    """Return how many times the live rows it takes to see a shift worth telling; infinite: no number of rows shows it."""
    wanted = SEEN_SHIFT if statistic.name == "location" else SEEN_SHARE
    found = math.inf
    for look in looks:
        # The variance of a mean falls with its rows, down to how far the reference moves by itself.
        room = (wanted / look.limit) ** 2 - float(look.wander[place])
        if room > 0:
            found = min(found, max(float(look.per_row[place]) / room, LEAST_ROWS) / max(look.most, 1.0))
    return found


def _by_chance(place: int, limits: Limits, looks: Sequence[Look]) -> bool:
    """Say whether a statistic moves by itself no more than so few rows differ by chance: how much it does is not known then."""
    if limits.timed:
        return False
    longest = limits.lengths[limits.nearest(math.inf)]
    return all(look.wander[place] <= 2 * look.per_row[place] / longest for look in looks)
