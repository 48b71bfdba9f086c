"""How one run went: whether the fault was named, when somebody was told, and who was told of what was not there.

Called by `rehearse` with what fired; put together to tables by `report`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog.model import Severity
from atlas_ops.rehearsal.alerting import Firing
from atlas_ops.rehearsal.inhibition import Told
from atlas_ops.rehearsal.play import Play
from atlas_ops.simulator import Scenario
from atlas_ops.simulator.outside import pod_name

LATE_SECONDS = 300.0
"""How long after its end a fault may still be detected: windows have to fill."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """One run of a scenario. Names of alerts are with their variant, where they have one."""

    scenario: str
    seed: int
    expected: str | None
    model_minutes: float
    told_after: float | None = None
    """Seconds from the fault to its alert; None: it never came, or was there before."""
    severity: str = ""
    """Of that alert."""
    pages: tuple[str, ...] = ()
    """Pages of what was not there."""
    tickets: tuple[str, ...] = ()
    """Tickets of what was not there."""
    repeats: int = 0
    """Times that somebody was told of the fault again."""

    @property
    def passed(self) -> bool:
        """Whether the fault was named and nobody was woken for anything else."""
        return (self.expected is None or self.told_after is not None) and not self.pages


def judge(scenario: Scenario, seed: int, play: Play, told: Sequence[Told], gravest: Severity) -> Verdict:
    """Say how a run went. `gravest` is how grave the expected fault is: a ticket of one that pages does not detect it."""
    alerts = [alert for alert in told if alert.firing.name != c.HEARTBEAT]
    timely = [alert for alert in alerts if alert.at >= play.fault_from and _right(alert.firing, scenario)]
    wrong = [alert for alert in alerts if alert not in timely]
    named = [alert for alert in timely if alert.firing.name == scenario.expected_fault]
    grave = [alert for alert in named if alert.firing.severity == gravest.value]
    first = next((alert for alert in grave if alert.at <= play.fault_to + LATE_SECONDS), None)
    return Verdict(
        scenario=scenario.name,
        seed=seed,
        expected=scenario.expected_fault,
        model_minutes=play.minutes,
        told_after=first.at - play.fault_from if first else None,
        severity=first.firing.severity if first else "",
        pages=_names(wrong, Severity.PAGE, play),
        tickets=_names(wrong, Severity.TICKET, play),
        repeats=_repeats(named),
    )


def _right(firing: Firing, scenario: Scenario) -> bool:
    """Say whether an alert is of the fault and about what it was done to, or a companion, and no graver than that may be."""
    if firing.name == scenario.expected_fault:
        return _is_about(firing, scenario.touched)
    allowed = scenario.companions.get(firing.name)
    return allowed is Severity.PAGE or (allowed is not None and firing.severity != Severity.PAGE.value)


def _is_about(firing: Firing, touched: frozenset[int]) -> bool:
    """Say whether the server and the GPU that an alert names, if any, are among those that something was done to."""
    if not touched:
        return True
    pod, gpu = (firing.labels.get(label, "") for label in (c.K8S_POD, c.GPU))
    return (not pod or pod in map(pod_name, touched)) and (not gpu or gpu in map(str, touched))


def _names(alerts: Iterable[Told], severity: Severity, play: Play) -> tuple[str, ...]:
    return tuple(_name(alert, play) for alert in alerts if alert.firing.severity == severity.value)


def _name(alert: Told, play: Play) -> str:
    variant = alert.firing.labels.get(c.VARIANT, "")
    when = "" if alert.at >= play.fault_from else " before"
    return f"{alert.firing.name}{f' ({variant})' if variant else ''}{when}"


def _repeats(alerts: Iterable[Told]) -> int:
    counts = Counter(tuple(sorted(alert.firing.labels.items())) for alert in alerts)
    return sum(count - 1 for count in counts.values())
