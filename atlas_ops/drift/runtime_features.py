"""Features that runtimes count themselves, at no extra series: lengths of prompts and answers, and why answers end.

A histogram's buckets are the bins of a length, the reasons that a dialect knows those of `finish_reason`. Called by `prometheus_counts`,
which reads them, and by `prometheus_fit`, which asks what servers tell.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.detect.features import UNSEEN, Category, Feature, Numeric
from atlas_ops.prometheus import Course

LENGTHS = {"prompt_tokens": s.REQUEST_PROMPT_TOKENS, "generation_tokens": s.REQUEST_GENERATION_TOKENS}
"""{feature: histogram}."""
SIGNALS = {**LENGTHS, c.FINISH_REASON: s.REQUESTS_FINISHED}
"""{feature: what tells it}."""
_Grown = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Length:
    """A length, as the buckets of a histogram tell it."""

    feature: Numeric
    label = "le"

    @property
    def metric(self) -> str:
        """The series of the buckets."""
        return LENGTHS[self.feature.name].series[0]

    @property
    def needed(self) -> tuple[float, ...]:
        """The buckets that every server has to have."""
        return (*self.feature.edges[1:], math.inf)

    @property
    def width(self) -> int:
        """How many places there are."""
        return len(self.needed)

    def place(self, value: str) -> int | None:
        """Return which of the needed buckets one is: `1` and `1.0` are one of servers that write it differently."""
        bound = bound_of(value)
        return self.needed.index(bound) if bound in self.needed else None

    def bins(self, cumulated: _Grown) -> _Grown:
        """Return the requests in each bin, of those in each bucket and all lower ones."""
        # `increase` guesses at the edges of a window for each bucket by itself, so that one may fall a little behind a lower one.
        bins = np.diff(np.maximum.accumulate(cumulated, axis=1), axis=1, prepend=0.0)
        nothing = np.zeros((len(bins), 1))
        return np.hstack([bins[:, :-1], nothing, bins[:, -1:], nothing])  # below, above the greatest bound, missing

    def lacks(self, places: Iterable[int]) -> str:
        """Name buckets that are not there, as in `servers have other buckets of ...`."""
        return f"the buckets le={', '.join(f'{self.needed[place]:g}' for place in places)}"


@dataclass(frozen=True, slots=True)
class Reasons:
    """Why answers end. What the reference has not seen is unseen, under whatever name it comes."""

    feature: Category
    metric = s.REQUESTS_FINISHED.name
    label = "reason"

    @property
    def needed(self) -> tuple[str, ...]:
        """The reasons that every server has to tell, be it that there were none."""
        return self.feature.names

    @property
    def width(self) -> int:
        """How many places there are."""
        return len(self.feature.bins)

    def place(self, value: str) -> int | None:
        """Return the place of a reason's bin."""
        return self.feature.bins.index(UNSEEN) if value not in self.needed else self.needed.index(value)

    def bins(self, grown: _Grown) -> _Grown:
        """Return the requests in each bin."""
        return grown

    def lacks(self, places: Iterable[int]) -> str:
        """Name reasons that are not told."""
        return f"the reasons {', '.join(self.needed[place] for place in places)}"


Told = Length | Reasons


def told(feature: Feature) -> Told | None:
    """Return how runtimes tell a feature; None when they do not."""
    if isinstance(feature, Numeric):
        return Length(feature) if feature.name in LENGTHS else None
    return Reasons(feature) if feature.name == c.FINISH_REASON else None


class Servers:
    """How many servers told each value of a label, by time. `courses` are those of `count by (label)`."""

    def __init__(self, courses: Iterable[Course], label: str) -> None:
        self._told: dict[str, Counter[float]] = defaultdict(Counter)
        for course in courses:
            value = course.labels.get(label, "")
            # `1` and `1.0` are one bound of servers that write it differently.
            of = self._told[repr(bound_of(value)) if label == "le" else value]
            of.update(dict(zip(course.times, map(round, course.values), strict=True)))
        times = {at for of in self._told.values() for at in of}
        self._all = {at: max(of[at] for of in self._told.values()) for at in times}

    @property
    def common(self) -> frozenset[str]:
        """The values that all servers told for more than half of the time."""
        whole = {value: sum(of[at] == number for at, number in self._all.items()) for value, of in self._told.items()}
        return frozenset(value for value, times in whole.items() if times > len(self._all) / 2)

    @property
    def alike(self) -> bool:
        """Whether for more than half of the time each value was told by all servers or by none."""
        alike = sum(all(of[at] in (0, number) for of in self._told.values()) for at, number in self._all.items())
        return alike > len(self._all) / 2


def bound_of(text: str) -> float:
    """Return the bound that a label `le` names; NaN when it is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def length(name: str, servers: Servers) -> Numeric | None:
    """Return a length whose bins are the buckets that all servers had for more than half of the time: others cannot be added up."""
    edges = sorted(bound for bound in map(bound_of, servers.common) if bound < math.inf)
    return Numeric(name=name, edges=(*([0.0] if edges[0] > 0 else [edges[0] - 1.0]), *edges)) if edges else None


def reasons(servers: Servers, happened: Sequence[str]) -> Category | None:
    """Return why answers end: bins are those that have `happened`. None when most of the time servers told other reasons than each other."""
    names = tuple(reason for reason in c.FINISH_REASONS if reason in happened and reason in servers.common)
    return Category(name=c.FINISH_REASON, names=names) if names and servers.alike else None
