"""The tables of the pager's database. Read and written by the modules beside this one; made by `sqlite` or `postgresql`."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Float, Index, Integer, MetaData, String, Table

SCHEMA = 2
"""Version of these tables."""
METADATA = MetaData()


def _posting() -> tuple[Column[object], ...]:
    """Return the columns of what has a message in Slack: an incident, or a storm of them."""
    return (
        # Each change counts `revision` up; what Slack shows is `sent_revision`, and the thread tells up to `sent_event`.
        Column("revision", Integer, nullable=False),
        Column("sent_revision", Integer, nullable=False, default=0),
        Column("sent_event", Integer, nullable=False, default=0),
        Column("channel", String, nullable=False, default=""),
        Column("ts", String, nullable=False, default=""),
        Column("digest", String, nullable=False, default=""),
        # Written before a message is sent, cleared after: what it finds here, a restarted pager has to ask Slack about.
        Column("attempt_at", Float),
        Column("attempt_event", Integer, nullable=False, default=0),
        Column("problem", String, nullable=False, default=""),
        # Which pager works on it, and when others may take over; when it is tried again, after how many failures.
        # These, and when the message was posted and last sent, are times of `Database.now`.
        Column("claimed_by", String, nullable=False, default=""),
        Column("claimed_until", Float, nullable=False, default=0.0),
        Column("failures", Integer, nullable=False, default=0),
        Column("retry_at", Float, nullable=False, default=0.0),
        Column("posted_at", Float, nullable=False, default=0.0),
        Column("sent_at", Float, nullable=False, default=0.0),
    )


INCIDENTS = Table(
    "incidents",
    METADATA,
    Column("id", String, primary_key=True),
    Column("key", String, nullable=False, index=True),
    Column("fault", String, nullable=False),
    Column("severity", String, nullable=False),
    Column("model", String, nullable=False),
    Column("place", String, nullable=False),
    Column("summary", String, nullable=False),
    Column("since", Float, nullable=False),
    Column("until", Float, index=True),
    Column("firing", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("truncated", Integer, nullable=False),
    Column("received_at", Float, nullable=False, index=True),
    Column("heard_at", Float, nullable=False),
    Column("changed_at", Float, nullable=False),
    *_posting(),
    # The storm whose message tells of it; empty: it has a message of its own.
    Column("storm", String, nullable=False, default="", index=True),
    # What people did about it.
    Column("acknowledged_by", String, nullable=False, default=""),
    Column("acknowledged_at", Float),
    Column("silenced_until", Float),
    Column("silenced_by", String, nullable=False, default=""),
    Column("not_actionable_by", String, nullable=False, default=""),
    # How many steps of the escalation were taken, when the last one was, and whom it told.
    Column("escalation", Integer, nullable=False, default=0),
    Column("escalated_at", Float),
    Column("escalated_to", String, nullable=False, default=""),
    # What the runbook's checks found, as JSON (`diagnosis.verdict`); NULL until they ran.
    Column("diagnosis", JSON),
    Column("diagnosed_at", Float),
    # Slack's id of the file with the chart, what it shows, and when it was drawn or there was found to be nothing to draw.
    Column("chart", String, nullable=False, default=""),
    Column("chart_words", String, nullable=False, default=""),
    Column("charted_at", Float),
)
_OPEN = INCIDENTS.c.until.is_(None)
_UNSENT = INCIDENTS.c.sent_revision < INCIDENTS.c.revision
# Two pagers that hear of a group at the same moment open one incident.
Index("one_open_incident", INCIDENTS.c.key, unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN)
Index("unsent", INCIDENTS.c.changed_at, sqlite_where=_UNSENT, postgresql_where=_UNSENT)
Index("posted", INCIDENTS.c.posted_at)
STORMS = Table(
    "storms",
    METADATA,
    Column("id", String, primary_key=True),
    # The channel as it is configured, and whether the storm takes in what is new there.
    Column("target", String, nullable=False, index=True),
    Column("open", Boolean, nullable=False),
    Column("received_at", Float, nullable=False),
    Column("changed_at", Float, nullable=False),
    # When an incident joined last, and when what became of them was last added up: times of `Database.now`.
    Column("joined_at", Float, nullable=False),
    Column("folded_at", Float, nullable=False, default=0.0),
    *_posting(),
)
BUCKETS = Table(
    "buckets",
    METADATA,
    # The pace of a channel, which holds over all pagers.
    Column("channel", String, primary_key=True),
    Column("tokens", Float, nullable=False),
    Column("at", Float, nullable=False),
    Column("not_before", Float, nullable=False, default=0.0),
)
ALERTS = Table(
    "alerts",
    METADATA,
    Column("incident", String, primary_key=True),
    Column("fingerprint", String, primary_key=True),
    Column("firing", Boolean, nullable=False),
    # By these they are read in the order of `incident.ordered`, without reading all of them.
    Column("rank", Integer, nullable=False),
    Column("place", String, nullable=False),
    Column("starts_at", Float, nullable=False),
    Column("ends_at", Float),
    Column("labels", JSON, nullable=False),
    Column("annotations", JSON, nullable=False),
    Column("generator_url", String, nullable=False),
    # By `Database.now`: what tells late mail from a new start must not hang on a clock that somebody sets.
    Column("changed_at", Float, nullable=False),
)
EVENTS = Table(
    "events",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("incident", String, nullable=False, index=True),
    Column("at", Float, nullable=False),
    Column("kind", String, nullable=False),
    Column("text", String, nullable=False),
    # Slack's id of the person or user group that the line calls.
    Column("mention", String, nullable=False, default=""),
)
SIGHTINGS = Table(
    "sightings",
    METADATA,
    # The address of an Alertmanager that has known an alert of the incident.
    Column("incident", String, primary_key=True),
    Column("alertmanager", String, primary_key=True),
)
HEARTBEATS = Table(
    "heartbeats", METADATA, Column("name", String, primary_key=True), Column("at", Float, nullable=False)
)
ABSENCES = Table(
    "absences",
    METADATA,
    # Of the incident that tells what was missed.
    Column("key", String, primary_key=True),
    Column("since", Float, nullable=False),
    Column("until", Float, nullable=False),
    # Whether what was missed has been looked for.
    Column("seen", Boolean, nullable=False, default=False),
)
DEEDS = Table(
    "deeds",
    METADATA,
    # What makes a deed the same deed when Slack, a browser or a person sends it twice.
    Column("key", String, primary_key=True),
    Column("incident", String, nullable=False, index=True),
    Column("fault", String, nullable=False, index=True),
    Column("kind", String, nullable=False),
    Column("who", String, nullable=False),
    Column("at", Float, nullable=False),
    Column("detail", String, nullable=False, default=""),
)
TELLINGS = Table(
    "tellings",
    METADATA,
    # Made of what is told whom by which way: so nothing is told twice.
    Column("key", String, primary_key=True),
    Column("incident", String, nullable=False, index=True),
    Column("reason", String, nullable=False),
    Column("target", String, nullable=False),
    Column("way", String, nullable=False),
    Column("state", String, nullable=False, index=True),
    Column("made_at", Float, nullable=False),
    # Those that go in one message have its name here; it stays the same when the message has to be tried again.
    Column("batch", String, nullable=False, default=""),
    # Whether it may have been told although nobody said so: by a pager that was killed, or got no answer.
    Column("unsure", Boolean, nullable=False, default=False),
    Column("problem", String, nullable=False, default=""),
    # When others may take over, and when it is tried again, after how many failures: times of `Database.now`.
    Column("claimed_until", Float, nullable=False, default=0.0),
    Column("failures", Integer, nullable=False, default=0),
    Column("retry_at", Float, nullable=False, default=0.0),
)
