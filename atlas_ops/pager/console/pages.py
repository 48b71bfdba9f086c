"""The pages of the pager: what is going on, one incident with its filled-in runbook, and every runbook.

Called by `pager.app`. Plain HTML without scripts, readable on a phone; every value is escaped by the templates.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from atlas_ops.pager import times
from atlas_ops.pager.composer import Composer
from atlas_ops.pager.delivery.worker import Delivery
from atlas_ops.pager.incident import Alert, Work
from atlas_ops.pager.runbooks import placeholder
from atlas_ops.pager.runbooks.html import to_html
from atlas_ops.pager.runbooks.placeholder import Values
from atlas_ops.pager.runbooks.runbook import Runbook
from atlas_ops.pager.slack import message
from atlas_ops.pager.slack.blocks import Block
from atlas_ops.pager.store.store import Store

RECENT = 30
SHOWN_OPEN = 200
"""In a storm the start page stays small enough for a phone."""
SHOWN_ALERTS = 100
HEARTBEAT_LATE_SECONDS = 300.0
"""The heartbeat comes every minute; five missed ones are no hiccup any more."""
QUIET_SECONDS = 5 * 3600.0
"""Alertmanager repeats a firing alert every four hours; an open incident that is not repeated may be a leftover."""
_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """How the pager itself is. `problem` says what keeps messages from Slack; `channel` is empty without a token."""

    channel: str
    problem: str
    heartbeat: float | None
    heartbeat_late: bool


class Console:
    """Prints the pages."""

    def __init__(self, store: Store, composer: Composer, delivery: Delivery | None) -> None:
        self._store = store
        self._composer = composer
        self._root = urlsplit(composer.pager_url).path
        self._delivery = delivery
        self._pages = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._pages.globals["root"] = self._root
        self._pages.filters |= {
            "moment": times.moment,
            "lasting": times.length,
            "kind": _kind,
            "commands": placeholder.commands,
        }

    def state(self) -> State:
        """Return how the pager itself is."""
        heartbeat = self._store.inbox.heartbeat()
        return State(
            channel=self._delivery.channel if self._delivery else "",
            problem=self._delivery.problem if self._delivery else "",
            heartbeat=heartbeat,
            heartbeat_late=heartbeat is not None and time.time() - heartbeat > HEARTBEAT_LATE_SECONDS,
        )

    def index(self) -> str:
        """Return the start page: what fires, what was resolved, and how the pager is."""
        incidents = self._store.incidents.open()
        return self._print(
            "index.html",
            state=self.state(),
            count=len(incidents),
            incidents=incidents[:SHOWN_OPEN],
            recent=self._store.incidents.recent(RECENT),
        )

    def incident(self, incident: str, fingerprint: str = "") -> str | None:
        """Return the page of an incident, its runbook filled in for the alert `fingerprint` (default: the gravest)."""
        work = self._store.incidents.work(incident)
        if work is None:
            return None
        alert = next((one for one in work.incident.alerts if one.fingerprint == fingerprint), work.incident.lead)
        book = self._composer.runbook(alert.fault)
        return self._print("incident.html", **self._incident(work, alert, book), state=self.state())

    def _incident(self, work: Work, alert: Alert, book: Runbook | None) -> dict[str, object]:
        incident = work.incident
        return {
            "incident": incident,
            "head": incident.headline,
            "filled_for": alert,
            "message": self._composer.message(incident),
            "runbook": self._html(book, message.values(alert)) if book else None,
            "alerts": incident.alerts[:SHOWN_ALERTS],
            "more": len(incident.alerts) - SHOWN_ALERTS + incident.truncated,
            "events": work.events,
            "posting": work.posting,
            "quiet": incident.headline.until is None and time.time() - incident.headline.heard_at > QUIET_SECONDS,
        }

    def runbooks(self) -> str:
        """Return the list of all runbooks."""
        families: dict[str, list[str]] = {}
        for family, fault in self._composer.names():
            families.setdefault(family, []).append(fault)
        return self._print("runbooks.html", families=families)

    def runbook(self, fault: str) -> str | None:
        """Return the page of a runbook, its placeholders not filled in."""
        book = self._composer.runbook(fault)
        if book is None:
            return None
        incidents = [head for head in self._store.incidents.open() if head.fault == fault]
        return self._print("runbook.html", fault=fault, runbook=self._html(book, None), incidents=incidents)

    def notice(self, title: str, text: str) -> str:
        """Return a page that says what is wrong, with a way back."""
        return self._print("notice.html", title=title, text=text)

    def _html(self, book: Runbook, values: Values | None) -> Markup:
        known = {fault for _, fault in self._composer.names()}

        def address(fault: str) -> str:
            return f"{self._root}/runbooks/{quote(fault)}" if fault in known else ""

        # Safe: runbook_html escapes what it prints, and lets no HTML of the Markdown through.
        return Markup(to_html(book, values, address))  # noqa: S704

    def _print(self, template: str, **values: object) -> str:
        return self._pages.get_template(template).render(now=time.time(), **values)


def style() -> str:
    """Return the style sheet of all pages."""
    return (_TEMPLATES / "style.css").read_text(encoding="utf-8")


def _kind(block: Block) -> str:
    return type(block).__name__
