"""Events of a timeline as lines of a reply. Called by `pager.slack.message` and `pager.slack.storm`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from atlas_ops.pager.incident import Event
from atlas_ops.pager.slack import blocks
from atlas_ops.pager.slack.blocks import Span, plain


def lines(events: Sequence[Event]) -> Iterator[Span]:
    """Return each event in a line; one that calls somebody begins with a mention, which Slack tells them of.

    Calls come first: after much has happened, the last lines do not fit.
    """
    for number, event in enumerate(sorted(events, key=lambda event: not event.mention)):
        if event.mention:
            yield plain("\n" if number else "")
            yield blocks.mention(event.mention)
            yield plain(f" {event.text}")
        else:
            yield plain(("\n" if number else "") + event.text)
