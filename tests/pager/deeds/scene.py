"""A pager's store and its deeds beside a real Alertmanager that posts to it. For the tests of deeds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from atlas_ops.alertmanager import Alertmanager
from atlas_ops.pager import webhook
from atlas_ops.pager.deeds.deed import Act, Deed
from atlas_ops.pager.deeds.perform import Performer, Result
from atlas_ops.pager.deeds.reconcile import Reconciler
from atlas_ops.pager.incident import Headline, Kind
from atlas_ops.pager.metrics import Metrics
from atlas_ops.pager.store.store import Store
from tests.pager.alertmanager import fire
from tests.pager.lists import open_incidents
from tests.pager.rig import eventually, serving

LABELS = {"alertname": "QueueBacklog", "severity": "page", "model": "llama", "namespace": "prod", "pod": "llama-0"}
HALF_AN_HOUR = 1800.0


@dataclass(kw_only=True)
class Scene:
    """Everything that a deed touches. `changes` counts how often the delivery would have been woken."""

    store: Store
    performer: Performer
    reconciler: Reconciler
    metrics: Metrics
    url: str
    changes: int = 0
    presses: int = 0

    def fire(self, **labels: str) -> str:
        """Fire an alert, and return its incident when it has come."""
        known = {head.id: head.total for head in open_incidents(self.store)}
        fire(self.url, {**LABELS, **labels})

        def news() -> list[str]:
            return [head.id for head in open_incidents(self.store) if head.total > known.get(head.id, 0)]

        assert eventually(lambda: bool(news()))
        return news()[0]

    def press(self, act: Act, incident: str, who: str = "jane", *, key: str = "", seconds: float = 0.0) -> Result:
        """Do something as a person does."""
        self.presses += 1
        name = key or f"press-{self.presses}"
        return self.performer.perform(
            Deed(key=name, act=act, incident=incident, who=who, at=time.time(), seconds=seconds)
        )

    def silence(self, incident: str, who: str = "jane", *, key: str = "") -> Result:
        """Silence an incident for half an hour."""
        return self.press(Act.SILENCE, incident, who, key=key, seconds=HALF_AN_HOUR)

    def head(self, incident: str) -> Headline:
        """Return how an incident is."""
        work = self.store.incidents.work(incident)
        assert work
        return work.incident.headline

    def told(self, incident: str, kind: Kind) -> list[str]:
        """Return what the timeline says of a kind."""
        work = self.store.incidents.work(incident)
        assert work
        return [event.text for event in work.events if event.kind is kind]


@contextmanager
def hearing(store: Store) -> Iterator[str]:
    """Take Alertmanager's webhooks into a store, and return the address to post to."""

    async def take(request: Request) -> Response:
        store.inbox.accept(webhook.parse(await request.body()), time.time())
        return PlainTextResponse("ok")

    with serving(Starlette(routes=[Route("/webhook", take, methods=["POST"])])) as client:
        yield f"{client.base_url}/webhook"


@contextmanager
def scene(folder: Path, url: str, store: Store) -> Iterator[Scene]:
    """Put the parts together; the reconciler only asks when it is told to."""
    client = Alertmanager(url, timeout_seconds=2.0)
    metrics = Metrics()
    set_up: list[Scene] = []

    def changed() -> None:
        set_up[0].changes += 1

    performer = Performer(store, client, metrics, changed=changed)
    reconciler = Reconciler(store, client, metrics, changed=changed, gone_seconds=0.0)
    set_up.append(Scene(store=store, performer=performer, reconciler=reconciler, metrics=metrics, url=url))
    try:
        yield set_up[0]
    finally:
        client.close()
