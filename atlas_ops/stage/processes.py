"""Starts real processes, waits until they answer, and takes every one of them down again.

Called by `stage.stack` for the demo and by the end-to-end tests.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from atlas_ops.errors import EnvironmentProblem

START_SECONDS = 60.0
"""A process that has not answered by then counts as not starting; Prometheus needs 0.1 to 1.1 s, a busy machine more."""
STOP_SECONDS = 10.0
"""Time to end after SIGTERM before SIGKILL: Prometheus needs 0.03 s, a server that finishes requests some seconds."""


def free_port() -> int:
    """Return a loopback port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def program(name: str, package: str) -> str:
    """Return the path of a program; EnvironmentProblem naming the Debian package when it is not installed."""
    path = shutil.which(name)
    if path is None:
        raise EnvironmentProblem(
            f"the program {name} is not installed", next_step=f"apt-get install {package} (or run `make setup`)"
        )
    return path


def get(url: str, *, timeout: float = 2.0) -> tuple[int, bytes]:
    """GET a loopback address; (0, b"") when nothing answers in time."""
    return _ask("GET", url, timeout)


def post(url: str, *, timeout: float = 5.0) -> tuple[int, bytes]:
    """POST nothing to a loopback address; (0, b"") when nothing answers in time."""
    return _ask("POST", url, timeout)


def _ask(method: str, url: str, timeout: float) -> tuple[int, bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    try:
        connection.request(method, f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}")
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


class Process:
    """One running program. Its output goes to `log`; it ends with this process, whatever happens to it."""

    def __init__(
        self, name: str, command: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = log
        # setpriv (util-linux) has the kernel end the child when this process dies, even by SIGKILL.
        setpriv = shutil.which("setpriv")
        guard = [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own programs with our own arguments
                [*guard, *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        """Whether the process is still there."""
        return self._process.poll() is None

    def wait_until_ready(self, url: str, *, seconds: float = START_SECONDS) -> None:
        """Return once `url` answers 200; EnvironmentProblem with the end of the log otherwise."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.running:
            if get(url)[0] == 200:
                return
            time.sleep(0.05)
        state = "does not answer" if self.running else f"ended with exit code {self._process.returncode}"
        raise EnvironmentProblem(f"{self.name} {state}; its log ends:\n{self.tail()}", next_step=f"read {self.log}")

    def tail(self, lines: int = 15) -> str:
        """Return the end of its log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def kill(self) -> None:
        """End it at once with SIGKILL, as the kernel's OOM killer would."""
        self.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """End it with SIGTERM; it, and whatever of its group is left then, with SIGKILL."""
        self.send_signal(signal.SIGTERM)
        self.send_signal(signal.SIGCONT)  # one that was stopped where it is would not hear it
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        self.kill()

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to it and to the processes that it started."""
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
