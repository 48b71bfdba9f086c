"""One probe of the exporter: a thread that asks a model at an interval, and what came of it.

Made by the command that runs the exporter, one for each entry of `servers[].probes`. Requests of one probe never overlap:
the next one waits a whole interval after the end of the last, whatever that was.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Hashable

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog.model import Signal
from atlas_ops.exporter.collector import Round
from atlas_ops.exporter.identity import Identity
from atlas_ops.exporter.probe.outcome import Outcome, Result
from atlas_ops.exporter.probe.prober import Prober
from atlas_ops.exporter.probe.tally import Tally
from atlas_ops.exporter.samples import Labels, Sample
from atlas_ops.settings import Probe

_log = logging.getLogger(__name__)

JITTER = 0.1
"""Each pause is longer by up to this share, so that the probes of a fleet that was started at once drift apart."""
STALE_ROUNDS = 3
"""After so many missed requests the last verdict is no longer told. A request ends in time whatever the server does,
unless the resolver of names or the file system of the token hangs."""
_GOODBYE_SECONDS = 2.0


class ProbeCollector:
    """Asks one model of one server. `runtime` returns what is known of the server's runtime at that moment."""

    ready = True
    """A page waits for no request: the first is sent after a random part of the interval."""

    def __init__(self, probe: Probe, identity: Identity, api_url: str, runtime: Callable[[], str]) -> None:
        self.name = f"probe/{identity.server}/{probe.model}/{probe.api}"
        self.interval_seconds = probe.interval_seconds * (1 + JITTER) + probe.timeout_seconds
        """The most that lies between the ends of two requests."""
        self._probe, self._identity, self._runtime = probe, identity, runtime
        self._prober = Prober(probe, api_url)
        self._tally = Tally()
        self._lock = threading.Lock()
        """Held while the tally is changed or read."""
        self._result: Result | None = None
        self._round: tuple[float, float] | None = None
        """When the last request was over (monotonic), and how long it took."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)

    def start(self) -> None:
        """Begin; the first request comes after a random part of the interval."""
        self._thread.start()

    def stop(self) -> None:
        """Cut off the running request and end the thread."""
        self._stopping.set()
        self._prober.close()
        if self._thread.is_alive():
            self._thread.join(_GOODBYE_SECONDS)

    def last_round(self) -> Round | None:
        """Return the last request; it failed when the probe could not send it, not when the server failed."""
        last = self._round
        if last is None:
            return None
        finished, seconds = last
        success = self._result is not Result.NOT_SENT
        return Round(age_seconds=time.monotonic() - finished, duration_seconds=seconds, success=success)

    def collect(self) -> list[Sample]:
        """Return what is known until now; never waits for the server."""
        with self._lock:
            return list(self._tally.samples(self._labels, fresh=self._is_fresh()))

    def version(self) -> Hashable:
        """Return what tells one request, and the time when its verdict is too old to be told, from the next."""
        return (self._round, self._is_fresh(), self._runtime())

    def _is_fresh(self) -> bool:
        last = self._round
        return last is not None and time.monotonic() - last[0] <= STALE_ROUNDS * self.interval_seconds

    def _labels(self, signal: Signal, **values: str) -> Labels:
        return self._identity.labels(
            signal, **{c.RUNTIME: self._runtime(), c.MODEL: self._probe.model, c.API: self._probe.api}, **values
        )

    def _run(self) -> None:
        pause = self._probe.interval_seconds * random.random()  # noqa: S311 - spreads load, guards nothing
        while not self._stopping.wait(pause):
            outcome = self._ask()
            if self._stopping.is_set():
                return  # cut off half-way, so it says nothing of the server
            self._note(outcome)
            pause = self._probe.interval_seconds * (1 + JITTER * random.random())  # noqa: S311 - as above

    def _ask(self) -> Outcome:
        try:
            return self._prober.ask()
        except Exception:  # noqa: BLE001 (logged whole; an answer must not end the thread)
            _log.exception("%s: an answer could not be judged", self.name)
            return Outcome(result=Result.NOT_SENT, seconds=0.0, message="the exporter failed on this answer")

    def _note(self, outcome: Outcome) -> None:
        if outcome.result is not self._result:
            self._log_change(outcome)
        with self._lock:
            self._tally.note(outcome, time.time())
            self._result = outcome.result
            self._round = (time.monotonic(), outcome.seconds)

    def _log_change(self, outcome: Outcome) -> None:
        if outcome.result is Result.OK:
            _log.info("%s: answered to the end", self.name)
        else:
            _log.warning("%s: %s: %s", self.name, outcome.result.value, outcome.message)
