"""Diagnoses each new incident while its message is on the way: one thread, one incident at a time.

Started by `atlas_ops.cli.pager`; woken by `pager.app` with each webhook. What it finds is written down, and the delivery
takes it from there.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from atlas_ops.errors import AtlasError
from atlas_ops.pager.composer import Composer
from atlas_ops.pager.diagnosis.ask import SECONDS, Query, diagnose
from atlas_ops.pager.incident import Headline
from atlas_ops.pager.slack import message
from atlas_ops.pager.store.store import Store

_LOG = logging.getLogger(__name__)
_IDLE_SECONDS = 5.0


class Diagnostician:
    """Asks the checks of the runbooks. `told` is called after each diagnosis: it wakes the delivery."""

    def __init__(
        self,
        store: Store,
        composer: Composer,
        query: Query,
        *,
        told: Callable[[], None] = lambda: None,
        seconds: float = SECONDS,
    ) -> None:
        self._store = store
        self._composer = composer
        self._query = query
        self._told = told
        self._seconds = seconds
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="diagnosis", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Say that there is something new to ask about."""
        self._wake.set()

    def stop(self, seconds: float) -> None:
        """Stop after the diagnosis under way; leave that behind when it takes longer."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            if not self._round():
                self._wake.wait(_IDLE_SECONDS)

    def _round(self) -> bool:
        """Diagnose the incident that needs it most; False when there is none, or when it went wrong."""
        try:
            wanted = self._store.diagnoses.wanted()
            if wanted:
                self._attend(wanted[0])
            return bool(wanted)
        except AtlasError as error:
            _LOG.error("a diagnosis could not be kept: %s", error.message)
        except Exception:  # noqa: BLE001 - one odd incident must not end all diagnoses after it
            _LOG.exception("an incident could not be diagnosed")
        return False

    def _attend(self, head: Headline) -> None:
        work = self._store.incidents.work(head.id)
        checks = self._composer.checks(head.fault)
        found = None
        if work is not None and checks:
            found = diagnose(checks, message.values(work.incident.lead), self._query, seconds=self._seconds)
        self._store.diagnoses.record(head.id, found, time.time())
        self._told()
