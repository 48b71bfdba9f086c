"""The records of one line of a dialect: which native metrics mean a signal, and how they are read.

Filled by `catalog.dialect_entries`; obeyed by `atlas_ops.exporter`. `catalog.dialect` has what belongs to the whole runtime.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from atlas_ops.catalog.model import Quality, Signal, SignalType

NO_EVENT = "drop"
"""The outcome of what is no event of the objective, such as a client's malformed request."""
FIRST_REQUEST = "the first request"
"""How `needs` begins where nothing but the first request is needed: what is not on the page is 0, not unknown."""


class Decoding(Enum):
    """The ways in which native samples become a signal."""

    VALUE = "value"
    """A counter or gauge, as it is."""
    HISTOGRAM = "histogram"
    """A histogram with its native bounds."""
    MEAN = "mean"
    """Two counters, `metric` the sum and `count` the number: a histogram that has the +Inf bucket alone."""
    OUTCOME = "outcome"
    """A counter whose label, or whose mere existence, says how requests ended."""
    RATIO = "ratio"
    """A gauge divided by another one, `by`."""
    PRODUCT = "product"
    """A counter or gauge multiplied by a gauge, `by`."""
    DIFFERENCE = "difference"
    """A gauge less another one, `by`; never below 0."""
    STATE = "state"
    """1 where the value is one of `equals`, or at least `at_least`; else 0."""
    LABEL_PRODUCT = "label_product"
    """The product of the numbers in `labels`; the value of the sample means nothing."""
    LABEL_LISTS = "label_lists"
    """The length of comma-separated lists in labels of the series with the newest time stamp as its value."""


class Combine(Enum):
    """What happens to the series of the engines (or endpoints, or versions) of one model on one server."""

    SUM = "sum"
    MAX = "max"
    MIN = "min"


class Derivation(Enum):
    """What the exporter finds out by itself, without a word of the runtime."""

    PROCESSES = "processes"
    """From the memory that the driver tells of each process."""
    START = "start"
    """From the start of the container or process to the first ready answer."""


@dataclass(frozen=True, order=True, slots=True)
class Version:
    """A version or release, ordered by its numbers: 0.9.2 before 0.10.2, 23.09 before 24.08."""

    numbers: tuple[int, ...]
    text: str = field(compare=False)

    @classmethod
    def parse(cls, text: str) -> Version | None:
        """Read what a server calls its version: the first numbers with points in it; None when there are none."""
        found = re.search(r"\d{1,9}(?:\.\d{1,9}){0,5}", text[:100], re.ASCII)
        return cls(tuple(int(part) for part in found.group().split(".")), text[:100]) if found else None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """A label and the patterns (shell style: `2??`) one of which its value has to match.

    The empty pattern is for a label that is empty or not there; for any other the label has to be there.
    """

    label: str
    patterns: tuple[str, ...]

    def accepts(self, labels: Sequence[tuple[str, str]]) -> bool:
        """Say whether a sample with these labels is meant."""
        for name, value in labels:
            if name == self.label:
                return any(fnmatch.fnmatchcase(value, pattern) for pattern in self.patterns)
        return "" in self.patterns


@dataclass(frozen=True, kw_only=True, slots=True)
class Operand:
    """The second native metric of a ratio, product or difference."""

    metric: str
    where: tuple[Match, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelOf:
    """Where a native metric hides the name of its model."""

    label: str = ""
    part: int | None = None
    """Which part of a path it is, from 0, or from the end with -1; None: the whole value."""
    whole: bool = False
    """Whether it is of the whole server and of no model: told of its one model, or of `unnamed` where it has several."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """One native way to tell a signal."""

    metric: str
    """Native name as scraped; for histograms without `_bucket`."""
    decoding: Decoding
    quality: Quality
    since: Version | None = None
    """First version that has it; None: every version that was read has it."""
    until: Version | None = None
    """First version without it."""
    needs: str = ""
    """The switch, or the event, without which it is not on the page; absence then proves nothing."""
    unless: tuple[str, ...] = ()
    """Native names that tell the same better: on a page with one of them it is not read. So nothing is counted twice where
    a runtime, or a proxy beside it, prints the same count under two names."""
    scale: float = 1.0
    """Native unit in base units, such as 1e-6 for microseconds."""
    where: tuple[Match, ...] = ()
    """Only samples that all of these accept."""
    bounds: tuple[float, ...] = ()
    """The default bucket bounds in the signal's unit, without +Inf; empty: not fixed, or none."""
    count: str = ""
    """For `mean`: native name of the number of observations."""
    by: Operand | None = None
    """For `ratio`, `product`, `difference`. For `outcome`: what has to be taken off first, such as what is finished off
    what was begun; what is left counts once it has been left for a minute, for requests that run are in it, too."""
    equals: tuple[float, ...] = ()
    """For `state`."""
    at_least: float | None = None
    """For `state`."""
    sums: bool = True
    """For `histogram`: whether the native sum is true. One that is made up is left out, and with it every mean."""
    model: ModelOf | None = None
    """Where the model's name is, when not in the dialect's model labels."""
    state: str = ""
    """For `value`: the value of the signal's own label `state`."""
    label: str = ""
    """For `outcome`: the label that tells; empty: every sample is `otherwise`."""
    outcomes: tuple[tuple[str, str], ...] = ()
    """For `outcome`: (pattern of the label's value, outcome or `drop`); the first that matches counts."""
    otherwise: str = ""
    """For `outcome`: when the label is missing or no pattern matches; empty: the sample is left out and counted."""
    labels: tuple[str, ...] = ()
    """For `label_product`: the labels whose numbers are multiplied."""
    lists: tuple[tuple[str, str], ...] = ()
    """For `label_lists`: (value of the signal's `state`, native label that holds the list)."""

    @property
    def ends(self) -> tuple[str, ...]:
        """How requests can end by what it reads, for `outcome`; else empty."""
        words = dict.fromkeys((*(word for _, word in self.outcomes), self.otherwise))
        return tuple(word for word in words if word not in ("", NO_EVENT))

    @property
    def names(self) -> tuple[str, ...]:
        """The native sample names that it reads."""
        if self.decoding is Decoding.HISTOGRAM:
            return tuple(f"{self.metric}_{part}" for part in ("bucket", "sum", "count"))
        others = (self.count, self.by.metric if self.by else "")
        return (self.metric, *(name for name in others if name))


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One line of the dictionary: a signal and what it is called here."""

    signal: Signal
    quality: Quality
    """How well the readings tell it, unless one says otherwise. `none`: the runtime cannot tell it; `note` says why."""
    readings: tuple[Reading, ...] = ()
    added: bool = False
    """True: all readings are parts that are added up. False: per model, the first reading that is there counts."""
    combine: Combine = Combine.SUM
    derive: Derivation | None = None
    """How the exporter finds it out, where the runtime does not tell it."""
    note: str = ""

    @property
    def cumulative(self) -> bool:
        """Whether its native numbers only grow while the server lives."""
        return self.signal.type is not SignalType.GAUGE

    @property
    def ends(self) -> tuple[str, ...]:
        """How requests can end by what it reads; empty for what counts no ends."""
        return tuple(dict.fromkeys(end for reading in self.readings for end in reading.ends))
