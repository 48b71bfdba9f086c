"""Which readings of a dialect hold for a page: by what is on it, and by what its version should have.

Called by `translate`. Hardly a server says its version on the page, so a lower bound is inferred from the names, labels
and bounds that only newer versions have.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from atlas_ops.catalog.dialect import Dialect
from atlas_ops.catalog.model import Quality, Signal
from atlas_ops.catalog.reading import Entry, Reading, Version
from atlas_ops.exporter.decode import present
from atlas_ops.exporter.parse import Page

_WORSE = tuple(Quality)
"""Qualities from the best to the worst, in the order of their definition."""


def stated(dialect: Dialect, page: Page) -> Version | None:
    """Return the version that a label of the page states; None when none does."""
    first = (page.of(name)[:1] for name in page.names) if dialect.version_label else ()
    texts = (value for one in first for sample in one for name, value in sample.labels if name == dialect.version_label)
    return next((version for version in map(Version.parse, texts) if version), None)


def lower_bound(dialect: Dialect, page: Page) -> Version | None:
    """Return the newest version that the page proves to be reached; None when it proves none."""
    proved = [
        evidence.since
        for evidence in dialect.evidence
        if any(all(match.accepts(s.labels) for match in evidence.where) for s in page.of(evidence.metric))
    ]
    readings = (reading for entry in dialect.entries for reading in entry.readings)
    proved += [reading.since for reading in readings if reading.since is not None and present(reading, page)]
    return max(proved, default=None)


def expected(reading: Reading, version: Version | None) -> bool:
    """Say whether a server of this version (or a newer one) must have the reading, whatever its switches."""
    if reading.needs or reading.unless:
        return False
    if version is None:
        return reading.since is None
    return (reading.since is None or reading.since <= version) and (reading.until is None or version < reading.until)


def missing(entry: Entry, page: Page, version: Version | None) -> bool:
    """Say whether a signal that this version should have is not on the page.

    One reading is enough where they are alternatives; where they are added up, each part has to be there.
    """
    due = [reading for reading in entry.readings if expected(reading, version)]
    gone = [reading for reading in due if not present(reading, page)]
    if entry.added:
        return bool(gone)
    return bool(due) and not any(present(reading, page) for reading in entry.readings)


def quality(
    entry: Entry, used: Sequence[Reading], version: Version | None, elsewhere: Collection[Signal] = ()
) -> Quality:
    """Return how well a signal is told: by the page, the worst of the readings in use.

    Where none is in use, what its version should offer; what is told `elsewhere` (an endpoint, or the exporter by itself)
    as the dialect says; and `none` when a switch keeps it off the page.
    """
    if not used and entry.signal in elsewhere:
        return entry.quality
    grounds = used or [reading for reading in entry.readings if expected(reading, version)]
    return max((reading.quality for reading in grounds), key=_WORSE.index, default=Quality.NONE)
