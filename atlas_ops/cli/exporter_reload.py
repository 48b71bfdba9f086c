"""What makes a running exporter read its settings again, and how it takes them over.

Used by `cli.exporter` in the main thread.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from types import TracebackType

from atlas_ops.cli.exporter_parts import Machine, compat_printers, plan_collectors
from atlas_ops.errors import AtlasError
from atlas_ops.exporter.file_stamp import stamp
from atlas_ops.exporter.service import Service
from atlas_ops.exporter.web.guard import Guard
from atlas_ops.settings import Settings

_log = logging.getLogger(__name__)

FIRST_ROUND_MARGIN_SECONDS = 0.5
"""The first page waits for the first round, which a hung server stretches to the whole timeout, and this much more."""
FIRST_ROUND_MAX_SECONDS = 8.0
"""However long a server may take: a scrape waits for the first page no longer than Prometheus's default of ten."""


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
        if came is None:
            return Asked.NOTHING
        return Asked.RELOAD if came.si_signo == signal.SIGHUP else Asked.STOP


class SettingsFile:
    """Tells when the settings file has changed and is at rest: one that is half written may look like a whole one."""

    def __init__(self, path: Path | None) -> None:
        """Watch a file; none at all is never changed."""
        self._path = path
        self._used = self._seen = stamp(path) if path else None

    def changed(self) -> bool:
        """Whether the file differs from the one that was noted, and is as it was at the call before this one."""
        now = stamp(self._path) if self._path else None
        at_rest, self._seen = now == self._seen, now
        return at_rest and now != self._used

    def noted(self) -> None:
        """Take the file as it is now as read; to be called before it is."""
        self._used = self._seen = stamp(self._path) if self._path else None


class Reloader:
    """Brings a service to what the settings say. `read` returns them as they are now, or raises AtlasError."""

    def __init__(
        self, service: Service, machine: Machine, *, read: Callable[[], Settings], stopping: Callable[[], bool]
    ) -> None:
        self._service, self._machine, self._read, self._stopping = service, machine, read, stopping
        self._listen = ""

    def begin(self, settings: Settings) -> None:
        """Put the collectors to work for the first time."""
        self._listen = settings.exporter.listen
        self._use(settings)

    def reload(self) -> None:
        """Read the settings and take them over as a whole. With any mistake in them nothing changes. Never raises."""
        try:
            settings = self._read()
            guard = self._guard(settings.exporter.web_config_file)
            self._use(settings)
        except AtlasError as error:
            _log.error("the settings stay as they were: %s", error)
        except Exception:  # noqa: BLE001 (logged whole; what runs goes on)
            _log.exception("the settings stay as they were: the new ones could not be put to work")
        else:
            self._service.guard = guard
            self._service.reloaded(success=True)
            _log.info("the settings were read again and are in force (%d servers)", len(settings.servers))
            if settings.exporter.listen != self._listen:
                _log.warning("still serving %s: a new `listen` needs a restart", self._listen)
            return
        self._service.reloaded(success=False)

    def _guard(self, path: str) -> Guard:
        """Return the guard at work when it is for the same file, which it reads again by itself."""
        wanted = Path(path) if path else None
        return self._service.guard if wanted == self._service.guard.path else Guard(wanted)

    def _use(self, settings: Settings) -> None:
        first_round = settings.exporter.timeout_seconds + FIRST_ROUND_MARGIN_SECONDS
        self._service.use(
            plan_collectors(settings, self._machine),
            compat_printers(settings.exporter),
            first_round_seconds=min(first_round, FIRST_ROUND_MAX_SECONDS),
            cancelled=self._stopping,
        )
