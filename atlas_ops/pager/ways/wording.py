"""What a message by another way says: a title and lines of plain text, each of sane length. Pure; used by the ways beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from atlas_ops.pager import texts, times
from atlas_ops.pager.incident import Headline
from atlas_ops.pager.ways.telling import Batch, Reason

SHOWN = 20
"""Incidents that are listed one by one."""
_TITLE = 150
_LINE = 600
_WHY = {
    Reason.ESCALATION: "It was escalated to you: nobody was on it in time, or somebody asked for you.",
    Reason.SLACK_DOWN: "It comes this way because Slack has not taken it.",
    Reason.BLIND: "It comes this way as well because the pager hears nothing: there may be more than it tells.",
}


def incidents(batch: Batch) -> tuple[Headline, ...]:
    """Return the incidents of a message, each once."""
    return tuple({telling.incident.id: telling.incident for telling in batch.tellings}.values())


def title(batch: Batch) -> str:
    """Return one line, without line breaks whatever the labels hold."""
    found = incidents(batch)
    if len(found) == 1:
        return _cut(_of(found[0], over=batch.over), _TITLE)
    word = "RESOLVED" if batch.over else "PAGE"
    faults = [f"{fault} ({count})" for fault, count in Counter(one.fault for one in found).most_common(3)]
    return _cut(f"{word} · {len(found)} incidents: {', '.join(faults)}", _TITLE)


def text(batch: Batch, pager_url: str) -> str:
    """Return the whole text, with a link for each incident; `pager_url` has no slash at its end."""
    return "\n".join(_lines(batch, pager_url))


def address(incident: str, pager_url: str) -> str:
    """Return the address of an incident's page."""
    return f"{pager_url}/incidents/{incident}"


def _lines(batch: Batch, pager_url: str) -> Iterator[str]:
    found = incidents(batch)
    for head in found[:SHOWN]:
        yield _cut(_of(head, over=batch.over), _LINE)
        if not batch.over:
            yield _cut(head.summary, _LINE)
        yield f"Since {times.moment(head.since)}" + (f", until {times.moment(head.until)}" if head.until else "")
        yield f"What to do: {address(head.id, pager_url)}"
        yield ""
    if len(found) > SHOWN:
        yield f"and {len(found) - SHOWN} more: {pager_url}/"
        yield ""
    if not batch.over:
        yield _WHY[batch.reason]


def _of(head: Headline, *, over: bool) -> str:
    word = "RESOLVED" if over else (head.severity or "alert").upper()
    subject = " · ".join(part for part in (head.fault, head.model) if part)
    place = f" at {head.place}" if head.place and head.place != head.model else ""
    return f"{word} · {subject}{place}"


def _cut(told: str, limit: int) -> str:
    return texts.cut(" ".join(told.split()), limit)
