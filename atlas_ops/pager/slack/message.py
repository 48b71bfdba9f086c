"""Says what an incident is as a Slack message: what happened, where, since when, and what to do first. Pure.

Called by `pager.delivery.worker` (to send) and `pager.console.pages` (the preview). The budgets of the parts add up to less than
Slack accepts for a whole message, whatever the alerts say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from atlas_ops.catalog import conventions
from atlas_ops.pager import times
from atlas_ops.pager.incident import Alert, Event, Incident
from atlas_ops.pager.runbooks import runbook
from atlas_ops.pager.runbooks.placeholder import Values
from atlas_ops.pager.runbooks.runbook import Runbook, Step
from atlas_ops.pager.slack import blocks
from atlas_ops.pager.slack.blocks import Block, Link, Message, Span, Text, bold, code, plain

SHOWN_ALERTS = 8
"""Alerts of a group that are listed one by one."""
DEFAULT_PROMETHEUS = "http://127.0.0.1:9090"
"""Stands in a command when the alert does not say which Prometheus it comes from: its own default address."""
DIAGNOSIS_STEPS = 1
MITIGATION_STEPS = 3
"""A page begins with how to confirm the fault, then what to do: at night one acts on a page that one believes."""

# Together below 12,000 characters: Slack's limit on a whole message is not documented, about 13,200 were seen refused.
_SUMMARY, _FIELD, _IMPACT, _ALERTS, _STEP, _SMALL = 1200, 150, 500, 1800, 700, 300
_EMOJI = {"page": "\N{LARGE RED CIRCLE}", "ticket": "\N{LARGE ORANGE CIRCLE}", "info": "\N{LARGE BLUE CIRCLE}"}
_RESOLVED = "\N{WHITE HEAVY CHECK MARK}"
_AROUND_SECONDS = 1800.0
"""How much before and after an incident its dashboards show: half an hour tells what was usual."""
_OWN_LABELS = {"alertname", conventions.SEVERITY, conventions.FAMILY, conventions.VARIANT, "prometheus", "monitor"}


def parent(incident: Incident, book: Runbook | None, pager_url: str) -> Message:
    """Return the message of an incident in its present state.

    `pager_url` is the public address of the pager, without a slash at its end.
    """
    head = incident.headline
    firing = head.until is None
    parts: list[Block] = [blocks.header(_title(incident)), blocks.section(_opening(incident), _SUMMARY)]
    parts.append(blocks.fields(list(_fields(incident)), _FIELD))
    if firing:
        parts += _impact(incident.lead)
    if head.total > 1:
        parts.append(blocks.section(_alerts(incident), _ALERTS))
    if firing and book:
        parts += _steps(incident.lead, book, several=head.total > 1)
    parts.append(blocks.Context(blocks.fitted(_small_print(incident, book), _SMALL)))
    links = _links(incident, pager_url)
    parts += [links] if links.links else []
    return Message(
        incident=incident.id, event=0, text=blocks.cut(_text(incident), blocks.FALLBACK_LIMIT), blocks=tuple(parts)
    )


def reply(incident: Incident, events: Sequence[Event]) -> Message:
    """Return one reply for the thread that tells all of these events."""
    text = "\n".join(event.text for event in events)
    return Message(
        incident=incident.id,
        event=events[-1].number,
        text=blocks.cut(text, blocks.FALLBACK_LIMIT),
        blocks=(blocks.section([plain(text)]),),
    )


def plainly(message: Message) -> Message:
    """Return the message as text alone, for when Slack does not take its blocks."""
    return Message(incident=message.incident, event=message.event, text=message.text, blocks=())


def values(alert: Alert) -> Values:
    """Return what fills in the placeholders of a runbook for an alert."""
    known = {word: alert.word(word) for word in conventions.ALERT_LABELS}
    return {
        **{name: value for name, value in alert.labels.items() if value},
        **{word: value for word, value in known.items() if value},
        "started_at": times.moment(alert.starts_at),
        "prometheus": _prometheus(alert),
    }


def _prometheus(alert: Alert) -> str:
    """Return the address of the Prometheus that evaluated the rule, for commands that ask it."""
    address, found, _ = alert.generator_url.partition("/graph?")
    return address if found else DEFAULT_PROMETHEUS


def common(alerts: Sequence[Alert], word: str) -> str:
    """Return a label of several alerts: its value, or its first values and how many more there are."""
    found = list(dict.fromkeys(value for alert in alerts if (value := alert.word(word))))
    more = f" and {len(found) - 2} more" if len(found) > 2 else ""
    return (", " if more else " and ").join(found[:2]) + more


def _title(incident: Incident) -> str:
    head = incident.headline
    subject = " · ".join(part for part in (head.fault, head.model or head.place) if part)
    if head.until is not None:
        return f"{_RESOLVED} RESOLVED · {subject}"
    return f"{_EMOJI.get(head.severity, '⚠')} {(head.severity or 'alert').upper()} · {subject}"


def _text(incident: Incident) -> str:
    head = incident.headline
    place = f" at {head.place}" if head.model and head.place and head.place != head.model else ""
    if head.until is not None:
        return f"{_title(incident)}{place} after {times.length(head.until - head.since)}"
    return f"{_title(incident)}{place}: {head.summary}"


def _opening(incident: Incident) -> Iterator[Span]:
    head, lead = incident.headline, incident.lead
    if head.until is not None:
        yield bold(f"Resolved after {times.length(head.until - head.since)}.")
        yield plain(" It was: ")
    yield plain(head.summary)
    description = lead.annotations.get("description", "")
    if head.until is None and description and description != head.summary:
        yield plain(f"\n{description}")


def _fields(incident: Incident) -> Iterator[Text]:
    alerts, head = incident.spoken, incident.headline
    namespace, pod = common(alerts, "namespace"), common(alerts, "pod")
    where = f"{namespace}/{pod}" if namespace and pod else pod or namespace
    names = {"Model": "model", "Server": "server", "Runtime": "runtime", "Node": "node", "GPU": "gpu"}
    found = {title: common(alerts, word) for title, word in names.items()} | {"Where": where}
    if not any(found[title] for title in ("Where", "Server", "Node")):
        found["Where"] = head.place
    for title in ("Model", "Where", "Server", "Runtime", "Node", "GPU"):
        if found[title]:
            yield (bold(title), plain("\n"), code(found[title]))
    yield (bold("Since"), plain("\n"), blocks.time(head.since, times.moment(head.since)))
    if head.until is not None:
        yield (bold("Until"), plain("\n"), blocks.time(head.until, times.moment(head.until)))
    if value := incident.lead.annotations.get("value", ""):
        yield (bold("Value"), plain("\n"), code(value))
    if details := _details(incident.lead):
        yield (bold("Details"), plain("\n"), code(details))


def _details(alert: Alert) -> str:
    """Return the labels that say more about the fault itself, such as the XID or the throttle reason."""
    known = {*conventions.ALERT_LABELS, *conventions.ALERT_LABELS.values(), *_OWN_LABELS}
    return ", ".join(f"{name}={value}" for name, value in sorted(alert.labels.items()) if value and name not in known)


def _impact(lead: Alert) -> Iterator[Block]:
    if impact := lead.annotations.get("impact", ""):
        yield blocks.section([bold("Impact"), plain("  "), plain(impact)], _IMPACT)


def _alerts(incident: Incident) -> Iterator[Span]:
    head = incident.headline
    yield bold(f"{head.firing} of {head.total} alerts fire" if head.until is None else f"All {head.total} alerts ended")
    for alert in incident.spoken[:SHOWN_ALERTS]:
        yield plain("\n• ")
        yield code(blocks.cut(alert.place or alert.word("model") or alert.fault, 80))
        yield plain(" " + blocks.cut(" ".join(alert.summary.split()), 120))
    more = len(incident.spoken) - SHOWN_ALERTS + incident.truncated
    if more > 0:
        yield plain(f"\nand {more} more")


def _steps(lead: Alert, book: Runbook, *, several: bool) -> Iterator[Block]:
    known = values(lead)
    first = [*book.steps("Diagnosis")[:DIAGNOSIS_STEPS], *book.steps("Mitigation")[:MITIGATION_STEPS]]
    note = f" (filled in for {lead.place})" if several and lead.place else ""
    for number, step in enumerate(first, start=1):
        before = [bold("First steps"), plain(f"{blocks.cut(note, 100)}\n")] if number == 1 else []
        yield blocks.section([*before, *_step(number, runbook.fill(step, known))], _STEP)


def _step(number: int, step: Step) -> Iterator[Span]:
    yield plain(f"{number}. ")
    yield bold(blocks.cut(step.title, 200))
    if step.effect == "change":
        undo = f", undo: {blocks.cut(step.undo, 150)}" if step.undo else ""
        yield plain(f" (changes things{undo})")
    if step.commands:
        yield plain("\n")
        yield blocks.block("\n".join(step.commands))
    elif step.prose:
        yield plain(f"\n{blocks.cut(step.prose, 250)}")


def _small_print(incident: Incident, book: Runbook | None) -> Iterator[Span]:
    yield plain(f"Incident {incident.id}")
    if incident.headline.until is None and book is None:
        yield plain(f" · no runbook for {incident.headline.fault}")
    elif incident.headline.until is None:
        yield plain(" · the whole runbook, filled in, is on the incident page")


def _links(incident: Incident, pager_url: str) -> blocks.Links:
    lead = incident.lead
    return blocks.links(
        (
            Link("Runbook", f"{pager_url}/incidents/{incident.id}"),
            Link("Dashboard", _then(lead.annotations.get("dashboard_url", ""), incident)),
            Link("Chart", _then(lead.annotations.get("panel_url", ""), incident)),
            Link("Prometheus", lead.generator_url),
        )
    )


def _then(url: str, incident: Incident) -> str:
    """Return the address of one of our dashboards as it was at the time of the incident; any other address as it is."""
    head = incident.headline
    if f"/d/{conventions.DASHBOARD_UID_PREFIX}" not in url or "?" not in url:
        return url
    end = "now" if head.until is None else f"{(head.until + _AROUND_SECONDS) * 1000:.0f}"
    return f"{url}&from={(head.since - _AROUND_SECONDS) * 1000:.0f}&to={end}"
