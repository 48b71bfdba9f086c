"""Worlds in which a drift detector has to be quiet, and changes that it has to see. Used by `benchmarks.drift_quality`.

Each is what a model's counters would say in windows of five minutes: sixteen numbers and four categories. `real` has the rhythm of day and
week, wander over an hour, days that differ, and sessions of five requests of which a third are alike; `hard` wanders more,
`batch` has a job of half an hour each week that is nobody's fault.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atlas_ops.detect.features import Category, Feature, Numeric
from atlas_ops.detect.windows import STEP, Windows

Floats = NDArray[np.float64]
A_DAY = round(86_400 / STEP)
MONDAY = 4 * 86_400.0
"""Unix time at which every world begins: the first Monday of 1970, so that its weekends are those of the calendar."""
NUMBERS, CATEGORIES = 16, 4
_EDGES = (-3.5, -1.2816, -0.8416, -0.5244, -0.2533, 0.0, 0.2533, 0.5244, 0.8416, 1.2816, 3.5)
_KINDS = ("a", "b", "c", "d", "e")
_SHARES = np.array([0.5, 0.25, 0.15, 0.08, 0.02])
FEATURES: tuple[Feature, ...] = (
    *(Numeric(name=f"number_{place:02d}", edges=_EDGES) for place in range(NUMBERS)),
    *(Category(name=f"category_{place}", names=_KINDS) for place in range(CATEGORIES)),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """How traffic behaves. Wander and days are standard deviations of each number's mean, in its own standard deviations."""

    name: str
    rate: float
    """Requests a second, on average."""
    rhythm: bool = True
    week: bool = True
    wander: float = 0.0
    days: float = 0.0
    sessions: bool = True
    job: bool = False


