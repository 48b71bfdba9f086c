"""Work that is done again and again in a thread of its own, and that no odd incident can end.

Used for all that a pager does beside taking webhooks; started and stopped by `cli.pager_parts`.
"""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable

from atlas_ops.errors import AtlasError

_LOG = logging.getLogger(__name__)


class Worker(ABC):
    """A thread that takes a turn, waits, and takes the next. `problem` says what does not work now; empty: nothing."""

    def __init__(self, name: str) -> None:
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.problem = ""

    @property
    def trouble(self) -> str:
        """What the console has to say about it; empty: nothing."""
        return ""

    @property
    def alive(self) -> bool:
        """Whether it works."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Take the next turn now: there is something new."""
        self._wake.set()

    def stop(self, seconds: float) -> None:
        """Stop after the turn that is under way; leave it behind when it takes longer than `seconds`."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            self._wake.wait(self._turn())

    @abstractmethod
    def _turn(self) -> float:
        """Do what there is to do, whatever happens; return how many seconds to wait before the next turn."""


class Job(Worker):
    """Calls `work` every so many seconds, and when it is woken. `problem` says why it failed last."""

    def __init__(self, name: str, work: Callable[[], None], *, every_seconds: float) -> None:
        super().__init__(name)
        self._name = name
        self._work = work
        self._every = every_seconds

    def _turn(self) -> float:
        self._once()
        return self._every

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
