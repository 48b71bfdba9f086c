"""Where it is, since when, and which alerts there are. Pure; called by `slack.message`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from atlas_ops.catalog import conventions
from atlas_ops.pager import times
from atlas_ops.pager.incident import Alert, Incident
from atlas_ops.pager.slack import blocks
from atlas_ops.pager.slack.blocks import Span, Text, bold, code, plain

SHOWN_ALERTS = 8
"""Alerts of a group that are listed one by one."""
_OWN_LABELS = {"alertname", conventions.SEVERITY, conventions.FAMILY, conventions.VARIANT, "prometheus", "monitor"}


def fields(incident: Incident) -> Iterator[Text]:
    """Return the short facts, each with its name."""
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


def alerts(incident: Incident) -> Iterator[Span]:
    """Return the first alerts of a group, and how many more there are."""
    head = incident.headline
    yield bold(f"{head.firing} of {head.total} alerts fire" if head.until is None else f"All {head.total} alerts ended")
    for alert in incident.spoken[:SHOWN_ALERTS]:
        yield plain("\n• ")
        yield code(blocks.cut(alert.place or alert.word("model") or alert.fault, 80))
        yield plain(" " + blocks.cut(" ".join(alert.summary.split()), 100))
    more = len(incident.spoken) - SHOWN_ALERTS + incident.truncated
    if more > 0:
        yield plain(f"\nand {more} more")


def common(alerts: Sequence[Alert], word: str) -> str:
    """Return a label of several alerts: its value, or its first values and how many more there are."""
    found = list(dict.fromkeys(value for alert in alerts if (value := alert.word(word))))
    more = f" and {len(found) - 2} more" if len(found) > 2 else ""
    return (", " if more else " and ").join(found[:2]) + more


def _details(alert: Alert) -> str:
    """Return the labels that say more about the fault itself, such as the XID or the throttle reason."""
    known = {*conventions.ALERT_LABELS, *conventions.ALERT_LABELS.values(), *_OWN_LABELS}
    return ", ".join(f"{name}={value}" for name, value in sorted(alert.labels.items()) if value and name not in known)
