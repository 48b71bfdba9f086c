"""The records of the catalog: signals, panels, faults. Frozen, and they refuse nonsense when they are made.

Filled by `catalog/signals.py` and `catalog/faults/`; printed by `atlas_ops.render`; measured by `atlas_ops.exporter`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from atlas_ops.catalog import conventions


class SignalType(Enum):
    """The three Prometheus types that the contract uses."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


class Quality(Enum):
    """How well a source speaks for a signal; part of the signal's identity (design, section 1)."""

    DIRECT = "direct"
    DERIVED = "derived"
    APPROXIMATE = "approximate"
    MEAN_ONLY = "mean_only"
    SUMMARY = "summary"
    PROBE = "probe"
    NONE = "none"


class Severity(Enum):
    """Who is told, and when."""

    PAGE = "page"
    """Wakes a person: urgent, actionable, about users or about hardware that will hurt them."""
    TICKET = "ticket"
    """Looked at within days."""
    INFO = "info"
    """Context for other alerts; nobody is told."""


class Family(Enum):
    """Faults that belong together. The value is the stem of its files in every folder."""

    LATENCY = "latency"
    CAPACITY = "capacity"
    AVAILABILITY = "availability"
    HARDWARE = "hardware"
    DRIFT = "drift"
    COST = "cost"
    BLINDNESS = "blindness"


_SIGNAL_NAME = re.compile(r"atlas_[a-z0-9_]+\Z")
_FAULT_NAME = re.compile(r"(?:[A-Z][a-z0-9]+)+\Z")


