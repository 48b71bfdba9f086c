"""Who is told and how: targets, their schedules, and the mail server. Part of the section `pager`; read by `settings.pager`.

No secret is in these records: addresses of webhooks are secrets, and so they are in files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from atlas_ops.document import Section
from atlas_ops.settings.durations import read_duration

_DAY = 86_400.0
_SLACK_USER = re.compile(r"[UWS][A-Z0-9]{2,}", re.ASCII)
_EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", re.ASCII)
ENCRYPTIONS = ("starttls", "tls", "none")


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """Somebody who can be told: a person, or a team."""

    name: str = ""
    slack_channel: str = ""
    """Channel, by name or id, that a message of its own goes to; empty: the incident's thread is told alone."""
    slack_user: str = ""
    """Member id (U...) or id of a user group (S...) to mention; empty: nobody is mentioned."""
    emails: tuple[str, ...] = ()
    webhook_url_file: str = ""
    """File that holds the address to post JSON to: such addresses are secrets."""
    webhook_secret_file: str = ""
    """File that holds the key that the body is signed with (HMAC-SHA256); empty: it is not signed."""

    @property
    def reachable(self) -> bool:
        """Whether there is any way to it."""
        return bool(self.slack_channel or self.slack_user or self.emails or self.webhook_url_file)


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One step of the escalation of a page that nobody acknowledges."""

    after_seconds: float
    """Since the page came, or since the step before."""
    to: str
    """Name of a target, or of a schedule, which says who of the targets is on call."""
    repeat: int = 0
    """How often the step is taken again, each time `after_seconds` later; the last step alone has it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Smtp:
    """The mail server. Without a host no mail is sent."""

    host: str = ""
    port: int = 587
    encryption: str = "starttls"
    """`starttls`, `tls` (from the first byte, usually port 465) or `none`. A server that has no STARTTLS gets no mail."""
    sender: str = ""
    """Address in From."""
    username: str = ""
    password_file: str = ""


def read_target(section: Section, name: str) -> Target:
    """Read the ways to one target; `name` is its own."""
    target = Target(
        name=name,
        slack_channel=section.string("slack_channel").lstrip("#"),
        slack_user=section.string("slack_user"),
        emails=_emails(section, "email"),
        webhook_url_file=read_secret_file(section, "webhook_url_file"),
        webhook_secret_file=read_secret_file(section, "webhook_secret_file"),
    )
    section.finish()
    if target.slack_user and not _SLACK_USER.fullmatch(target.slack_user):
        told = "expected the id of a member (U...) or of a user group (S...), as Slack shows it under `Copy member ID`"
        section.mistake("slack_user", f"{told}, found {target.slack_user!r}")
    if target.webhook_secret_file and not target.webhook_url_file:
        section.mistake("webhook_secret_file", "expected webhook_url_file beside it: without one nothing is posted")
    return target


def read_targets(section: Section) -> tuple[Target, ...]:
    """Read the mapping of names to targets."""
    targets = tuple(read_target(section.section(name), name) for name in section.keys())  # noqa: SIM118 - no mapping
    for target in targets:
        if not target.reachable:
            section.mistake(target.name, "expected at least one of slack_channel, slack_user, email, webhook_url_file")
    return targets


def read_schedules(section: Section) -> Mapping[str, str]:
    """Read the mapping of names to files of schedules (`oncall.schedule`)."""
    return {name: section.string(name) for name in section.keys()}  # noqa: SIM118 - a section is no mapping


def read_escalation(pager: Section, known: Sequence[str]) -> tuple[Step, ...]:
    """Read the steps; `known` are the names of targets and schedules."""
    sections = tuple(pager.sections("escalation"))
    steps = tuple(_step(section, known, last=section is sections[-1]) for section in sections)
    return tuple(step for step in steps if step.to)


def read_smtp(section: Section) -> Smtp:
    """Read the section `smtp`."""
    default = Smtp()
    encryption = section.string("encryption", default.encryption, choices=ENCRYPTIONS)
    smtp = Smtp(
        host=section.string("host"),
        port=section.integer("port", 465 if encryption == "tls" else default.port, above=0, below=65_536),
        encryption=encryption,
        sender=section.string("from"),
        username=section.string("username"),
        password_file=read_secret_file(section, "password_file"),
    )
    section.finish()
    if smtp.host and not smtp.sender:
        section.mistake("from", "is missing; expected the address that mail comes from")
    if smtp.sender and not _EMAIL.fullmatch(smtp.sender):
        section.mistake("from", f"expected one address such as pager@example.org, found {smtp.sender!r}")
    if bool(smtp.username) != bool(smtp.password_file):
        section.mistake("username", "expected both username and password_file, or neither")
    return smtp


def read_secret_file(section: Section, key: str) -> str:
    """Return the path of a file that holds a secret; an address or a text of several lines is refused, and not repeated."""
    path = section.string(key)
    if "://" in path or "\n" in path:
        section.mistake(key, "expected the path of a file that holds it, found the secret itself")
        return ""
    return path


def _emails(section: Section, key: str) -> tuple[str, ...]:
    emails = section.strings(key)
    for email in emails:
        if not _EMAIL.fullmatch(email):
            section.mistake(key, f"expected addresses such as ann@example.org, found {email!r}")
    return emails


def _step(section: Section, known: Sequence[str], *, last: bool) -> Step:
    if not section.has("after"):
        section.mistake("after", "is missing; expected a length of time such as 15m")
    step = Step(
        after_seconds=read_duration(section, "after", 900.0, below=7 * _DAY),
        to=section.string("to", choices=known, required=True) if known else section.string("to", required=True),
        repeat=section.integer("repeat", 0, below=1000),
    )
    section.finish()
    if step.to and not known:
        section.mistake("to", f"{step.to!r} is none of `targets` or `schedules`: there are none")
    if step.repeat and not last:
        section.mistake("repeat", "only the last step can be repeated: after it there is no other to go on to")
    return step
