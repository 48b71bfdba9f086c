"""A model whose traffic has a day's rhythm, told by pods that come, go, restart and miss scrapes; and its references."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from atlas_ops.catalog import signals as s
from atlas_ops.detect.features import Category, Feature, Numeric
from atlas_ops.drift.counting import Counting, Table
from atlas_ops.drift.fit import learned
from atlas_ops.drift.reference import Reference
from atlas_ops.rehearsal.samples import Written
from tests.drift import data, pods

LENGTH = Numeric(name="length", edges=tuple(float(edge) for edge in range(11)))
KIND = Category(name="prediction_kind", names=("chat", "code"))
FEATURES: tuple[Feature, ...] = (LENGTH, KIND)
DAY, HOUR, EVERY = 86_400, 3_600, 60
MONDAY = data.MONDAY
DAYS = 3
END = MONDAY + DAYS * DAY
"""What Prometheus holds ends here; references were made of the weeks before `MONDAY`."""
AWAY = MONDAY + 34 * HOUR, MONDAY + 37 * HOUR
"""Then Prometheus was down."""
_READ = (s.FEATURE_VALUES.name, s.FEATURE_BINS_CHECKSUM.name)
_EACH_MINUTE = 12.0
_TAIL = (0.0, 0.0, 0.0)


@dataclass(frozen=True, kw_only=True)
class Change:
    """From a time on (Unix seconds), so much of what one feature has lies in one bin."""

    feature: str
    at: float
    share: float = 0.25
    place: int = 9


def counted(start: float, end: float, *, seed: int, rate: float = 1.0, changes: Sequence[Change] = ()) -> pods.Truth:
    """Draw what is counted in each minute from `start` to `end`."""
    chance = np.random.default_rng(seed)
    times = np.arange(start, end, EVERY)
    hours = times % DAY / HOUR
    rows = chance.poisson(rate * _EACH_MINUTE * (1 + 0.5 * np.sin(2 * np.pi * hours / 24)))
    tilt = 0.3 * np.sin(2 * np.pi * hours / 24)[:, None] * np.linspace(-0.1, 0.1, 10)
    shares = {
        LENGTH.name: np.hstack([0.1 + tilt, np.tile(_TAIL, (len(times), 1))]),
        KIND.name: np.tile((0.7, 0.3, *_TAIL), (len(times), 1)),
    }
    for change in changes:
        late = times >= change.at
        shares[change.feature][late] *= 1 - change.share
        shares[change.feature][late, change.place] += change.share
    return {name: chance.multinomial(rows, of).astype(np.int64) for name, of in shares.items()}


def fleet(model: str, *, seed: int, until: float = END, changes: Sequence[Change] = ()) -> Iterator[Written]:
    """Yield what three pods say: one is scraped by two Prometheis, one restarts twice, one joins late; all miss scrapes."""
    minutes = int(until - MONDAY) // EVERY
    for number, pod in enumerate(
        (
            pods.Pod(name="a", missed=0.03, labels=(("prometheus_replica", "0"),)),
            pods.Pod(name="b", missed=0.05, restarts=(minutes // 3, minutes // 2)),
            pods.Pod(name="c", first=minutes // 2, missed=0.03),
        )
    ):
        truth = counted(MONDAY, until, seed=seed + number, rate=1 / 3, changes=changes)
        twins = [pod, replace(pod, labels=(("prometheus_replica", "1"),))] if number == 0 else [pod]
        for twin in range(len(twins)):
            said = pods.written(
                model, FEATURES, _shares(), twins[twin], truth, MONDAY, seed=10 * seed + number + twin, every=EVERY
            )
            yield from (_scraped(one) for one in said if one.series.name in _READ)


def _scraped(written: Written) -> Written:
    there = (written.times < AWAY[0] * 1_000) | (written.times > AWAY[1] * 1_000)
    return Written(written.series, written.times[there], written.values[there])


def _shares() -> dict[str, Sequence[float]]:
    return {LENGTH.name: (*([0.1] * 10), *_TAIL), KIND.name: (0.7, 0.3, *_TAIL)}


def reference(model: str, *, days: float = 28, features: Sequence[Feature] = FEATURES) -> Reference:
    """Return the reference of so many quiet days."""
    start = MONDAY - days * DAY
    truth = counted(start, MONDAY, seed=1)
    by_window = [_windows(truth[feature.name]) for feature in FEATURES]
    table = Table(first=int(start // 300), counts=np.hstack(by_window))
    return replace(learned(model, Counting(features=tuple(features), time="time"), table), made_at=MONDAY)


def _windows(minutes: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.asarray(minutes.reshape(-1, 5, minutes.shape[1]).sum(axis=1))