@dataclass(frozen=True, kw_only=True, slots=True)
class Signal:
    """One canonical metric of the contract (design, section 3).

    `unit` is the base unit that the name's suffix promises ("" for plain numbers), `labels` every label it may carry.
    """

    name: str
    type: SignalType
    help: str
    unit: str = ""
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a name that breaks Prometheus's naming practice for its type and unit."""
        if not _SIGNAL_NAME.match(self.name):
            raise ValueError(f"signal {self.name!r}: the name must look like atlas_some_words")
        counter = self.type is SignalType.COUNTER
        if counter != self.name.endswith("_total"):
            raise ValueError(f"signal {self.name}: counters, and only they, end in _total")
        stem = self.name.removesuffix("_total").removesuffix("_max")
        if self.unit and not stem.endswith(f"_{self.unit}"):
            raise ValueError(f"signal {self.name}: the name must end in its unit {self.unit!r}")
        if not self.help:
            raise ValueError(f"signal {self.name}: needs a help text")

    @property
    def series(self) -> tuple[str, ...]:
        """The names under which Prometheus stores it: three for a histogram, one otherwise."""
        if self.type is SignalType.HISTOGRAM:
            return tuple(f"{self.name}_{part}" for part in ("bucket", "sum", "count"))
        return (self.name,)

    def __str__(self) -> str:
        """Return the name, so that a signal can be written straight into PromQL."""
        return self.name


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    """One recording rule. `name` follows Prometheus's `level:metric:operations`, or is a signal that is made of others' metrics."""

    name: str
    expr: str
    unhurried: bool = False
    """It changes so seldom that every other minute is enough, whoever reads it."""

    def __post_init__(self) -> None:
        """Refuse a name that is neither of the form level:metric:operations nor that of a signal."""
        if self.name.count(":") != 2 and not _SIGNAL_NAME.match(self.name):
            raise ValueError(f"recording {self.name!r}: the name must be level:metric:operations")


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One alert rule of a fault, ready to be printed.

    `labels` are the signal labels that `expr` leaves on its result; the alert's labels and the placeholders of its
    runbook come from them. `for_seconds` stays below Alertmanager's resolve horizon of 4 minutes: after a Prometheus
    restart a longer one is not restored, and the page resolves falsely (seen on Prometheus 2.42 with Alertmanager 0.25).
    """

    expr: str
    labels: tuple[str, ...]
    severity: Severity
    summary: str
    for_seconds: float = 0.0
    keep_firing_seconds: float = 0.0
    variant: str = ""
    """Tells two rules of one fault apart, such as the `fast` and the `slow` burn; a label of the alert."""
    objective: str = ""
    """The pattern of the objective that the rule is for, where there are several; a label of the alert."""

    def __post_init__(self) -> None:
        """Refuse a `for` that a restart of Prometheus would turn into a false resolve."""
        if not 0 <= self.for_seconds < 240:
            raise ValueError(f"for_seconds {self.for_seconds}: must be below 240 (Alertmanager's resolve horizon)")
        unknown = set(self.labels) - {*conventions.ALERT_LABELS.values(), *conventions.DETAIL_LABELS}
        if unknown:
            raise ValueError(f"rule labels {sorted(unknown)} are neither in ALERT_LABELS nor in DETAIL_LABELS")


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """The chart that shows a fault: one or more queries against its limit."""

    title: str
    description: str
    queries: tuple[tuple[str, str], ...]
    """(PromQL, legend) pairs; `$__rate_interval` and `$model` are allowed."""
    unit: str
    """Grafana's unit id, such as `s`, `percentunit`, `short`."""
    limit: float | None = None
    """Where the red line is drawn, in the unit of the panel."""
    empty: str = ""
    """Completes "Empty ...": why it may have no data although all is well; empty: then it must have data."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Inhibition:
    """While this fault fires, the alerts of `targets` with equal `equal` labels are held back."""

    targets: tuple[str, ...]
    equal: tuple[str, ...]
    """Labels of alerts (people's words) that must agree."""
    source_variant: str = ""
    target_variant: str = ""
    named: tuple[str, ...] = ()
    """Labels that the source must have for it to hide anything: Alertmanager takes two alerts that both lack a label as
    equal in it, so without Kubernetes one GPU would hide what happens on all the others."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One thing that can go wrong, with everything that belongs to it (design, section 1)."""

    name: str
    family: Family
    meaning: str
    """One sentence for people: what is happening."""
    impact: str
    """One sentence: who feels it, and how."""
    rules: tuple[Rule, ...]
    panel: Panel
    why: str
    """Why the threshold is what it is."""
    look_alike: str
    """The benign situation that must stay silent, in words; the silent promtool case plays it."""
    recordings: tuple[Recording, ...] = ()
    inhibits: tuple[Inhibition, ...] = ()
    scenario: str = ""
    """The simulator scenario that produces it."""
    unhurried: bool = False
    """Its windows are so long that a look every other minute is enough even for a page; for a ticket it always is."""

    def __post_init__(self) -> None:
        """Refuse a name that is not CamelCase, and a fault without a rule."""
        if not _FAULT_NAME.match(self.name):
            raise ValueError(f"fault {self.name!r}: the name must be CamelCase")
        if not self.rules:
            raise ValueError(f"fault {self.name}: needs at least one rule")

    @property
    def severity(self) -> Severity:
        """The gravest severity of its rules."""
        return self.severities[0]

    @property
    def severities(self) -> tuple[Severity, ...]:
        """The severities of its rules, the gravest first."""
        return tuple(severity for severity in Severity if any(rule.severity is severity for rule in self.rules))

    @property
    def runbook(self) -> str:
        """Path of its runbook from the top of the repository."""
        return f"runbooks/{self.family.value}/{self.name}.md"

    @property
    def alert_labels(self) -> tuple[str, ...]:
        """The labels, in people's words, that an alert of this fault may carry."""
        carried = {label for rule in self.rules for label in rule.labels}
        words = (*conventions.ALERT_LABELS.items(), *((label, label) for label in conventions.DETAIL_LABELS))
        return tuple(word for word, label in words if label in carried)


@dataclass(frozen=True, kw_only=True, slots=True)
class Catalog:
    """All that can be measured and all that can go wrong."""

    signals: tuple[Signal, ...]
    faults: tuple[Fault, ...]

    def __post_init__(self) -> None:
        """Refuse duplicate names and inhibitions of faults that do not exist."""
        names = [signal.name for signal in self.signals] + [fault.name for fault in self.faults]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ValueError(f"catalog: {', '.join(doubled)} defined twice")
        known = {fault.name for fault in self.faults}
        for fault in self.faults:
            missing = {target for rule in fault.inhibits for target in rule.targets} - known
            if missing:
                raise ValueError(f"fault {fault.name}: inhibits unknown faults {sorted(missing)}")

    def signal(self, name: str) -> Signal:
        """Return the signal called `name`; KeyError when the contract has none."""
        return {signal.name: signal for signal in self.signals}[name]

    def fault(self, name: str) -> Fault | None:
        """Return the fault called `name`, or None."""
        return next((fault for fault in self.faults if fault.name == name), None)

    def of_family(self, family: Family) -> tuple[Fault, ...]:
        """Return the faults of a family in the catalog's order."""
        return tuple(fault for fault in self.faults if fault.family is family)
