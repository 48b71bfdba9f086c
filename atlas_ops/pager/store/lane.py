"""Which incidents go to which channel of Slack. Made by `atlas_ops.cli.pager_parts`; used by `pager.delivery` and the queues here."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, true

from atlas_ops.catalog.model import Severity
from atlas_ops.pager.store.tables import INCIDENTS


@dataclass(frozen=True, kw_only=True, slots=True)
class Lane:
    """A channel by its name or id, and what goes there: pages alone, all but pages, or everything (None)."""

    channel: str
    pages: bool | None = None

    def takes(self) -> ColumnElement[bool]:
        """Return the condition on incidents."""
        if self.pages is None:
            return true()
        return (INCIDENTS.c.severity == Severity.PAGE.value) == self.pages


def lanes(channel: str, tickets_channel: str = "") -> tuple[Lane, ...]:
    """Return the lanes of one or two channels, the one of pages first."""
    if tickets_channel in ("", channel):
        return (Lane(channel=channel),)
    return Lane(channel=channel, pages=True), Lane(channel=tickets_channel, pages=False)