WORLDS = (
    World(name="iid", rate=1.0, rhythm=False, week=False, sessions=False),
    World(name="diurnal", rate=1.0, week=False, sessions=False),
    World(name="real", rate=0.2, wander=0.1, days=0.05),
    World(name="real", rate=1.0, wander=0.1, days=0.05),
    World(name="real", rate=10.0, wander=0.1, days=0.05),
    World(name="hard", rate=1.0, wander=0.15, days=0.10),
    World(name="batch", rate=1.0, wander=0.1, days=0.05, job=True),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What becomes different from one moment on, in the first number or the first category."""

    name: str
    mean: float = 0.0
    spread: float = 1.0
    category: float = 0.0
    tenant: float = 0.0
    """Share of requests of a new client, whose number is two standard deviations higher and hardly varies."""
    everywhere: float = 0.0
    """How far the mean of every number moves."""
    ramp_days: float = 0.0


CHANGES = (
    Change(name="one mean +0.25 sd", mean=0.25),
    Change(name="one mean +0.5 sd", mean=0.5),
    Change(name="one sd x 1.5", spread=1.5),
    Change(name="one category +10 points", category=0.10),
    Change(name="a new tenant of 10 %", tenant=0.10),
    Change(name="all means +0.15 sd", everywhere=0.15),
    Change(name="one mean +0.5 sd within a day", mean=0.5, ramp_days=1.0),
)
_NONE = Change(name="none")


def traffic(world: World, days: int, seed: int, change: Change = _NONE, begins: int = 1 << 60) -> Windows:
    """Return so many days of a world; the change begins at window `begins`."""
    chance = np.random.default_rng(seed)
    size = days * A_DAY
    place = np.arange(size)
    weekend = ((place // A_DAY) % 7) >= 5
    rows = chance.poisson(volume(world.rate, place, rhythm=world.rhythm, week=world.week))
    grown = (
        np.clip((place - begins + 1) / max(1.0, change.ramp_days * A_DAY), 0.0, 1.0)
        if begins < size
        else np.zeros(size)
    )
    counts = {}
    for number, feature in enumerate(FEATURES):
        if isinstance(feature, Numeric):
            shares = _number(world, chance, place, weekend, number, change, grown)
        else:
            shares = _category(world, chance, days, change if number == NUMBERS else _NONE, grown)
        counts[feature.name] = _counted(chance, rows, shares, sessions=world.sessions)
    return Windows(times=MONDAY + (place + 1) * STEP, counts=counts)


def volume(rate: float, place: NDArray[np.int64], *, rhythm: bool, week: bool) -> Floats:
    """Return the requests to expect in each window: fewer at night, and at the weekend."""
    day = 1 + 0.6 * np.sin(2 * np.pi * (place / 12 - 9) / 24) * rhythm
    weekend = ((place // A_DAY) % 7) >= 5
    return np.asarray(np.maximum(rate * STEP * day * np.where(weekend & week, 0.6, 1.0), 0.1))


def _number(
    world: World,
    chance: np.random.Generator,
    place: NDArray[np.int64],
    weekend: NDArray[np.bool_],
    number: int,
    change: Change,
    grown: Floats,
) -> Floats:
    size = len(place)
    depth, phase, weekly = chance.normal(0, 0.3), chance.uniform(0, 24), 0.2 * chance.normal()
    mean = world.rhythm * depth * np.sin(2 * np.pi * (place / 12 - phase) / 24) + world.week * weekly * weekend
    mean = mean + _wander(chance, size, world.wander) + np.repeat(chance.normal(0, world.days, size // A_DAY), A_DAY)
    if world.job and number < NUMBERS // 2:
        mean = mean + ((place % (7 * A_DAY)) // 6 == (2 * A_DAY + 36) // 6)
    first = number == 0
    mean = mean + change.everywhere * grown + (change.mean * grown if first else 0.0)
    spread = np.where((grown > 0) & first, change.spread, 1.0)
    shares = _shares(mean, spread)
    if first and change.tenant:
        part = (change.tenant * grown)[:, None]
        shares = (1 - part) * shares + part * _shares(np.array([2.0]), np.array([0.5]))
    return shares


def _category(world: World, chance: np.random.Generator, days: int, change: Change, grown: Floats) -> Floats:
    shares = np.tile(_SHARES, (days * A_DAY, 1))
    shares[:, 0] *= np.exp(np.repeat(chance.normal(0, 2 * world.days, days), A_DAY))
    shares /= shares.sum(axis=1, keepdims=True)
    part = (change.category * grown)[:, None]
    grew = np.zeros(len(_KINDS))
    grew[3] = 1.0
    return np.hstack([(1 - part) * shares + part * grew, np.zeros((len(shares), 3))])


def _wander(chance: np.random.Generator, size: int, deviation: float) -> Floats:
    """Return an AR(1) process with a memory of an hour."""
    if deviation == 0:
        return np.zeros(size)
    memory = np.exp(-1 / 12)
    steps = chance.normal(0, deviation * np.sqrt(1 - memory**2), size)
    value, found = 0.0, np.empty(size)
    for place, step in enumerate(steps):
        value = memory * value + step
        found[place] = value
    return found


def _shares(mean: Floats, spread: Floats) -> Floats:
    below = _cumulative((np.array(_EDGES)[None, :] - mean[:, None]) / spread[:, None])
    return np.hstack([np.diff(below, axis=1), below[:, :1], 1 - below[:, -1:], np.zeros((len(mean), 1))])


def _cumulative(values: Floats) -> Floats:
    """Return the normal distribution's cumulated share (Abramowitz and Stegun 7.1.26, error below 1.5e-7)."""
    size = np.abs(values) / np.sqrt(2)
    k = 1 / (1 + 0.3275911 * size)
    series = ((((1.061405429 * k - 1.453152027) * k + 1.421413741) * k - 0.284496736) * k + 0.254829592) * k
    return np.asarray(0.5 * (1 + np.sign(values) * (1 - series * np.exp(-(size**2)))))


def _counted(
    chance: np.random.Generator, rows: NDArray[np.int64], shares: Floats, *, sessions: bool
) -> NDArray[np.int64]:
    shares = np.clip(shares, 0, None)
    shares /= shares.sum(axis=1, keepdims=True)
    alone = chance.multinomial(rows, shares)
    if not sessions:
        return alone.astype(np.int64)
    alike = 5 * chance.multinomial(np.maximum(1, rows // 5), shares)
    return np.where(chance.random((len(rows), 1)) < 0.3, alike, alone).astype(np.int64)
