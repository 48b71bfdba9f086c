"""Starts a real Alertmanager, and gives it alerts as Prometheus does. For the tests of silences."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import yaml

from atlas_ops.stage.processes import Process, free_port, program
from tests.loopback import serving

_SOON = {"group_wait": "0s", "group_interval": "1s", "repeat_interval": "1h"}


@contextmanager
def running(folder: Path, webhook: str = "") -> Iterator[str]:
    """Start an Alertmanager in a folder; it posts to `webhook`, if that is given. Returns its address."""
    address = f"http://127.0.0.1:{free_port()}"
    with alertmanager(folder, address, webhook):
        yield address


@contextmanager
def alertmanager(folder: Path, address: str, webhook: str = "") -> Iterator[Process]:
    """Start an Alertmanager at an address of which nothing makes use."""
    configs = [{"url": webhook, "send_resolved": True}] if webhook else []
    route = {"receiver": "atlas-pager", "group_by": ["alertname", "severity", "namespace", "model"], **_SOON}
    document = {"route": route, "receivers": [{"name": "atlas-pager", "webhook_configs": configs}]}
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(document))
    command = [
        program("prometheus-alertmanager", "prometheus-alertmanager"),
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address={address.removeprefix('http://')}",
        "--cluster.listen-address=",
        "--log.level=warn",
    ]
    with Process("alertmanager", command, log=folder / "alertmanager.log") as process:
        process.wait_until_ready(f"{address}/-/ready")
        yield process


def fire(address: str, *alerts: Mapping[str, str], starts: float | None = None, ends: float | None = None) -> None:
    """Give alerts to an Alertmanager; they began at `starts` or now, and are over at `ends`, or in five minutes unless told again."""
    told = {"startsAt": starts, "endsAt": ends}
    when = {name: datetime.fromtimestamp(at, UTC).isoformat() for name, at in told.items() if at is not None}
    body = [{"labels": dict(labels), "annotations": {"summary": "It is bad."}, **when} for labels in alerts]
    ask("POST", f"{address}/api/v2/alerts", body)


def ask(method: str, url: str, document: object = None) -> object:
    """Call the API by hand, as a person with `amtool` would."""
    body = None if document is None else json.dumps(document).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data=body, method=method, headers=headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        text = answer.read()
    return json.loads(text) if text else None


@contextmanager
def answering(body: bytes, status: int = 200) -> Iterator[str]:
    """Serve one answer to everything, as something does that is no Alertmanager."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
            pass

    with serving(Handler) as url:
        yield url
