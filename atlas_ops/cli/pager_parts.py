"""The parts of a pager, put together as its flags and settings say. Called by `cli.pager`."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from atlas_ops import settings as addresses
from atlas_ops import shipped
from atlas_ops.alertmanager import Alertmanager
from atlas_ops.catalog import build_catalog
from atlas_ops.cli import pager_oncall, pager_slack, place
from atlas_ops.cli.listening import STOP_SECONDS
from atlas_ops.cli.pager_slack import Beside
from atlas_ops.errors import UsageError
from atlas_ops.pager.access.gate import Gate
from atlas_ops.pager.access.token import Token
from atlas_ops.pager.app import Pager
from atlas_ops.pager.charts.charts import Charts
from atlas_ops.pager.composer import Composer
from atlas_ops.pager.console.incident_page import Sight
from atlas_ops.pager.console.routes import Console
from atlas_ops.pager.deeds.perform import Performer
from atlas_ops.pager.deeds.reconcile import Reconciler
from atlas_ops.pager.delivery.pace import Pace
from atlas_ops.pager.delivery.worker import Delivery
from atlas_ops.pager.diagnosis.ask import prometheus
from atlas_ops.pager.diagnosis.worker import Diagnostician
from atlas_ops.pager.job import Worker
from atlas_ops.pager.metrics import Metrics
from atlas_ops.pager.slack.client import Slack
from atlas_ops.pager.store.lane import lanes
from atlas_ops.pager.store.store import Store
from atlas_ops.settings import Settings

DIAGNOSIS_PATIENCE = 2.0
"""Seconds that a new message waits for its diagnosis: Prometheus answers within a tenth of that when it is well."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """What answers requests, and what works beside it."""

    pager: Pager
    jobs: Sequence[Worker]

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Let the jobs work until this is left."""
        for job in self.jobs:
            job.start()
        try:
            yield
        finally:
            for job in reversed(self.jobs):
                job.stop(STOP_SECONDS)


def build(
    args: argparse.Namespace, settings: Settings, store: Store, slack: Slack | None, address: str, gate: Gate
) -> Parts:
    """Return the parts of a pager that readers reach at `address`."""
    charts = Charts(catalog=build_catalog(settings.parameters), prometheus_url=settings.links.prometheus)
    buttons = pager_slack.buttons_of(args)
    composer = _composer(args, settings, address, charts, buttons=slack is not None and buttons.heard)
    metrics = Metrics()
    metrics.heartbeat(store.inbox.heartbeat())
    delivery = _delivery(settings, store, slack, composer, metrics) if slack else None
    jobs: list[Worker] = [delivery] if delivery else []
    if settings.pager.diagnosis:
        told = delivery.wake if delivery else _nobody
        jobs.append(Diagnostician(store, composer, prometheus(settings.links.prometheus), told=told))

    def wake() -> None:
        for job in jobs:
            job.wake()

    sight = Sight(charts=charts, again=wake if settings.pager.diagnosis else None)
    oncall = pager_oncall.build(args, settings, store, slack, metrics, address, wake)
    escalate = oncall.escalation.by_hand if oncall.escalation else None
    alertmanager = Alertmanager(settings.links.alertmanager)
    performer = Performer(store, alertmanager, metrics, changed=wake, escalate=escalate)
    reconciler = Reconciler(store, alertmanager, metrics, changed=wake)
    beside = Beside()
    if slack:
        connected = reconciler.wake
        beside = pager_slack.build(buttons, store, slack, charts, performer, metrics, connected=connected, changed=wake)
    console = Console(
        store=store,
        composer=composer,
        gate=gate,
        delivery=delivery,
        performer=performer,
        sight=sight,
        heartbeat_late_seconds=settings.pager.heartbeat_late_seconds,
        troubles=lambda: [job.trouble for job in (reconciler, *oncall.jobs, *beside.jobs) if job.trouble],
    )
    token = settings.pager.webhook_token_file
    pager = Pager(
        store=store,
        console=console,
        metrics=metrics,
        delivery=delivery,
        wake=wake,
        routes=beside.routes,
        token=Token.read(Path(token)) if token else None,
    )
    return Parts(pager=pager, jobs=(*jobs, *oncall.jobs, reconciler, *beside.jobs))


def _composer(args: argparse.Namespace, settings: Settings, address: str, charts: Charts, *, buttons: bool) -> Composer:
    return Composer(
        runbooks=place.existing(args.runbooks) if args.runbooks else shipped.folder("runbooks"),
        pager_url=address,
        alertmanager_url=settings.links.alertmanager,
        buttons=buttons,
        escalates=bool(settings.pager.escalation),
        charts=charts,
    )


def _delivery(settings: Settings, store: Store, slack: Slack, composer: Composer, metrics: Metrics) -> Delivery:
    patience = DIAGNOSIS_PATIENCE if settings.pager.diagnosis else 0.0
    pace = Pace(own_messages=settings.pager.storm_messages_per_minute)
    places = lanes(slack.channel, settings.pager.tickets_channel)
    return Delivery(store, slack, composer, metrics, pace, patience=patience, lanes=places)


def external(args: argparse.Namespace, settings: Settings) -> str:
    """Return the public address, empty when none is set."""
    configured = settings.links.pager if args.config else ""
    found = str(args.external_url or configured).rstrip("/")
    problem = addresses.url_problem(found) if found else ""
    if problem:
        raise UsageError(f"--external-url: {problem}", next_step="give the address that readers of a message can open")
    return found


def _nobody() -> None:
    """Without Slack nobody waits for a diagnosis."""
