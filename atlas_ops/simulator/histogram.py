"""A Prometheus histogram as a model server keeps it. Filled by `simulator.counters`, printed by `simulator.exposition`."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate


class Histogram:
    """Counts of observations by upper bound; `bounds` ascend and leave out +Inf."""

    __slots__ = ("_counts", "bounds", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.total = 0.0
        self._counts = [0] * (len(bounds) + 1)

    def observe(self, value: float, times: int = 1) -> None:
        """Count `value`, `times` times. A value equal to a bound belongs to that bound."""
        self._counts[bisect_left(self.bounds, value)] += times
        self.total += value * times

    def observe_series(self, first: float, growth: float, count: int, *, each: int) -> None:
        """Count `first`, `first + growth`, ... `each` times each: `count` values that do not fall (`growth` is no less than 0)."""
        self.total += each * (count * first + growth * (count * (count - 1) / 2))
        last = first + growth * (count - 1)
        begun = 0
        for place in range(bisect_left(self.bounds, first), len(self.bounds)):
            if last <= self.bounds[place]:
                break
            # The values up to the bound: found by halving, for dividing might round a value over it.
            ended = bisect_right(range(count), self.bounds[place], key=lambda number: first + growth * number)
            self._counts[place] += each * (ended - begun)
            begun = ended
        self._counts[bisect_left(self.bounds, last)] += each * (count - begun)

    @property
    def count(self) -> int:
        """Number of observations."""
        return sum(self._counts)

    def cumulative(self) -> list[int]:
        """Return the observations up to each bound, the last entry for +Inf."""
        return list(accumulate(self._counts))


def one_two_five(maximum: int) -> tuple[float, ...]:
    """Return 1, 2, 5, 10, ... up to and including `maximum`: vLLM's bounds for token counts (`build_1_2_5_buckets`)."""
    steps = (float(mantissa * 10**exponent) for exponent in range(len(str(maximum))) for mantissa in (1, 2, 5))
    return tuple(step for step in steps if step <= maximum)
