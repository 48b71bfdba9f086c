"""Decides when incidents share a message, and keeps that message up to date. Called by `pager.delivery.worker`."""

from __future__ import annotations

import logging

from atlas_ops.pager.delivery.pace import Pace
from atlas_ops.pager.store.lane import Lane
from atlas_ops.pager.store.storms import Storms

_LOG = logging.getLogger(__name__)


class Gatherer:
    """Gathers what would get too many messages within a minute into storms."""

    def __init__(self, storms: Storms, pace: Pace) -> None:
        self._storms = storms
        self._pace = pace

    def tend(self, lane: Lane) -> None:
        """Take what is new into the storm of a lane, if there is one, and add up what has changed in its storms."""
        self._joins(lane)
        for storm in self._storms.unfolded(lane, every=self._pace.storm_every):
            self._storms.fold(storm)

    def gathers(self, lane: Lane) -> bool:
        """Return whether the next new incident of a lane is in a storm now, rather than to have a message of its own.

        A storm begins when so many had messages of their own that the next must not have one.
        """
        if self._joins(lane):
            return True
        if self._storms.posted_within_a_minute(lane) < self._pace.own_messages:
            return False
        storm = self._storms.gather(lane, "")
        _LOG.warning("too many incidents for a message each in #%s: they are gathered in storm %s", lane.channel, storm)
        return True

    def _joins(self, lane: Lane) -> bool:
        """Take what is new into the storm of a lane; False when there is none."""
        storm = self._storms.current(lane, quiet=self._pace.storm_quiet)
        if storm:
            self._storms.gather(lane, storm)
        return bool(storm)
