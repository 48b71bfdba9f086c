"""What makes a running exporter read its settings again, and how it takes them over.

Used by `cli.exporter` in the main thread.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from types import TracebackType

from atlas_ops.catalog.dialects import load
from atlas_ops.cli.exporter_parts import Machine, compat_printers, plan_collectors
from atlas_ops.errors import AtlasError
from atlas_ops.exporter.discovery.merge import merged
from atlas_ops.exporter.service import Service
from atlas_ops.exporter.web.guard import Guard
from atlas_ops.settings import Server, Settings
from atlas_ops.settings.addresses import shown

_log = logging.getLogger(__name__)

FIRST_ROUND_MARGIN_SECONDS = 0.5
"""The first page waits for the first round, which a hung server stretches to the whole timeout, and this much more."""
FIRST_ROUND_MAX_SECONDS = 8.0
"""However long a server may take: a scrape waits for the first page no longer than Prometheus's default of ten."""

FOLLOWED_ROUND_SECONDS = 1.0
"""The same wait where servers were found or are gone: a new one that hangs must not hold up those that come after it."""


class Asked(Enum):
    """What a signal asks for."""

    NOTHING = "nothing"
    RELOAD = "reload"
    STOP = "stop"


class Signals:
    """Receives SIGTERM, SIGINT and SIGHUP inside the `with` block, which has to begin before any thread does.

    They are held back and asked for, so none can interrupt anything, and none can slip in between a look and a wait.
    """

    _STOP = frozenset({signal.SIGTERM, signal.SIGINT})

    def __enter__(self) -> Signals:
        self._before = signal.pthread_sigmask(signal.SIG_BLOCK, {*self._STOP, signal.SIGHUP})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._before)

    def stopping(self) -> bool:
        """Whether the process has been asked to end; `wait` will say so too."""
        return not self._STOP.isdisjoint(signal.sigpending())

    def wait(self, seconds: float) -> Asked:
        """Wait up to `seconds` for a signal; return what it asks for."""
        came = signal.sigtimedwait({*self._STOP, signal.SIGHUP}, seconds)
        number = came.si_signo if came else 0
        if number in self._STOP:
            return Asked.STOP
        # When the process was stopped (SIGSTOP) for longer than it waits here, Python returns a signal that never came, with
        # numbers at random.
        return Asked.RELOAD if number == signal.SIGHUP else Asked.NOTHING


class Reloader:
    """Brings a service to what the settings say. `read` returns them as they are now, or raises AtlasError."""

    def __init__(
        self, service: Service, machine: Machine, *, read: Callable[[], Settings], stopping: Callable[[], bool]
    ) -> None:
        self._service, self._machine, self._read, self._stopping = service, machine, read, stopping
        self._settings = Settings()
        self._listen = ""
        self._found: tuple[tuple[Server, ...], ...] = ()
        self._trouble = ""
        self.servers: tuple[Server, ...] = ()
        """Those that are measured: named ones, and those that were found."""

    def begin(self, settings: Settings) -> None:
        """Put the collectors to work for the first time."""
        self._listen = settings.exporter.listen
        self._use_settings(settings)
        self.follow()

    def reload(self) -> None:
        """Read the settings and take them over as a whole. With any mistake in them nothing changes. Never raises."""
        try:
            settings = self._read()
            guard = self._guard(settings.exporter.web_config_file)
            self._use_settings(settings)
        except AtlasError as error:
            _log.error("the settings stay as they were: %s", error)
        except Exception:  # noqa: BLE001 (logged whole; what runs goes on)
            _log.exception("the settings stay as they were: the new ones could not be put to work")
        else:
            self._service.guard = guard
            self._service.reloaded(success=True)
            _log.info("the settings were read again and are in force (servers: %d)", len(self.servers))
            if settings.exporter.listen != self._listen:
                _log.warning("still serving %s: a new `listen` needs a restart", self._listen)
            return
        self._service.reloaded(success=False)

    def follow(self) -> None:
        """Measure the servers that are found by now, and no longer those that are gone. Never raises."""
        found = self._service.found()
        if found == self._found:
            return
        before = self.servers
        try:
            self._use(self._settings, found, FOLLOWED_ROUND_SECONDS)
        except Exception as error:  # noqa: BLE001 (what runs goes on, and it is tried again)
            if str(error) != self._trouble:
                _log.error("the servers that were found cannot be put to work: %s", error, exc_info=True)
            self._trouble = str(error)
        else:
            self._trouble = ""
            _tell_change(before, self.servers)

    def _guard(self, path: str) -> Guard:
        """Return the guard at work when it is for the same file, which it reads again by itself."""
        wanted = Path(path) if path else None
        return self._service.guard if wanted == self._service.guard.path else Guard(wanted)

    def _use_settings(self, settings: Settings) -> None:
        first_round = settings.exporter.timeout_seconds + FIRST_ROUND_MARGIN_SECONDS
        self._use(settings, self._service.found(), min(first_round, FIRST_ROUND_MAX_SECONDS))
        self._settings = settings

    def _use(self, settings: Settings, found: tuple[tuple[Server, ...], ...], first_round_seconds: float) -> None:
        servers = merged(settings.servers, *found, dialects=load(settings.exporter.dialects))
        self._service.use(
            plan_collectors(settings, self._machine, servers),
            compat_printers(settings.exporter),
            first_round_seconds=first_round_seconds,
            cancelled=self._stopping,
        )
        self._found, self.servers = found, servers


def _tell_change(before: Sequence[Server], now: Sequence[Server]) -> None:
    known, there = {server.url for server in before}, {server.url for server in now}
    for server in now:
        if server.url not in known:
            _log.info("found %s%s", shown(server.url), f" (pod {server.namespace}/{server.pod})" if server.pod else "")
    for url in sorted(known - there):
        _log.info("gone: %s", shown(url))
