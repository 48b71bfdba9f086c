"""Work that is done again and again in a thread of its own, and that no odd incident can end.

Used for all that a pager does beside taking webhooks and delivering pages.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from atlas_ops.errors import AtlasError

_LOG = logging.getLogger(__name__)


class Job:
    """Calls `work` every so many seconds, and when it is woken. `problem` says why it failed last; empty: it did not."""

    def __init__(self, name: str, work: Callable[[], None], *, every_seconds: float) -> None:
        self._name = name
        self._work = work
        self._every = every_seconds
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.problem = ""

    @property
    def trouble(self) -> str:
        """What the console has to say about it; empty: nothing."""
        return ""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Do it now."""
        self._wake.set()

    def stop(self, seconds: float) -> None:
        """Stop after the work that is under way; leave it behind when it takes longer than `seconds`."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            self._once()
            self._wake.wait(self._every)

    def _once(self) -> None:
        try:
            self._work()
        except AtlasError as error:
            self._tell(error.message)
        except Exception:  # noqa: BLE001 - a thread that dies of one odd incident would fail every later one
            _LOG.exception("%s failed; it is tried again", self._name)
            self.problem = f"{self._name} failed: see the log"
        else:
            self._tell("")

    def _tell(self, problem: str) -> None:
        if problem != self.problem:
            _LOG.log(logging.ERROR if problem else logging.INFO, "%s: %s", self._name, problem or "works again")
        self.problem = problem
