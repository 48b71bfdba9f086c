"""A real Prometheus that scrapes pages as if they were servers, and evaluates what native mode renders for them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from atlas_ops.catalog import build_catalog
from atlas_ops.catalog.parameters import Parameters, Timing
from atlas_ops.prometheus import Prometheus
from atlas_ops.render import native
from atlas_ops.render.native.rule import TARGET
from atlas_ops.settings import Native, Settings
from atlas_ops.stage.processes import Process, free_port, get, program

_OPENMETRICS = "application/openmetrics-text; version=1.0.0"
BEAT_SECONDS = 5
"""Between two scrapes, and between two evaluations."""
PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class Target:
    """A page that is scraped."""

    instance: str
    job: str
    text: str
    labels: Mapping[str, str] = field(default_factory=dict)


class _Pages(BaseHTTPRequestHandler):
    pages: Mapping[str, bytes]

    def do_GET(self) -> None:
        body = self.pages.get(self.path)
        self.send_response(200 if body is not None else 404)
        self.send_header(
            "Content-Type", _OPENMETRICS if (body or b"").endswith(b"# EOF\n") else "text/plain; version=0.0.4"
        )
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def prometheus(folder: Path, natives: Sequence[Native], targets: Sequence[Target]) -> Iterator[Prometheus]:
    """Run Prometheus until every group has been evaluated with every target scraped."""
    handler = type("Pages", (_Pages,), {"pages": {f"/{one.instance}": one.text.encode() for one in targets}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        _write(folder, natives, targets, server.server_address[1])
        listen = f"127.0.0.1:{free_port()}"
        command = [
            program("prometheus", "prometheus"),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={listen}",
            "--log.level=warn",
        ]
        with Process("prometheus", command, log=folder / "prometheus.log") as process:
            process.wait_until_ready(f"http://{listen}/-/ready")
            client = Prometheus(f"http://{listen}", timeout_seconds=PATIENCE_SECONDS)
            try:
                _await(client, len(targets))
                yield client
            finally:
                client.close()
    finally:
        server.shutdown()
        server.server_close()


def _write(folder: Path, natives: Sequence[Native], targets: Sequence[Target], port: int) -> None:
    settings = Settings(native=tuple(natives), parameters=Parameters(timing=Timing(evaluation_seconds=BEAT_SECONDS)))
    for path, text in native.render(build_catalog(), settings).items():
        (folder / Path(path).name).write_text(text)
    jobs = [
        {
            "job_name": job,
            "static_configs": [
                {
                    "targets": [f"127.0.0.1:{port}"],
                    "labels": {"instance": one.instance, "__metrics_path__": f"/{one.instance}", **one.labels},
                }
                for one in targets
                if one.job == job
            ],
        }
        for job in dict.fromkeys(one.job for one in targets)
    ]
    times = {
        "scrape_interval": f"{BEAT_SECONDS}s",
        "scrape_timeout": f"{BEAT_SECONDS}s",
        "evaluation_interval": f"{BEAT_SECONDS}s",
    }
    configuration = {"global": times, "rule_files": ["*.yaml"], "scrape_configs": jobs}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))


def _await(client: Prometheus, targets: int) -> None:
    """Return when every rule has been evaluated after every target was scraped, and no scrape was late for it."""
    _until(lambda: len(client.query("up")) == targets, "not every target was scraped")
    _until(lambda: _evaluated(client, targets), "a scrape fails")
    rules = [rule for group in _groups(client) for rule in group["rules"]]
    wrong = "\n".join(f"{rule['name']}: {rule['lastError']}" for rule in rules if rule.get("lastError"))
    assert not wrong, wrong


def _evaluated(client: Prometheus, targets: int) -> bool:
    begin = client.query("vector(time())")[0].value
    _until(lambda: len(client.query(f"timestamp({TARGET}) > {begin}")) == targets, "not every evaluation has begun")
    _until(lambda: all(_begun(group) > begin for group in _groups(client)), "not every evaluation has ended")
    lately = int(client.query("vector(time())")[0].value - begin) + 2 * BEAT_SECONDS
    return len(client.query(f"min_over_time(up[{lately}s]) == 1")) == targets


def _until(done: Callable[[], bool], complaint: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not done():
        assert time.monotonic() < deadline, complaint
        time.sleep(0.2)


def _groups(client: Prometheus) -> list[dict[str, Any]]:
    return list(json.loads(get(f"{client.url}/api/v1/rules", timeout=PATIENCE_SECONDS)[1])["data"]["groups"])


def _begun(group: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(group["lastEvaluation"]).timestamp()
