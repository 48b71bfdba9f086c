"""The page of one incident: what it is, how it is now, what it probably comes from, what to do. Called by `console.routes`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup

from atlas_ops.catalog.model import Severity
from atlas_ops.pager.access.gate import Visitor
from atlas_ops.pager.charts.charts import SECONDS, Charts, available
from atlas_ops.pager.charts.now import Now, now
from atlas_ops.pager.composer import Composer
from atlas_ops.pager.console import acts, runbook_pages
from atlas_ops.pager.console.printer import Printer
from atlas_ops.pager.console.state import State
from atlas_ops.pager.deeds.deed import SILENCES, Act, is_silenced, possible
from atlas_ops.pager.diagnosis.ask import prometheus
from atlas_ops.pager.incident import Alert, Headline, Incident, Work
from atlas_ops.pager.runbooks.values import values
from atlas_ops.pager.slack.blocks import Header, Message

SHOWN_ALERTS = 100
_QUIET_SECONDS = 5 * 3600.0
_QUIET_TICKET_SECONDS = 25 * 3600.0
"""Alertmanager repeats what fires every four hours, tickets once a day; an open incident that is not repeated may be a leftover."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sight:
    """What there is to look with; without charts there are no values either: they come from the same Prometheus."""

    charts: Charts | None = None
    again: Callable[[], None] | None = None
    """Wakes whoever diagnoses; None: nobody does."""

    def now(self, alert: Alert) -> Now | None:
        """Return the present values of an alert; None when nobody can be asked, or its fault is none of ours."""
        fault = self.charts.catalog.fault(alert.fault) if self.charts else None
        if not fault or not self.charts:
            return None
        query = prometheus(self.charts.prometheus_url, SECONDS, http_config=self.charts.http_config)
        return now(fault.panel, alert, query)

    def charted(self, alert: Alert) -> bool:
        """Say whether an alert can have a chart."""
        return bool(self.charts and self.charts.catalog.fault(alert.fault) and available())

    def chart(self, incident: Incident, alert: Alert, *, dark: bool) -> bytes | None:
        """Return the chart of an alert as SVG; None when there is none."""
        picture = self.charts.picture(incident, alert) if self.charts else None
        return self.charts.drawn(picture, "svg", dark=dark) if self.charts and picture else None


def chosen(work: Work, fingerprint: str) -> Alert:
    """Return the alert that a page is about: the one that is asked for, else the gravest."""
    return next((one for one in work.incident.alerts if one.fingerprint == fingerprint), work.incident.lead)


def show(
    printer: Printer,
    composer: Composer,
    sight: Sight,
    state: State,
    visitor: Visitor,
    work: Work,
    alert: Alert,
    *,
    told: str,
    acting: bool,
) -> str:
    """Return the page, its runbook filled in for an alert. `told`: what came of the deed before; `acting`: with buttons."""
    incident, moment = work.incident, time.time()
    return printer.page(
        "incident.html",
        visitor,
        **_standing(work, composer, moment),
        **_looks(sight, incident, alert),
        told=told,
        acts=_acts(incident.headline, composer, moment) if acting and visitor.may_act else [],
        silences=SILENCES,
        key=acts.new_key(),
        state=state,
        may_ask=sight.again is not None and visitor.may_act and bool(composer.checks(incident.headline.fault)),
        filled_for=alert,
        runbook=_runbook(printer, composer, alert),
        alerts=incident.alerts[:SHOWN_ALERTS],
        more=len(incident.alerts) - SHOWN_ALERTS + incident.truncated,
        events=work.events,
        events_left_out=work.events_left_out,
    )


def _standing(work: Work, composer: Composer, moment: float) -> dict[str, object]:
    """Return how the incident stands, as Slack is told."""
    head, message = work.incident.headline, composer.message(work.incident)
    return {
        "head": head,
        "silenced": is_silenced(head, moment),
        "quiet": _quiet(head, moment),
        "posting": work.posting,
        "title": _title(message),
        "message": message,
    }


def _looks(sight: Sight, incident: Incident, alert: Alert) -> dict[str, object]:
    """Return what Prometheus says: the values of an alert now, and the causes that it was asked for."""
    diagnosis = incident.diagnosis
    return {
        "now_values": sight.now(alert),
        "charted": sight.charted(alert),
        "findings": diagnosis.findings if diagnosis else (),
        "diagnosed_at": diagnosis.at if diagnosis else None,
    }


def _runbook(printer: Printer, composer: Composer, alert: Alert) -> Markup | None:
    book = composer.runbook(alert.fault)
    return runbook_pages.html(book, values(alert), composer, printer.root, below=1) if book else None


def _quiet(head: Headline, moment: float) -> bool:
    """Say whether Alertmanager should have spoken of an incident again, and has not; of a silenced one it does not."""
    longest = _QUIET_TICKET_SECONDS if head.severity == Severity.TICKET.value else _QUIET_SECONDS
    return head.until is None and not is_silenced(head, moment) and moment - head.heard_at > longest


def _acts(head: Headline, composer: Composer, moment: float) -> list[str]:
    """Return what can be done; nobody is offered a step of an escalation that has none."""
    return [act.value for act in possible(head, moment) if act is not Act.ESCALATE or composer.escalates]


def _title(shown: Message) -> str:
    """Return the title of a message without the sign before it, which not every font has; colours say the same here."""
    title = next((block.text for block in shown.blocks if isinstance(block, Header)), shown.text)
    return title.lstrip(
        "\N{LARGE RED CIRCLE}\N{LARGE ORANGE CIRCLE}\N{LARGE BLUE CIRCLE}\N{WHITE HEAVY CHECK MARK}\N{WARNING SIGN} "
    )
