"""Settings, pages and deeds for the tests of escalations and of other ways."""

from __future__ import annotations

import time
from pathlib import Path

from atlas_ops import settings
from atlas_ops.pager.deeds.deed import Act, Deed
from atlas_ops.pager.incident import Event, Headline, Kind
from atlas_ops.pager.store.store import Store
from atlas_ops.settings import Pager
from tests.pager.lists import open_incidents
from tests.pager.notes import alert, notification

SCHEDULE = "{time_zone: UTC, rotations: [{people: [ann, bob], starts: 2020-01-01, handover: '00:00', every: day}]}"
MINUTE = 60.0


def section(folder: Path, *, more: str = "") -> Pager:
    """Return the settings of a pager with two people on call, a team behind them, and a fallback."""
    (folder / "primary.yaml").write_text(SCHEDULE)
    for name in ("hook", "key"):
        (folder / name).touch()
    text = f"""\
pager:
  channel: ml-oncall
  targets:
    ann: {{slack_user: U024BE7LH, email: ann@example.org}}
    bob: {{slack_user: U0G9QF9C6, email: bob@example.org}}
    team: {{webhook_url_file: {folder}/hook, webhook_secret_file: {folder}/key}}
  schedules: {{primary: {folder}/primary.yaml}}
  escalation:
    - {{after: 15m, to: primary}}
    - {{after: 10m, to: team, repeat: 1}}
  fallback: {{after: 5m, email: [oncall@example.org, other@example.org]}}
  smtp: {{host: localhost, from: pager@example.org}}
{more}"""
    return settings.parse(text).pager


def page(store: Store, minutes: float, *, severity: str = "page", group: str = "one", **labels: str) -> str:
    """Take in a page that came so many minutes ago; return its incident."""
    before = {head.id for head in open_incidents(store)}
    store.inbox.accept(
        notification(alert(labels=labels, severity=severity), group=group), time.time() - minutes * MINUTE
    )
    return ({head.id for head in open_incidents(store)} - before).pop()


def resolve(store: Store, *, group: str = "one") -> None:
    """Let a page be over."""
    store.inbox.accept(notification(alert(firing=False), group=group), time.time())


def deed(act: Act, incident: str, *, key: str = "k") -> Deed:
    """Return what Jane does."""
    return Deed(key=key, act=act, incident=incident, who="jane", at=time.time())


def head(store: Store, incident: str) -> Headline:
    """Return how an incident is."""
    work = store.incidents.work(incident)
    assert work
    return work.incident.headline


def told(store: Store, incident: str, kind: Kind) -> list[Event]:
    """Return what the timeline says of a kind."""
    work = store.incidents.work(incident)
    assert work
    return [event for event in work.events if event.kind is kind]
