"""What the courier carries: the message of an incident or of a storm, its thread, and the queue it came from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from atlas_ops.pager.composer import Composer
from atlas_ops.pager.incident import Event, Kind, Posting
from atlas_ops.pager.slack import message, storm
from atlas_ops.pager.slack.blocks import Message
from atlas_ops.pager.store.outbox import Outbox
from atlas_ops.pager.store.store import Store


@dataclass(frozen=True, kw_only=True, slots=True)
class Parcel:
    """One message in its present state. `again` reads it anew from the store."""

    id: str
    name: str
    outbox: Outbox
    posting: Posting
    events: tuple[Event, ...]
    compose: Callable[[], Message]
    reply: Callable[[Sequence[Event]], Message]
    again: Callable[[], Parcel | None]
    loud: frozenset[Kind] = frozenset()
    """Events whose reply is shown in the channel as well: the thread alone would wake nobody."""

    @property
    def news(self) -> tuple[Event, ...]:
        """What the thread does not tell yet. The first message tells how it began."""
        sent = self.posting.sent_event
        return tuple(event for event in self.events if event.number > sent and event.kind is not Kind.OPENED)

    @property
    def told_at_first(self) -> int:
        """Up to which event the first message tells all. Who is called by a line of the thread must get that line."""
        calls = [event.number for event in self.events if event.mention and event.number > self.posting.sent_event]
        return max((event.number for event in self.events if not calls or event.number < calls[0]), default=0)


def of_incident(store: Store, composer: Composer, incident: str) -> Parcel | None:
    """Return the message of an incident; None when there is none."""
    work = store.incidents.work(incident)
    if work is None:
        return None
    return Parcel(
        id=incident,
        name=f"incident {incident} ({work.incident.headline.fault})",
        outbox=store.outbox,
        posting=work.posting,
        events=work.events,
        compose=lambda: composer.message(work.incident),
        reply=lambda events: message.reply(work.incident, events),
        again=lambda: of_incident(store, composer, incident),
    )


def of_storm(store: Store, composer: Composer, storm_id: str) -> Parcel | None:
    """Return the message of a storm; None when there is none."""
    found = store.storms.storm(storm_id)
    if found is None:
        return None
    return Parcel(
        id=storm_id,
        name=f"storm {storm_id}",
        outbox=store.storms,
        posting=found.posting,
        events=found.events,
        compose=lambda: storm.parent(found, composer.pager_url),
        reply=lambda events: storm.reply(found, events),
        again=lambda: of_storm(store, composer, storm_id),
        loud=frozenset((Kind.JOINED, Kind.ESCALATED)),
    )
