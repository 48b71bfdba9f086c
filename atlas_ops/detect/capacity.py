"""How much a server carries: a curve of throughput against concurrency, fitted to windows of time, and how sure that is.

The curve is that of a queue with c = most / slope places, in the approximation of Kingman and Sakasegawa (Naval Research Logistics 1977):

    N = c u + variability u^sqrt(2 (c + 1)) / (1 - u),    u = X / most

N requests are in the server while it finishes X a second; `slope` is X / N while there is room, `most` is X when there is none, and
`variability` is 1 where arrivals and work are as random as in an M/M/c queue.

Measured (`python -m benchmarks.capacity`: queues with 1, 4, 16 and 64 workers, two days, 20 seeds each): where a peak is 15 % above what
the server carries, `most` is off by 0.5 % on average, and by 1.5 % where work wanders by 5 %; a peak at 95 % of it leaves 2 %. Of the
simulator's batching engine it is 1 to 2 % too high. Gunther's Universal Scalability Law is up to 11 % too high there (it has no corner, and
slots have), and two lines that meet are up to 6 % too low (they have no bend), 19 % at the peak of 95 %.

At one and the same load, requests pile up by chance: among such windows more concurrency is not more throughput, and a curve through
them seems to be full where it is not. So windows are taken together by the concurrency of their neighbours (an instrument in the sense
of econometrics: it tells the load, and knows nothing of the window's own luck), and the curve goes through the means of these levels.

Uncertainty is that of a bootstrap over blocks of time: windows that follow each other share their weather. Pure: numpy only, called by
`atlas_ops.capacity` and `benchmarks.capacity`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]

NEIGHBOUR = 2
"""How many windows away the neighbours are whose concurrency tells the load."""
_WIDTH = 0.1
"""Of a level: concurrencies that differ by less than this share."""
_LIMITS = np.array([[-30.0, -30.0, np.log(0.02)], [30.0, 30.0, np.log(50.0)]])
"""Of the logarithms of slope, most and variability."""
MARKOV = 1.0
"""Variability of arrivals and work that are as random as in an M/M/c queue."""
_HALVINGS, _TINY = 40, 1e-12
_ROUNDS, _REFINING = 60, 15
_HALTED, _EXPECTED = 0.5, 100.0
"""A window halts where it finishes less than this share of what its concurrency usually does, and that many were expected at least."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Windows:
    """What was seen, each of shape (servers, windows); NaN where nothing was."""

    concurrency: Floats
    throughput: Floats
    """Finished requests per second."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Levels:
    """Windows taken together by the load that their neighbours tell."""

    where: Whole
    """Level of each window, shape (servers, windows); -1: of none."""
    count: int

    def sums(self, values: Floats, blocks: Whole) -> Floats:
        """Return the sums of values of windows by block of time (`blocks`: that of each window) and level."""
        shape = (int(blocks.max()) + 1, self.count)
        used = (self.where >= 0) & np.isfinite(values)
        place = (np.broadcast_to(blocks, values.shape) * self.count + self.where)[used]
        return np.asarray(np.bincount(place, values[used], shape[0] * shape[1]).reshape(shape), dtype=np.float64)


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """Throughput against concurrency of one server; every field has one value for each draw."""

    slope: Floats
    most: Floats
    variability: Floats

    def throughput(self, concurrency: Floats) -> Floats:
        """Return requests per second at a concurrency above 0; it and the fields are broadcast."""
        return self.most * _use(self.places, self.variability, np.asarray(concurrency, dtype=np.float64))

    def elasticity(self, concurrency: Floats) -> Floats:
        """Return by how many per cent the throughput grows with one per cent more concurrency: 1 with room, 0 when full."""
        use = _use(self.places, self.variability, np.asarray(concurrency, dtype=np.float64))
        return np.asarray(concurrency / (use * _steepness(self.places, self.variability, use)))

    @property
    def places(self) -> Floats:
        """Where the line of an empty server meets that of a full one: requests at the same time."""
        return self.most / self.slope

    def of(self, draws: slice) -> Curve:
        """Return some of the draws; the first is that of all blocks."""
        return Curve(slope=self.slope[draws], most=self.most[draws], variability=self.variability[draws])


def levels(seen: Windows) -> Levels:
    """Return the levels of windows whose neighbours are known, and whose server is neither idle nor halted."""
    load = np.full_like(seen.concurrency, np.nan)
    before, after = seen.concurrency[:, : -2 * NEIGHBOUR], seen.concurrency[:, 2 * NEIGHBOUR :]
    load[:, NEIGHBOUR:-NEIGHBOUR] = (before + after) / 2
    known = np.isfinite(seen.concurrency) & np.isfinite(seen.throughput) & (seen.concurrency > 0) & (load > 0)
    where = np.full(load.shape, -1, dtype=np.int64)
    found, inverse = np.unique(np.round(np.log(load[known]) / _WIDTH), return_inverse=True)
    where[known] = inverse.ravel()
    return Levels(where=where, count=len(found))


def without(levels: Levels, left_out: Flags) -> Levels:
    """Return the levels without some of the windows."""
    return Levels(where=np.where(left_out, -1, levels.where), count=levels.count)


def halted(seen: Windows, curve: Curve, seconds: float) -> Flags:
    """Say which windows of so many seconds finish far less than others do with as many requests: a server that hung or was held up."""
    with np.errstate(invalid="ignore", divide="ignore"):
        usual = curve.of(slice(1)).throughput(np.maximum(seen.concurrency, _TINY))
        return (seen.concurrency > 0) & (usual * seconds > _EXPECTED) & (seen.throughput < _HALTED * usual)


def resampled(blocks: int, draws: int, seed: int = 0) -> Floats:
    """Return how often each block counts: all of them once, then as often as they are drawn. Shape (1 + draws, blocks)."""
    drawn = np.random.default_rng(seed).multinomial(blocks, np.full(blocks, 1 / blocks), draws)
    return np.concatenate([np.ones((1, blocks)), drawn])


def fit(seen: Windows, levels: Levels, blocks: Whole, weights: Floats, *, variability: float | None = None) -> Curve:
    """Return a curve for each row of `weights` (`resampled`), which says how often each block of time counts.

    `blocks` is the block of each window: 0, 1, 2, ... Of rows without a window the curve is that of all of them. `variability`: what it
    may be at the most.
    """
    limits = _LIMITS if variability is None else np.array([_LIMITS[0], [*_LIMITS[1][:2], np.log(variability)]])
    known = np.where(levels.where >= 0, 1.0, np.nan)
    counts, concurrency, throughput = (
        weights @ levels.sums(known * values, blocks) for values in (np.ones(1), seen.concurrency, seen.throughput)
    )
    there = np.maximum(counts, 1e-12)
    held, done = (np.where(counts > 0, total / there, 1.0) for total in (concurrency, throughput))
    start = _start(held[0], done[0], counts[0])
    first = _solved(held[:1], done[:1], counts[:1], start, limits, _ROUNDS)
    found = np.exp(_solved(held, done, counts, np.repeat(first, len(weights), axis=0), limits, _REFINING))
    return Curve(slope=found[:, 0], most=found[:, 1], variability=found[:, 2])


def _start(concurrency: Floats, throughput: Floats, counts: Floats) -> Floats:
    used = counts > 0
    low = used & (concurrency <= np.quantile(concurrency[used], 0.3))
    slope = (counts * throughput)[low].sum() / (counts * concurrency)[low].sum()
    most = float(np.quantile(throughput[used], 0.95))
    return np.log([[max(slope, 1e-9), max(most, 1e-9), 1.0]])


def _use(places: Floats, variability: Floats, concurrency: Floats) -> Floats:
    """Return u between 0 and 1 at which so many requests are in the server, by halving: their number rises with u."""
    power = np.sqrt(2 * (places + 1))
    low = np.zeros(np.broadcast_shapes(places.shape, concurrency.shape))
    high = np.ones_like(low)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        above = places * middle + variability * middle**power / (1 - middle) > concurrency
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return np.asarray((low + high) / 2)


def _steepness(places: Floats, variability: Floats, use: Floats) -> Floats:
    """Return the derivative of the number of requests by u."""
    power = np.sqrt(2 * (places + 1))
    queue = variability * use**power / (1 - use)
    return np.asarray(places + queue * (power / use + 1 / (1 - use)))


def _gradient(parameters: Floats, use: Floats) -> Floats:
    """Return the derivatives of the throughput by the logarithms of slope, most and variability, shape (draws, levels, 3)."""
    slope, most, variability = (np.exp(parameters[:, place, None]) for place in range(3))
    places = most / slope
    power = np.sqrt(2 * (places + 1))
    queue = variability * use**power / (1 - use)
    steep = _steepness(places, variability, use)
    by_places = places * (use + queue * np.log(use) / power) / steep
    return np.asarray(np.stack([most * by_places, most * (use - by_places), -most * queue / steep], axis=-1))


def _solved(
    concurrency: Floats, throughput: Floats, weights: Floats, start: Floats, limits: Floats, rounds: int
) -> Floats:
    """Return the logarithms of the parameters of least squares for each row (Levenberg and Marquardt, all rows at once).

    A count has the variance of its mean, so squares of residuals are divided by what the curve says.
    """
    parameters, damping = np.clip(start, *limits), np.full(len(start), 1e-2)
    least = 0.02 * max(float(throughput.max()), 1e-9)
    use = _used(parameters, concurrency)
    for _ in range(rounds):
        most = np.exp(parameters[:, 1, None])
        precision, missed = weights / np.maximum(most * use, least), throughput - most * use
        gradient = _gradient(parameters, use)
        bent = np.einsum("bni,bn,bnj->bij", gradient, precision, gradient)
        slope = np.einsum("bni,bn->bi", gradient, precision * missed)
        diagonal = np.einsum("bii->bi", bent) + 1e-12
        damped = bent + damping[:, None, None] * diagonal[:, :, None] * np.eye(3)
        step = np.clip(np.linalg.solve(damped, slope[..., None])[..., 0], -1.0, 1.0)
        tried = np.clip(parameters + step, *limits)
        then = _used(tried, concurrency)
        left = throughput - np.exp(tried[:, 1, None]) * then
        better = (precision * (left**2 - missed**2)).sum(axis=1) <= 0
        parameters[better], use = tried[better], np.where(better[:, None], then, use)
        damping = np.clip(np.where(better, damping / 3, damping * 4), 1e-7, 1e6)
    return parameters


def _used(parameters: Floats, concurrency: Floats) -> Floats:
    slope, most, variability = (np.exp(parameters[:, place, None]) for place in range(3))
    return _use(most / slope, variability, concurrency)
