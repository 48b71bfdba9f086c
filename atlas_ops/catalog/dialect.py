"""The records of a dialect: how one runtime speaks of the signals.

Filled by `catalog.dialects` from `exporters/<runtime>.yaml`; obeyed by `atlas_ops.exporter`, read by `atlas_ops.check`.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import Enum

from atlas_ops.catalog.model import Quality, Signal

NO_EVENT = "drop"
"""The outcome of what is no event of the objective, such as a client's malformed request."""


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
    LABEL_PRODUCT = "label_product"
    """The product of the numbers in `labels`; the value of the sample means nothing."""
    LABEL_LISTS = "label_lists"
    """The length of comma-separated lists in labels of the series with the newest time stamp as its value."""


class Combine(Enum):
    """What happens to the series of the engines (or endpoints, or versions) of one model on one server."""

    SUM = "sum"
    MAX = "max"
    MIN = "min"


@dataclass(frozen=True, order=True, slots=True)
class Version:
    """A version or release, ordered by its numbers: 0.9.2 before 0.10.2, 23.09 before 24.08."""

    numbers: tuple[int, ...]
    text: str = field(compare=False)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """A label and the patterns (shell style: `2??`) one of which its value has to match. The label must be there."""

    label: str
    patterns: tuple[str, ...]

    def accepts(self, labels: Sequence[tuple[str, str]]) -> bool:
        """Say whether a sample with these labels is meant."""
        return any(
            name == self.label and any(fnmatch.fnmatchcase(value, pattern) for pattern in self.patterns)
            for name, value in labels
        )


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
    scale: float = 1.0
    """Native unit in base units, such as 1e-6 for microseconds."""
    where: tuple[Match, ...] = ()
    """Only samples that all of these accept."""
    bounds: tuple[float, ...] = ()
    """The default bucket bounds in the signal's unit, without +Inf; empty: not fixed, or none."""
    count: str = ""
    """For `mean`: native name of the number of observations."""
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
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Drop:
    """Native samples that must not be translated."""

    where: tuple[Match, ...]
    reason: str
    """Value of the label `reason` of `atlas_exporter_dropped_samples_total`."""
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """A sample that only versions from `since` on have."""

    metric: str
    since: Version
    where: tuple[Match, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """A health endpoint of the runtime."""

    path: str
    tells: str
    """`readiness`, `liveness` or `model`."""
    on_metrics_port: bool
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dialect:
    """How one runtime speaks."""

    runtime: str
    name: str
    source: str
    """Where the facts come from."""
    prefixes: tuple[str, ...]
    """A page with a metric name that begins with one of these is of this runtime."""
    rank: int
    """Where several dialects fit a page, the highest rank wins: a runtime that carries another one ranks above it."""
    metrics_path: str
    default_port: int
    metrics_on_by_default: bool
    metrics_switch: str
    """What turns the page, or its contents, on or off."""
    version_scheme: str
    model_labels: tuple[str, ...]
    """Native labels that name the model, in order of preference."""
    endpoints: tuple[Endpoint, ...]
    drops: tuple[Drop, ...]
    evidence: tuple[Evidence, ...]
    entries: tuple[Entry, ...]
    traps: tuple[str, ...]
    """What the page says that is not so, and what it does not say."""

    def knows(self, names: Collection[str]) -> bool:
        """Say whether one of the native names is of this runtime."""
        return any(name.startswith(self.prefixes) for name in names)

    def entry(self, signal: Signal) -> Entry | None:
        """Return the line for a signal, or None when the dialect has none."""
        return next((entry for entry in self.entries if entry.signal is signal), None)

    @property
    def readiness(self) -> Endpoint | None:
        """The readiness endpoint that can be asked where the metrics are; None when there is none."""
        return next((e for e in self.endpoints if e.tells == "readiness" and e.on_metrics_port), None)
