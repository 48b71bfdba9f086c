"""Faults of sight: the watchers themselves do not see. They never hide another page."""

from __future__ import annotations

from atlas_ops.catalog.faults.blindness import pager, servers, stale, watchers
from atlas_ops.catalog.model import Fault
from atlas_ops.catalog.parameters import Parameters


def faults(parameters: Parameters) -> tuple[Fault, ...]:
    """Return the faults of this family, in the order in which dashboards show them."""
    topics = (watchers, servers, stale, pager)
    return tuple(fault for topic in topics for fault in topic.faults(parameters))
