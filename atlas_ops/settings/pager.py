"""How the pager tells people: the section `pager`. Read by `settings`; used by `atlas_ops.cli.pager` and what it builds.

Flags of the command line win over these. Tokens of Slack are in the environment, other secrets in files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from atlas_ops.document import Section
from atlas_ops.settings.console import Console, read_console
from atlas_ops.settings.durations import read_duration
from atlas_ops.settings.people import (
    Smtp,
    Step,
    Target,
    read_escalation,
    read_schedules,
    read_secret_file,
    read_smtp,
    read_target,
    read_targets,
)

_DAY = 86_400.0
FALLBACK = "fallback"
"""Name of the target that is told while Slack is down."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pager:
    """Without any of it the pager shows its messages on its own pages."""

    channel: str = ""
    """Slack channel of pages, by name or id, without the `#`."""
    tickets_channel: str = ""
    """Slack channel of what can wait; empty: `channel`."""
    storm_messages_per_minute: int = 10
    """New messages in a minute above which further incidents are gathered in one."""
    diagnosis: bool = True
    """Whether Prometheus is asked for the likely cause when a page comes."""
    heartbeat_expected: bool = True
    """Whether Alertmanager's heartbeat comes to the pager, so that its absence is a page."""
    heartbeat_reach: bool = True
    """Whether it is a page, too, that Prometheus or Alertmanager (`links`) does not answer the pager for so long."""
    heartbeat_late_seconds: float = 300.0
    """Age of Alertmanager's heartbeat at which its absence is a page. It comes once a minute."""
    fallback: Target = field(default_factory=lambda: Target(name=FALLBACK))
    """Who is told of a page by e-mail or webhook while Slack is down."""
    fallback_after_seconds: float = 300.0
    """How long a page may wait for Slack before the fallback is told."""
    smtp: Smtp = field(default_factory=Smtp)
    targets: tuple[Target, ...] = ()
    schedules: Mapping[str, str] = field(default_factory=dict)
    """Name of a schedule: path of its file."""
    escalation: tuple[Step, ...] = ()
    retention_seconds: float = 400 * _DAY
    """How long an incident is kept after its end, more than a day. The default keeps a year."""
    console: Console = field(default_factory=Console)
    webhook_token_file: str = ""
    """File that holds the token which Alertmanager has to show; the same path on its machine. Empty: it shows none."""

    def target(self, name: str) -> Target | None:
        """Return the target of a name; None when there is none."""
        return next((target for target in self.targets if target.name == name), None)


def read_pager(section: Section) -> Pager:
    """Read the section `pager`."""
    default = Pager()
    storm, heartbeat = section.section("storm"), section.section("heartbeat")
    targets, schedules = read_targets(section.section("targets")), read_schedules(section.section("schedules"))
    fallback = section.section("fallback")
    pager = Pager(
        channel=section.string("channel").lstrip("#"),
        tickets_channel=section.string("tickets_channel").lstrip("#"),
        storm_messages_per_minute=storm.integer(
            "messages_per_minute", default.storm_messages_per_minute, above=0, below=1000
        ),
        diagnosis=section.flag("diagnosis", default.diagnosis),
        heartbeat_expected=heartbeat.flag("expected", default.heartbeat_expected),
        heartbeat_reach=heartbeat.flag("reach", default.heartbeat_reach),
        heartbeat_late_seconds=read_duration(heartbeat, "late_after", default.heartbeat_late_seconds, below=_DAY),
        fallback_after_seconds=read_duration(fallback, "after", default.fallback_after_seconds, below=_DAY),
        fallback=read_target(fallback, FALLBACK),
        smtp=read_smtp(section.section("smtp")),
        targets=targets,
        schedules=schedules,
        escalation=read_escalation(section, tuple(dict.fromkeys((*(target.name for target in targets), *schedules)))),
        retention_seconds=read_duration(section, "retention", default.retention_seconds, above=_DAY),
        console=read_console(section.section("console")),
        webhook_token_file=read_secret_file(section, "webhook_token_file"),
    )
    for part in (storm, heartbeat, section):
        part.finish()
    _mistakes(section, pager)
    return pager


def _mistakes(section: Section, pager: Pager) -> None:
    """Note what does not fit together."""
    if pager.fallback.slack_channel or pager.fallback.slack_user:
        section.mistake(FALLBACK, "is for when Slack is down; expected email or webhook_url_file")
    if pager.tickets_channel and not pager.channel:
        section.mistake("tickets_channel", "expected channel beside it: pages have no place to go to")
    for name in (target.name for target in pager.targets if target.name in pager.schedules):
        section.mistake("schedules", f"{name!r} is the name of a target, too; give one of them another name")
    if pager.target(FALLBACK) is not None:
        section.mistake("targets", f"{FALLBACK!r} is the name of the section beside it; give the target another name")
    for target in pager.targets:
        if target.slack_channel and target.slack_channel in (pager.channel, pager.tickets_channel):
            section.mistake(
                "targets", f"{target.name}: all pages or tickets go to its slack_channel already; leave it out"
            )
    mailed = [target.name for target in (*pager.targets, pager.fallback) if target.emails]
    if mailed and not pager.smtp.host:
        section.mistake("smtp", f"host is missing, so no mail can be sent to {', '.join(mailed)}")
