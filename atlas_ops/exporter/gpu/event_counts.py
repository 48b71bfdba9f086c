"""XIDs and other events of one GPU, counted since the exporter's start.

A last-value gauge misses the second XID of a kind and fires again after a restart; counters that begin at 0 do not.
Written by the event thread of `gpu.worker`, told by `gpu.record`.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.xid import XIDS, owner_of
from atlas_ops.exporter.gpu.backend import GpuEvent, Value
from atlas_ops.exporter.samples import Labels, labels

UNCATALOGUED_LIMIT = 32
"""Codes that NVIDIA's catalogue does not know and that get series of their own; further ones are counted together."""


class EventCounts:
    """What one GPU reported."""

    def __init__(self) -> None:
        self._kinds: tuple[str, ...] | None = None
        self._told: tuple[Value, ...] | None = None
        self._lock = threading.Lock()
        self._xids: Counter[str] = Counter()
        self._last: dict[str, float] = {}
        self._others: Counter[str] = Counter()

    @property
    def kinds(self) -> tuple[str, ...] | None:
        """The events that the part can report; None until that is known."""
        return self._kinds

    @kinds.setter
    def kinds(self, kinds: tuple[str, ...]) -> None:
        with self._lock:
            self._kinds, self._told = kinds, None

    def note(self, event: GpuEvent, wall: float) -> None:
        """Count an event that was reported at `wall` (Unix time)."""
        with self._lock:
            self._told = None
            if event.xid is None:
                self._others[event.event] += 1
            else:
                code = self._code(event.xid)
                self._xids[code] += 1
                self._last[code] = wall

    def _code(self, xid: int) -> str:
        code = str(xid)
        strangers = sum(known.isdecimal() and owner_of(int(known)) == c.UNKNOWN_OWNER for known in self._xids)
        full = code not in self._xids and owner_of(xid) == c.UNKNOWN_OWNER and strangers >= UNCATALOGUED_LIMIT
        return c.OVERFLOW if full else code

    def values(self) -> tuple[Value, ...]:
        """Return every counter, those of known kinds from 0 on; nothing when the part cannot report events.

        The very same tuple as before when nothing has happened since.
        """
        with self._lock:
            if self._told is None:
                self._told = tuple(self._values())
            return self._told

    def _values(self) -> Iterator[Value]:
        xids, last, others = dict(self._xids), self._last, self._others
        if c.XID in (self.kinds or ()):
            xids = dict.fromkeys((str(xid.code) for xid in XIDS), 0) | xids
        for code, count in xids.items():
            yield Value(s.GPU_XID_ERRORS, float(count), _xid_labels(code))
        for code, at in last.items():
            yield Value(s.GPU_XID_LAST, at, _xid_labels(code))
        for kind in c.GPU_EVENTS:
            if kind in (self.kinds or ()) or kind in others:
                yield Value(s.GPU_EVENTS, float(others.get(kind, 0)), labels(event=kind))


def _xid_labels(code: str) -> Labels:
    return labels(xid=code, owner=owner_of(int(code)) if code.isdecimal() else c.UNKNOWN_OWNER)
