"""Who is told beside the channel of pages, and the dead man's switch, as the settings say. Called by `cli.pager_parts`."""

from __future__ import annotations

import argparse
import logging
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from atlas_ops.cli.pager_logins import Logins
from atlas_ops.pager.job import Job
from atlas_ops.pager.metrics import Metrics
from atlas_ops.pager.oncall.duty import EVERY_SECONDS, Duty
from atlas_ops.pager.oncall.escalation import Escalation
from atlas_ops.pager.oncall.missed import Missed
from atlas_ops.pager.oncall.plan import Plan
from atlas_ops.pager.oncall.reach import Answers, Heartbeat
from atlas_ops.pager.oncall.switch import HEARTBEAT, Source, Switch
from atlas_ops.pager.slack.client import Slack
from atlas_ops.pager.store.store import Store
from atlas_ops.pager.ways.email import Mail
from atlas_ops.pager.ways.sending import Sender
from atlas_ops.pager.ways.slack import Channels
from atlas_ops.pager.ways.teller import Teller
from atlas_ops.pager.ways.telling import Way
from atlas_ops.pager.ways.webhook import Webhook
from atlas_ops.settings import Pager, Settings

_LOG = logging.getLogger(__name__)
_ASKED_SECONDS = 15.0
"""How often the switch looks, at most; twenty times while what it waits for is late, where that is more often."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OnCall:
    """What works for those on call. `escalation` is None where the settings name nobody."""

    escalation: Escalation | None
    jobs: Sequence[Job]


def build(
    args: argparse.Namespace,
    settings: Settings,
    logins: Logins,
    store: Store,
    slack: Slack | None,
    metrics: Metrics,
    address: str,
    changed: Callable[[], None],
) -> OnCall:
    """Return the parts; ConfigError when a schedule is wrong. `changed` is called when Slack should show something new."""
    pager = settings.pager
    plan = Plan(pager)
    escalation = Escalation(store, plan, changed=changed)
    senders = _senders(settings, store, slack, address)
    if plan.waits and not slack:
        _warn(pager)
    metrics.ways(senders)
    targets = {target.name: target for target in (*pager.targets, pager.fallback)}
    teller = Teller(store, targets, senders, metrics, address)
    # Without Slack there is nothing to wait for.
    duty = Duty(store, escalation, teller, pager.fallback, pager.fallback_after_seconds if slack else 0.0)
    switch = Switch(
        store, _sources(args, settings, logins, store), pager.fallback, instance=socket.gethostname(), changed=changed
    )
    every = min(_ASKED_SECONDS, pager.heartbeat_late_seconds / 20)
    jobs = [
        Job("escalations and other ways than Slack", duty.round, every_seconds=EVERY_SECONDS),
        Job("the dead man's switch", switch.round, every_seconds=every),
    ]
    if args.config:  # without settings nobody has said where Prometheus is
        jobs.append(Missed(store, settings.links.prometheus, http_config=logins.prometheus, changed=changed))
    return OnCall(escalation=escalation if plan.waits else None, jobs=jobs)


def _warn(pager: Pager) -> None:
    deaf = [target.name for target in pager.targets if not (target.emails or target.webhook_url_file)]
    if deaf:
        _LOG.warning("without a Slack token an escalation does not reach %s", ", ".join(deaf))


def _senders(settings: Settings, store: Store, slack: Slack | None, address: str) -> dict[Way, Sender]:
    senders: dict[Way, Sender] = {Way.WEBHOOK: Webhook(address)}
    if settings.pager.smtp.host:
        senders[Way.EMAIL] = Mail(settings.pager.smtp)
    if slack:
        senders[Way.SLACK] = Channels(slack, address, store.buckets)
    return senders


def _sources(args: argparse.Namespace, settings: Settings, logins: Logins, store: Store) -> dict[str, Source]:
    late, links = settings.pager.heartbeat_late_seconds, settings.links
    sources: dict[str, Source] = {}
    if settings.pager.heartbeat_expected:
        sources[HEARTBEAT] = Heartbeat(store.inbox.heartbeat, late)
    if args.config and settings.pager.heartbeat_reach:
        sources["prometheus"] = Answers("Prometheus", links.prometheus, late, http_config=logins.prometheus)
        sources["alertmanager"] = Answers("Alertmanager", links.alertmanager, late, http_config=logins.alertmanager)
    return sources
