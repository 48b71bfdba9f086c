"""Which pages that Prometheus knows of nobody was told of, and how that is said. Pure; used by `pager.oncall.missed`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlencode

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog.model import Family, Severity
from atlas_ops.pager import texts, times
from atlas_ops.pager.incident import OWN, Alert
from atlas_ops.pager.scrub import scrub_labels
from atlas_ops.pager.store.absences import Absence
from atlas_ops.prometheus import Point

PAGES = f'ALERTS{{alertstate="firing",{c.SEVERITY}="{Severity.PAGE.value}",alertname!="{c.PAGER_FAULT}"}}'
"""What Prometheus writes down while a page fires."""
DAY = 86_400.0
"""How far back it is asked."""
_SHOWN = 8
_PLACE = 80
_SKEW_SECONDS = 30.0
"""How far the times of an alert in Prometheus and in Alertmanager's webhook may be apart."""
_IMPACT = (
    "Nobody was told of this while it fired. Some of it Alertmanager may have silenced or held back. "
    "Acknowledge when it has been seen to."
)


def alerts(first: Sequence[Point], last: Sequence[Point]) -> tuple[Alert, ...]:
    """Return the alerts of Prometheus, with the labels that webhooks would bring. `first`, `last`: when each fired."""
    ends = {tuple(sorted(point.labels.items())): point.value for point in last}
    return tuple(
        Alert(
            fingerprint="",
            firing=False,
            starts_at=point.value,
            ends_at=ends.get(tuple(sorted(point.labels.items())), point.value),
            labels=scrub_labels({name: value for name, value in point.labels.items() if name != "alertstate"}),
            annotations={},
            generator_url="",
        )
        for point in first
    )


def untold(fired: Iterable[Alert], known: Iterable[Alert]) -> tuple[Alert, ...]:
    """Return those of the alerts that `fired` that are none of the `known` ones, in the order in which they began."""
    by_name: dict[str, list[Alert]] = defaultdict(list)
    for alert in known:
        by_name[alert.fault].append(alert)
    left = [alert for alert in fired if not any(_same(alert, one) for one in by_name[alert.fault])]
    return tuple(sorted(left, key=lambda alert: (alert.starts_at, alert.fault, alert.place)))


def _same(alert: Alert, known: Alert) -> bool:
    """Say whether two are one alert: no label contradicts (either side may have more of them), and they overlap in time."""
    agree = all(known.labels.get(name, value) == value for name, value in alert.labels.items())
    end = float("inf") if known.firing or known.ends_at is None else known.ends_at
    over = alert.ends_at if alert.ends_at is not None else float("inf")
    return agree and known.starts_at - _SKEW_SECONDS <= over and alert.starts_at <= end + _SKEW_SECONDS


def page(absence: Absence, missed: Sequence[Alert], prometheus: str) -> Alert:
    """Return the alert that tells of pages that were missed; `prometheus` is the address that readers find it at."""
    return Alert(
        fingerprint=f"{OWN}{absence.key[:16]}",
        firing=True,
        starts_at=absence.since,
        ends_at=None,
        labels={
            "alertname": c.PAGER_FAULT,
            c.SEVERITY: Severity.PAGE.value,
            c.FAMILY: Family.BLINDNESS.value,
            c.VARIANT: "away",
            "job": c.PAGER_JOB,
        },
        annotations={"summary": _summary(absence, missed), "impact": _IMPACT},
        generator_url=f"{prometheus}/graph?{urlencode(_graph(absence))}",
    )


def _summary(absence: Absence, missed: Sequence[Alert]) -> str:
    spell = f"{times.moment(absence.since)} to {times.moment(absence.until)}"
    day = ", of which the last day was looked at" if absence.until - absence.since > DAY else ""
    count = "a page" if len(missed) == 1 else f"{len(missed)} pages"
    more = f"; and {len(missed) - _SHOWN} more" if len(missed) > _SHOWN else ""
    shown = "; ".join(map(_line, missed[:_SHOWN]))
    return f"While the pager was away ({spell}{day}), {count} began and ended: {shown}{more}."


def _line(alert: Alert) -> str:
    where = alert.place or alert.word("model")
    at = f" at {texts.cut(where, _PLACE)}" if where else ""
    return f"{alert.fault}{at} ({_clock(alert.starts_at)} to {_clock(alert.ends_at or alert.starts_at)})"


def _clock(moment: float) -> str:
    return times.moment(moment)[11:16]


def _graph(absence: Absence) -> Mapping[str, str]:
    """Return what Prometheus's page has to show: the pages that fired meanwhile."""
    return {
        "g0.expr": PAGES,
        "g0.tab": "0",
        "g0.range_input": f"{absence.until - absence.since + 600:.0f}s",
        "g0.end_input": times.moment(absence.until + 300).removesuffix(" UTC"),
    }
