"""Puts the parts together as real processes: simulator, exporter, Prometheus, Alertmanager, pager.

Called by `stage.demo` and by the end-to-end tests. Everything listens on free loopback ports; `Stack.stop` (or leaving
the `with` block) takes all of it down again.
"""

from __future__ import annotations

import dataclasses
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import yaml

from atlas_ops.catalog import build_catalog
from atlas_ops.prometheus import Prometheus
from atlas_ops.render import render
from atlas_ops.settings import Links, Server, Settings
from atlas_ops.stage.processes import Process, free_port, program


@dataclass(frozen=True, kw_only=True, slots=True)
class Slack:
    """Where the pager posts. Without one it shows its messages on the console page."""

    url: str
    token: str
    channel: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Addresses:
    """Where the parts of a running stack are."""

    exporter: str
    prometheus: str
    alertmanager: str
    pager: str


class Stack:
    """The whole way from a metrics page to a message, running in processes of its own."""

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        *,
        slack: Slack | None = None,
        servers: tuple[Server, ...] = (),
        simulated_gpus: str = "",
    ) -> None:
        host = "127.0.0.1"
        self.addresses = Addresses(
            exporter=f"http://{host}:{free_port()}",
            prometheus=f"http://{host}:{free_port()}",
            alertmanager=f"http://{host}:{free_port()}",
            pager=f"http://{host}:{free_port()}",
        )
        self.folder = folder
        self.settings = _placed(settings, self.addresses, servers)
        self.prometheus = Prometheus(self.addresses.prometheus)
        self._slack = slack
        self._simulated_gpus = simulated_gpus
        self._running = ExitStack()
        self.pager: Process | None = None

    def start(self) -> None:
        """Write the configuration and start every part; EnvironmentProblem when one does not come up."""
        self._running.callback(self.prometheus.close)
        try:
            self._write()
            self._start_exporter()
            self.start_pager()
            self._start_alertmanager()
            self._start_prometheus()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop everything that was started, in the opposite order."""
        self._running.close()

    def start_pager(self) -> Process:
        """Start the pager (again, after a test killed it)."""
        slack = self._slack
        arguments = ["--external-url", self.addresses.pager, "--database", str(self.folder / "pager.db")]
        arguments += ["--slack-api-url", slack.url, "--channel", slack.channel] if slack else []
        environment = {"SLACK_BOT_TOKEN": slack.token if slack else ""}
        self.pager = self._own("pager", self.addresses.pager, arguments, environment)
        self.pager.wait_until_ready(f"{self.addresses.pager}/-/healthy")
        return self.pager

    def _write(self) -> None:
        for path, text in render(build_catalog(self.settings.parameters), self.settings).items():
            target = self.folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        servers = [
            {key: value for key, value in dataclasses.asdict(server).items() if value}
            for server in self.settings.servers
        ]
        exporter = {
            "interval_seconds": self.settings.exporter.interval_seconds,
            "timeout_seconds": self.settings.exporter.timeout_seconds,
            "gpus": self.settings.exporter.gpus,
        }
        (self.folder / "atlas-ops.yaml").write_text(yaml.safe_dump({"exporter": exporter, "servers": servers}))

    def _start_exporter(self) -> None:
        arguments = ["--config", str(self.folder / "atlas-ops.yaml")]
        arguments += ["--simulated-gpus", self._simulated_gpus] if self._simulated_gpus else []
        exporter = self._own("exporter", self.addresses.exporter, arguments, {})
        exporter.wait_until_ready(f"{self.addresses.exporter}/-/ready")

    def _start_prometheus(self) -> None:
        listen = self.addresses.prometheus.removeprefix("http://")
        prometheus = self._process(
            "prometheus",
            [
                program("prometheus", "prometheus"),
                f"--config.file={self.folder / 'alerts' / 'prometheus.yml'}",
                f"--storage.tsdb.path={self.folder / 'prometheus'}",
                f"--web.listen-address={listen}",
                f"--web.external-url={self.addresses.prometheus}",
                # Alerts of the first seconds are lost: Prometheus finds its Alertmanager five seconds after the start.
                # The heartbeat would be sent again only after a minute.
                "--rules.alert.resend-delay=5s",
                "--log.level=warn",
            ],
        )
        prometheus.wait_until_ready(f"{self.addresses.prometheus}/-/ready")

    def _start_alertmanager(self) -> None:
        listen = self.addresses.alertmanager.removeprefix("http://")
        alertmanager = self._process(
            "alertmanager",
            [
                program("prometheus-alertmanager", "prometheus-alertmanager"),
                f"--config.file={self.folder / 'alerts' / 'alertmanager.yml'}",
                f"--storage.path={self.folder / 'alertmanager'}",
                f"--web.listen-address={listen}",
                f"--web.external-url={self.addresses.alertmanager}",
                "--cluster.listen-address=",
                "--log.level=warn",
            ],
        )
        alertmanager.wait_until_ready(f"{self.addresses.alertmanager}/-/ready")

    def _own(self, command: str, address: str, arguments: list[str], environment: dict[str, str]) -> Process:
        listen = ["--listen", address.removeprefix("http://")]
        return self._process(command, [sys.executable, "-m", "atlas_ops", command, *listen, *arguments], environment)

    def _process(self, name: str, command: list[str], environment: dict[str, str] | None = None) -> Process:
        log = self.folder / f"{name}.log"
        return self._running.enter_context(Process(name, command, log=log, environment=environment))

    def __enter__(self) -> Stack:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _placed(settings: Settings, addresses: Addresses, servers: tuple[Server, ...]) -> Settings:
    """Return the settings with the addresses of this stack, and an exporter as quick as its Prometheus."""
    scrape = settings.parameters.timing.scrape_seconds
    exporter = dataclasses.replace(
        settings.exporter,
        listen=addresses.exporter.removeprefix("http://"),
        interval_seconds=min(settings.exporter.interval_seconds, scrape),
    )
    links: Links = dataclasses.replace(settings.links, pager=addresses.pager, alertmanager=addresses.alertmanager)
    return dataclasses.replace(settings, exporter=exporter, links=links, servers=(*settings.servers, *servers))
