"""`atlas-ops exporter` as a process. Shared by the tests of the command."""

from __future__ import annotations

import contextlib
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

from atlas_ops.exporter.parse import Page
from tests.exporter.fake_server import FakeServer
from tests.exporter.pages import parsed


@dataclass
class Exporter:
    """A running exporter."""

    process: subprocess.Popen[str]
    url: str
    greeting: str

    def client(self, tls: ssl.SSLContext | None = None) -> HTTPConnection:
        place = urlsplit(self.url).netloc
        return HTTPSConnection(place, timeout=30, context=tls) if tls else HTTPConnection(place, timeout=30)

    def text(self) -> str:
        with contextlib.closing(self.client()) as connection:
            connection.request("GET", "/metrics")
            return connection.getresponse().read().decode()

    def page(self) -> Page:
        return parsed(self.text())

    def value(self, name: str) -> float:
        """The value of a signal that has no labels."""
        (sample,) = self.page().of(name)
        return sample.value

    def reload(self) -> None:
        self.process.send_signal(signal.SIGHUP)

    def stop(self) -> str:
        """End it as an orchestrator does; return what it said since the greeting."""
        self.process.terminate()
        _, said = self.process.communicate(timeout=30)
        assert self.process.returncode == 0
        return said


@contextlib.contextmanager
def running(
    *arguments: str, listen: str | None = "127.0.0.1:0", environment: dict[str, str] | None = None
) -> Iterator[Exporter]:
    place = ["--listen", listen] if listen else []
    process = subprocess.Popen(
        [sys.executable, "-m", "atlas_ops", "exporter", *place, *arguments],
        stderr=subprocess.PIPE, text=True, env=os.environ | (environment or {}),
    )  # fmt: skip
    assert process.stderr is not None
    try:
        said = []
        for line in process.stderr:
            said.append(line)
            if line.startswith("atlas-ops exporter: http"):
                break
        assert said, "it ended without a word"
        assert said[-1].startswith("atlas-ops exporter: http"), "".join(said)
        yield Exporter(process, said[-1].split()[2], said[-1])
    finally:
        process.kill()
        process.communicate()


def states(page: Page) -> dict[str, str]:
    """The state of each server."""
    told = [(dict(sample.labels), sample.value) for sample in page.of("atlas_server_scrape_state")]
    return {labels["server"]: labels["state"] for labels, value in told if value}


def config(folder: Path, servers: Sequence[FakeServer], **exporter: object) -> str:
    lines = [f"{key}: {value}" for key, value in exporter.items()]
    urls = [f"  - url: {server.url}/metrics" for server in servers]
    file = folder / "atlas-ops.yaml"
    file.write_text("\n".join(["exporter:", *[f"  {line}" for line in lines], "servers:", *urls, ""]))
    return str(file)
