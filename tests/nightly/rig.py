"""A real model server, and everything that watches it: exporter, Prometheus, Alertmanager and pager, each for real.

Called by the tests of this folder. The parts are `atlas_ops.stage`'s; here they are only put around a server that can be
killed, frozen and started again, and the pager's own pages are read as a person on call would.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from atlas_ops import settings
from atlas_ops.settings import Server
from atlas_ops.stage.processes import Process, get
from atlas_ops.stage.stack import Stack

SETTINGS = """
profile: demo
exporter: {gpus: false}
objectives: [{model: "*", queue_wait_seconds: 2}]
"""
START_SECONDS = 600.0
"""vLLM took three to eight minutes on two shared cores; the others are far below."""
PAGE_SECONDS = 180.0
"""The windows of the demo profile are seconds long; what has not come by then is not coming, even on a busy machine."""
BUSY_SECONDS = 30.0
"""How long a page of the pager may take while a model uses every core."""
HEADLINE = re.compile(
    r'<a href="(?P<path>/incidents/[^"]+)">\s*<span class="badge \w+">(?P<state>\w+)</span>\s*<b>(?P<fault>\w+)</b>'
)


class ModelServer:
    """A model server in a process of its own, at an address that stays the same when it is started again."""

    def __init__(
        self, name: str, command: Sequence[str], *, folder: Path, ready_url: str, environment: Mapping[str, str]
    ) -> None:
        # A server that takes every core must not take them from who watches it, as it would not on a machine with GPUs.
        self._name, self._command, self._ready_url = name, ("nice", "-n", "15", *command), ready_url
        self._log, self._environment = folder / f"{name}.log", environment
        self._process: Process | None = None

    def start(self) -> None:
        """Start it, and return when it is ready; EnvironmentProblem with the end of its log otherwise."""
        self._process = Process(self._name, self._command, log=self._log, environment=self._environment)
        self._process.wait_until_ready(self._ready_url, seconds=START_SECONDS)

    def kill(self) -> None:
        """End all of it at once, as when its machine loses power."""
        self._running.kill()

    def freeze(self) -> None:
        """Let it hang: its connections are accepted, and nothing is answered."""
        self._running.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._running.send_signal(signal.SIGCONT)

    @property
    def _running(self) -> Process:
        assert self._process, f"{self._name} was never started"
        return self._process

    def __enter__(self) -> ModelServer:
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process:
            self.thaw()  # what is frozen cannot end in order
            self._process.stop()


class Watch:
    """What can be seen of a server: its canonical series in Prometheus, and its incidents on the pager's pages."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def sum(self, selector: str) -> float:
        """The sum over all series of a selector; 0 when there is none."""
        return sum(point.value for point in self._stack.prometheus.query(selector))

    def sees(self, condition: Callable[[], bool]) -> bool:
        """Wait until the condition holds; False when it does not within `PAGE_SECONDS`."""
        deadline = time.monotonic() + PAGE_SECONDS
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.25)
        return condition()

    def settled(self, selector: str, expected: float) -> float:
        """The sum of a selector, as soon as it is what is expected, or what it is after `PAGE_SECONDS`."""
        self.sees(lambda: self.sum(selector) == expected)
        return self.sum(selector)

    def page(self, fault: str) -> str:
        """Wait for the incident of a fault, and return its page, as HTML."""
        assert self.sees(lambda: self._state(fault) == "page"), self._what_is_there()
        status, body = get(self._stack.addresses.pager + self._incidents()[fault][0], timeout=BUSY_SECONDS)
        assert status == 200
        return body.decode()

    def resolved(self, fault: str) -> bool:
        """Wait until the incident of a fault is resolved."""
        return self.sees(lambda: self._state(fault) == "resolved")

    def _state(self, fault: str) -> str:
        return self._incidents().get(fault, ("", ""))[1]

    def _incidents(self) -> dict[str, tuple[str, str]]:
        """The path and the state of the newest incident of each fault. The page tells the open ones first."""
        found = list(HEADLINE.finditer(get(f"{self._stack.addresses.pager}/", timeout=BUSY_SECONDS)[1].decode()))
        return {match["fault"]: (match["path"], match["state"]) for match in reversed(found)}

    def _what_is_there(self) -> str:
        exporter = get(f"{self._stack.addresses.exporter}/metrics")[1].decode()
        of_servers = [
            line for line in exporter.splitlines() if re.match("atlas_(server|model|requests|kv|queue)_", line)
        ]
        return "\n".join([str(self._stack.prometheus.alerts()), *of_servers])


@contextmanager
def watching(folder: Path, server: Server) -> Iterator[Watch]:
    """Run exporter, Prometheus, Alertmanager and pager around a server that runs."""
    with Stack(folder, settings.parse(SETTINGS), servers=(server,)) as stack:
        watch = Watch(stack)
        assert watch.sees(lambda: watch.sum("atlas_server_up") == 1), (folder / "exporter.log").read_text()
        yield watch


def assert_filled_in(page: str, *values: str) -> None:
    """The page of an incident holds its runbook, with the values of the alert and no placeholder left."""
    runbook = page[page.index('id="runbook"') : page.index('id="alerts"')]
    assert "Mitigation" in runbook
    assert "{{" not in runbook
    for value in values:
        assert value in runbook


def others() -> dict[int, str]:
    """The command lines of the processes of this namespace, less this one's and those that wait for it."""
    own = {os.getpid(), os.getppid(), 1}
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended while it was looked at
            found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    # One that has ended, and for which nobody has waited yet, has no command line any more.
    return {pid: command for pid, command in found.items() if command and pid not in own}
