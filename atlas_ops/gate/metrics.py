"""What a gate compares: names for people, and the scale on which a change is measured. Used by `judge` and `report`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from atlas_ops.detect.gate import Limits, Sample
from atlas_ops.gate.runs import (
    COST,
    ENERGY,
    ERROR_SHARE,
    FIRST_TOKEN,
    INTER_TOKEN,
    LATENCY,
    MEAN,
    QUANTILES,
    TOKENS_PER_SECOND,
    Reading,
)


class Scale(StrEnum):
    """How a value becomes a number that is worse the greater it is, and whose differences are compared."""

    TIMES = "times"
    """Its logarithm: times and costs. A change is a ratio."""
    FEWER_TIMES = "fewer times"
    """The same turned round: throughput."""
    POINTS = "points"
    """Itself: a share that may be 0. A change is a difference."""
    RARE = "rare"
    """The logarithm of a share that is counted: requests slower than a bound."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tolerances:
    """What the user allows (`margin`) and what has to be found (`detect`), as shares: 0.05 is 5 %."""

    margin: float = 0.05
    detect: float = 0.20
    error_margin: float = 0.005
    error_detect: float = 0.02


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """One thing that is compared. `limits` are on its scale."""

    key: str
    title: str
    unit: str
    scale: Scale
    limits: Limits
    fewest: int = 1
    """Observations that a run has to have for it."""
    limit_words: str = ""
    """What the margin means, where it is not the tolerance itself."""

    def sample(self, readings: Sequence[Reading]) -> Sample:
        """Return one side on the scale of the metric; one reading for each run."""
        return Sample(values=tuple(map(self._scaled, readings)), floor=max(map(self._floor, readings)))

    def change(self, difference: float) -> float:
        """Return a difference on the scale as people say it: +0.2 is 20 % more, or 20 percentage points for shares."""
        if self.scale is Scale.POINTS:
            return difference
        return math.expm1(-difference if self.scale is Scale.FEWER_TIMES else difference)

    def _scaled(self, reading: Reading) -> float:
        if self.scale is Scale.POINTS:
            return reading.value
        if self.scale is Scale.RARE:
            return math.log((reading.value * reading.of + 0.5) / (reading.of + 1))
        # A time of 0 is one below what the tool can tell.
        value = math.log(max(reading.value, reading.step / 2, 1e-9))
        return -value if self.scale is Scale.FEWER_TIMES else value

    def _floor(self, reading: Reading) -> float:
        """Return the standard deviation by rounding (a uniform error) or by counting (a binomial one, two more of each kind)."""
        if self.scale in (Scale.TIMES, Scale.FEWER_TIMES):
            return reading.step / max(reading.value, reading.step, 1e-9) / math.sqrt(12)
        share = (reading.value * reading.of + 1) / (reading.of + 2)
        deviation = math.sqrt(share * (1 - share) / reading.of)
        return deviation if self.scale is Scale.POINTS else deviation / share


FEWEST_BEYOND = 5
"""Observations of a run beyond a quantile or a bound: of a hundred requests the p99 is the slowest but one, which is noise."""
_FEWEST_OF_MEAN = 10
"""As for a median."""
_TITLES = {LATENCY: "request latency", FIRST_TOKEN: "time to first token", INTER_TOKEN: "inter-token latency"}


def standard(tolerances: Tolerances) -> tuple[Metric, ...]:
    """Return everything that result files may tell, in the order in which it is shown."""
    ratio = _ratio(tolerances)
    times = [
        Metric(
            key=f"{metric}_{name}", title=f"{title} {name}", unit="seconds", scale=Scale.TIMES, limits=ratio,
            fewest=round(FEWEST_BEYOND / (1 - share)),
        )
        for metric, title in _TITLES.items()
        for name, share in QUANTILES.items()
    ]  # fmt: skip
    return (
        *times,
        errors(tolerances),
        Metric(key=TOKENS_PER_SECOND, title="tokens per second", unit="1/s", scale=Scale.FEWER_TIMES, limits=ratio),
        Metric(key=COST, title="cost per million tokens", unit="money", scale=Scale.TIMES, limits=ratio),
    )


def errors(tolerances: Tolerances) -> Metric:
    """Return the share of requests that failed; its limits are percentage points."""
    limits = Limits(margin=tolerances.error_margin, detect=tolerances.error_detect)
    return Metric(key=ERROR_SHARE, title="share of errors", unit="share", scale=Scale.POINTS, limits=limits)


def mean(name: str, tolerances: Tolerances) -> Metric:
    """Return the mean of one of the times, for histograms that tell no quantile."""
    limits = _ratio(tolerances)
    return Metric(
        key=f"{name}{MEAN}", title=f"mean {_TITLES[name]}", unit="seconds", scale=Scale.TIMES, limits=limits, fewest=_FEWEST_OF_MEAN
    )  # fmt: skip


def energy(tolerances: Tolerances) -> Metric:
    """Return the energy of the GPUs by the tokens that they produced."""
    return Metric(key=ENERGY, title="energy per token", unit="joules", scale=Scale.TIMES, limits=_ratio(tolerances))


def _ratio(tolerances: Tolerances) -> Limits:
    return Limits(margin=math.log1p(tolerances.margin), detect=math.log1p(tolerances.detect))
