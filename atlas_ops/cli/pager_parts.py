"""The parts of a pager, put together as its flags and settings say. Called by `cli.pager`."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from atlas_ops import settings as addresses
from atlas_ops import shipped
from atlas_ops.alertmanager import Alertmanager
from atlas_ops.catalog import build_catalog
from atlas_ops.cli import pager_oncall, pager_slack, place
from atlas_ops.cli.listening import STOP_SECONDS
from atlas_ops.cli.pager_logins import Logins
from atlas_ops.cli.pager_slack import Beside
from atlas_ops.errors import UsageError
from atlas_ops.pager.access.gate import Gate
from atlas_ops.pager.access.token import Token
from atlas_ops.pager.app import Pager
from atlas_ops.pager.charts.charts import Charts
from atlas_ops.pager.cleanup import Cleanup
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
    args: argparse.Namespace,
    settings: Settings,
    logins: Logins,
    store: Store,
    slack: Slack | None,
    address: str,
    gate: Gate,
) -> Parts:
    """Return the parts of a pager that readers reach at `address`."""
    return _Assembly(args, settings, logins, store, slack, address).parts(gate)


class _Assembly:
    """What most parts need, and in which order they are made: each knows those that it has to wake."""

    def __init__(
        self,
        args: argparse.Namespace,
        settings: Settings,
        logins: Logins,
        store: Store,
        slack: Slack | None,
        address: str,
    ) -> None:
        self._args, self._settings, self._logins = args, settings, logins
        self._store, self._slack, self._address = store, slack, address
        self._metrics = Metrics()
        self._metrics.heartbeat(store.inbox.heartbeat())
        self._buttons = pager_slack.buttons_of(args)
        self._charts = Charts(
            catalog=build_catalog(settings.parameters),
            prometheus_url=settings.links.prometheus,
            http_config=logins.prometheus,
        )
        self._composer = self._composed()
        self._delivery = self._delivered(slack) if slack else None
        self._tellers = (*([self._delivery] if self._delivery else []), *self._diagnosed())

    def parts(self, gate: Gate) -> Parts:
        """Return them; ConfigError when a schedule is wrong."""
        oncall = pager_oncall.build(
            self._args, self._settings, self._logins, self._store, self._slack, self._metrics, self._address, self._wake
        )
        alertmanager = Alertmanager(self._settings.links.alertmanager, http_config=self._logins.alertmanager)
        escalate = oncall.escalation.by_hand if oncall.escalation else None
        performer = Performer(self._store, alertmanager, self._metrics, changed=self._wake, escalate=escalate)
        reconciler = Reconciler(self._store, alertmanager, self._metrics, changed=self._wake)
        beside = self._beside(performer, connected=reconciler.wake)
        cleanup = Cleanup(self._store, self._settings.pager.retention_seconds)
        others = (*oncall.jobs, reconciler, *beside.jobs, cleanup)
        console = self._console(gate, performer, others)
        return Parts(pager=self._pager(console, beside), jobs=(*self._tellers, *others))

    def _wake(self) -> None:
        """Have what changed shown."""
        for job in self._tellers:
            job.wake()

    def _composed(self) -> Composer:
        runbooks = self._args.runbooks
        return Composer(
            runbooks=place.existing(runbooks) if runbooks else shipped.folder("runbooks"),
            pager_url=self._address,
            alertmanager_url=self._settings.links.alertmanager,
            buttons=self._slack is not None and self._buttons.heard,
            escalates=bool(self._settings.pager.escalation),
            charts=self._charts,
        )

    def _delivered(self, slack: Slack) -> Delivery:
        pager = self._settings.pager
        return Delivery(
            self._store,
            slack,
            self._composer,
            self._metrics,
            Pace(own_messages=pager.storm_messages_per_minute),
            patience=DIAGNOSIS_PATIENCE if pager.diagnosis else 0.0,
            lanes=lanes(slack.channel, pager.tickets_channel),
        )

    def _diagnosed(self) -> list[Worker]:
        if not self._settings.pager.diagnosis:
            return []
        query = prometheus(self._settings.links.prometheus, http_config=self._logins.prometheus)
        told = self._delivery.wake if self._delivery else _nobody
        return [Diagnostician(self._store, self._composer, query, told=told)]

    def _beside(self, performer: Performer, *, connected: Callable[[], None]) -> Beside:
        if not self._slack:
            return Beside()
        return pager_slack.build(
            self._buttons,
            self._store,
            self._slack,
            self._charts,
            performer,
            self._metrics,
            connected=connected,
            changed=self._wake,
        )

    def _console(self, gate: Gate, performer: Performer, jobs: Sequence[Worker]) -> Console:
        pager = self._settings.pager
        return Console(
            store=self._store,
            composer=self._composer,
            gate=gate,
            delivery=self._delivery,
            performer=performer,
            sight=Sight(charts=self._charts, again=self._wake if pager.diagnosis else None),
            heartbeat_late_seconds=pager.heartbeat_late_seconds,
            troubles=lambda: [job.trouble for job in jobs if job.trouble],
        )

    def _pager(self, console: Console, beside: Beside) -> Pager:
        token = self._settings.pager.webhook_token_file
        return Pager(
            store=self._store,
            console=console,
            metrics=self._metrics,
            delivery=self._delivery,
            wake=self._wake,
            routes=beside.routes,
            token=Token.read(Path(token)) if token else None,
        )


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
