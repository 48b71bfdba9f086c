"""A real Prometheus whose alerts fire when a test says so, and that tells an Alertmanager. For `test_missed`."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from atlas_ops.prometheus import Prometheus
from atlas_ops.stage.processes import Process, free_port, program
from tests.pager.rig import eventually

LABELS = {"severity": "page", "namespace": "prod", "pod": "llama-0"}


@dataclass
class Ruling:
    """Where both are. `fire` decides what fires."""

    prometheus: str
    alertmanager: str
    folder: Path
    known: set[str] = field(default_factory=set)
    """All alerts that there ever were."""

    def write(self, firing: set[str]) -> None:
        """Write the rules."""
        self.known |= firing
        rules = [
            {"alert": name, "expr": "vector(1)" if name in firing else "vector(0) == 1", "labels": LABELS}
            for name in sorted(self.known)
        ]
        groups = {"groups": [{"name": "test", "rules": rules}]} if rules else {}
        (self.folder / "rules.yml").write_text(yaml.safe_dump(groups))

    def fire(self, *names: str) -> None:
        """Let these fire and no others; wait until they do."""
        self.write(set(names))
        request = urllib.request.Request(f"{self.prometheus}/-/reload", method="POST")
        urllib.request.urlopen(request, timeout=10).close()
        assert eventually(lambda: self.firing() == set(names))

    def firing(self) -> set[str]:
        """What fires now."""
        client = Prometheus(self.prometheus)
        try:
            return {alert.name for alert in client.alerts() if alert.state == "firing"}
        finally:
            client.close()


@contextmanager
def ruling(folder: Path) -> Iterator[Ruling]:
    """Start a Prometheus in a folder, which evaluates every second; the Alertmanager is the test's to start."""
    made = Ruling(
        prometheus=f"http://127.0.0.1:{free_port()}",
        alertmanager=f"http://127.0.0.1:{free_port()}",
        folder=folder,
    )
    made.write(set())
    targets = [made.alertmanager.removeprefix("http://")]
    document = {
        "global": {"evaluation_interval": "1s"},
        "rule_files": [str(folder / "rules.yml")],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": targets}]}]},
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(document))
    command = [
        program("prometheus", "prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address={made.prometheus.removeprefix('http://')}",
        "--web.enable-lifecycle",
        "--rules.alert.resend-delay=1s",
        "--log.level=warn",
    ]
    with Process("prometheus", command, log=folder / "prometheus.log") as process:
        process.wait_until_ready(f"{made.prometheus}/-/ready")
        yield made
