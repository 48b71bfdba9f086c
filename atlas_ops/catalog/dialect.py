"""The record of a dialect: how one runtime speaks of the signals, where it is asked, and how it is recognised.

Filled by `catalog.dialect_file` from `exporters/<runtime>.yaml`; obeyed by `atlas_ops.exporter`, read by `atlas_ops.check`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from atlas_ops.catalog.model import Signal
from atlas_ops.catalog.reading import Combine, Decoding, Entry, Match, Version


class Moves(Enum):
    """When the numbers of a runtime move; what stands still while they should move is a hung engine."""

    LIVE = "live"
    """With every event, or when the page is made."""
    STEP = "step"
    """With every step of the engine: they freeze when it hangs."""
    FINISH = "finish"
    """When requests finish: they say nothing while none does."""
    ARRIVAL = "arrival"
    """When requests arrive: they do not go back when traffic ends."""
    PUSH = "push"
    """Sent now and then to an agent, which prints them."""


class Place(Enum):
    """Which of a server's addresses an endpoint is at."""

    METRICS = "metrics"
    API = "api"
    MANAGEMENT = "management"


@dataclass(frozen=True, kw_only=True, slots=True)
class Drop:
    """Native samples that must not be translated."""

    where: tuple[Match, ...]
    metric: str = "*"
    """Pattern of the native sample names that it is about."""
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
class Alive:
    """Tells which series are of something that still lives, such as a replica."""

    metric: str
    """Native gauge that is above 0 for each that lives."""
    labels: tuple[str, ...]
    """What names it: the first one here, and any of them on its other series."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Semantics:
    """What the numbers mean, beyond their names."""

    gauges_move: Moves
    tokens_move: Moves
    scrape_resets: tuple[str, ...] = ()
    """Native names that every scrape sets back, whoever scrapes: never read, for two readers spoil them."""
    significant_digits: int = 0
    """Digits that are printed of a counter; 0: all."""
    workers_alternate: bool = False
    """Whether several processes can answer in turn behind one port, each with counters of its own."""
    repeated_by: tuple[str, ...] = ()
    """Labels of series that all say the same, such as the ranks of one engine: the largest counts, never their sum."""
    alive: Alive | None = None
    """Gauges of what is dead linger; this tells them. Counters may stay: they no longer move."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Naming:
    """How a page names its models."""

    labels: tuple[str, ...] = ()
    """Native labels that name the model, in order of preference."""
    known_by: tuple[str, ...] = ()
    """Native names without which a model is none: names on other series alone come from requests for what is not there,
    and are counted together. Empty: every name on the page is a model."""
    alone: bool = False
    """Whether a page is about one model that it need not name: then the settings, an endpoint or `info` do."""
    info: tuple[str, str] | None = None
    """(metric, label) of a series that names the model, or service, of the whole page."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """A health endpoint of the runtime."""

    path: str
    """`{model}` stands for the name of each model on the page."""
    tells: str
    """`readiness`, `liveness` or `model`."""
    at: Place
    find: str = ""
    """Path in the JSON answer, as in `Answer`, where the word in `ready` has to be; empty: the HTTP status tells."""
    ready: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """One value in the JSON that an endpoint answers."""

    find: str
    """Keys with points between them; `*` stands for every item. `jobQueueStatus.pendingRequests`, `*.n_ctx`."""
    signal: Signal | None = None
    fact: str = ""
    """`model` or `version`, where it is no signal."""
    combine: Combine = Combine.SUM
    """What happens to several values that are found."""
    plus: str = ""
    """A second path whose values are added."""
    by: str = ""
    """A path whose values divide, for a ratio."""
    positive: bool = False
    """Whether 0 stands for `no limit`, and so tells nothing."""
    scale: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """An endpoint that tells what no metric does."""

    path: str
    """`{model}` stands for the name of each model on the page."""
    at: Place
    answers: tuple[Answer, ...]
    every_seconds: float = 0.0
    """How long an answer holds; 0: it is asked for in every round."""
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kubernetes:
    """What a pod of the runtime looks like."""

    images: tuple[str, ...] = ()
    """Patterns of the image's repository, without its registry and tag."""
    containers: tuple[str, ...] = ()
    """Usual names of the container."""
    commands: tuple[str, ...] = ()
    """Texts in its command line."""
    labels: tuple[tuple[str, str], ...] = ()
    """(label of the pod, pattern of its value)."""


@dataclass(frozen=True, kw_only=True)
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
    """Of the metrics."""
    api_port: int
    """Of the requests; 0: the same port."""
    management_port: int
    """0: there is none."""
    metrics_on_by_default: bool
    metrics_switch: str
    """What turns the page, or its contents, on or off."""
    version_scheme: str
    version_label: str
    """Native label, of whatever series, that tells the version; empty: none does."""
    naming: Naming
    semantics: Semantics
    kubernetes: Kubernetes
    endpoints: tuple[Endpoint, ...]
    questions: tuple[Question, ...]
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

    @cached_property
    def read_names(self) -> frozenset[str]:
        """The native sample names that are read; all others are of no interest."""
        readings = [reading for entry in self.entries for reading in entry.readings]
        read = {name for reading in readings for name in (*reading.names, *reading.unless)}
        read |= {evidence.metric for evidence in self.evidence}
        read |= {self.semantics.alive.metric} if self.semantics.alive else set()
        read |= {self.naming.info[0]} if self.naming.info else set()
        read |= set(self.naming.known_by)
        return frozenset(read)

    @cached_property
    def read_labels(self) -> frozenset[str]:
        """The native labels that are looked at; counters that differ in others alone are added up."""
        readings = [reading for entry in self.entries for reading in entry.readings]
        wheres = [*(r.where for r in readings), *(r.by.where for r in readings if r.by)]
        read = {match.label for where in wheres for match in where}
        read |= {match.label for evidence in self.evidence for match in evidence.where}
        read |= {label for r in readings for label in (r.label, *r.labels, r.model.label if r.model else "")}
        return frozenset({"le", *self.naming.labels, *read} - {""})

    @cached_property
    def cumulative_names(self) -> frozenset[str]:
        """Those of them that only grow while the server lives."""
        readings = [reading for entry in self.entries if entry.cumulative for reading in entry.readings]
        gauges = {reading.by.metric for reading in readings if reading.by and reading.decoding is Decoding.PRODUCT}
        return frozenset({name for reading in readings for name in reading.names} - gauges)

    @cached_property
    def part_names(self) -> frozenset[str]:
        """Those of them that are parts of a sum, which falls when one of them is not on the page."""
        readings = [reading for entry in self.entries if entry.added for reading in entry.readings]
        return self.cumulative_names & {name for reading in readings for name in reading.names}
