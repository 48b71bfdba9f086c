"""A real BentoML on loopback, installed apart (`make setup-dev`), and what its clients see of it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx

from atlas_ops.errors import EnvironmentProblem
from atlas_ops.stage.processes import free_port
from tests.nightly.install import python
from tests.servers import page

START_SECONDS = 90.0  # five on an idle machine


@dataclass(frozen=True, kw_only=True, slots=True)
class BentomlServer:
    """A server that answers."""

    url: str

    @property
    def metrics_url(self) -> str:
        """Address of its page."""
        return f"{self.url}/metrics"

    def ask(self, number: int, seconds: float = 0.0) -> str:
        """Ask for twice a number, and return the status of the answer."""
        with page.client(self.url) as client:
            return str(client.post("/double", json={"number": number, "seconds": seconds}).status_code)

    def load(self, requests: int, clients: int, seconds: float = 0.0) -> Counter[str]:
        """Ask so many times, `clients` at a time, and return how many answers had which status."""
        with ThreadPoolExecutor(clients) as pool:
            return Counter(pool.map(lambda number: self.ask(number, seconds), range(requests)))


@contextlib.contextmanager
def running_bentoml(home: Path) -> Iterator[BentomlServer]:
    """Start the server; when the block ends it and its workers are gone."""
    interpreter = python("bentoml")
    if not Path(interpreter).exists():
        raise EnvironmentProblem("BentoML is not installed", next_step="run `make setup-dev`")
    url = f"http://127.0.0.1:{free_port()}"
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [interpreter, "-m", "bentoml", "serve", f"{__package__}.bentoml_app:Doubler", "--host", "127.0.0.1",
             "--port", url.rpartition(":")[2]],
            cwd=Path(__file__).parents[2],
            env={"PATH": os.defpath, "BENTOML_DO_NOT_TRACK": "1", "BENTOML_HOME": str(home), "HOME": str(home)},
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        try:
            _await(url, process)
            yield BentomlServer(url=url)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _await(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.HTTPError), page.client(url) as client:
            if client.get("/readyz").status_code == 200:
                return
        time.sleep(0.1)
    raise AssertionError(f"BentoML does not start (exit code {process.poll()})")
