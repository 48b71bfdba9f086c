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
from typing import Any

import yaml

from atlas_ops.catalog import build_catalog
from atlas_ops.prometheus import Prometheus
from atlas_ops.render import render
from atlas_ops.settings import Alertmanager, Links, Server, Settings
from atlas_ops.stage.processes import Process, free_port, program

_WEBHOOK_FILE = "slack-webhook-url"


@dataclass(frozen=True, kw_only=True, slots=True)
class Slack:
    """Where the pager posts. Without one it shows its messages on the console page."""

    url: str
    token: str
    channel: str
    webhook_url: str = ""
    """Address of an incoming webhook, to which Alertmanager posts while the pager does not deliver; empty: nowhere."""


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
        simulator: str = "",
    ) -> None:
        """Prepare a stack in `folder`. `simulator`: control address of a fleet whose GPUs and canonical samples count."""
        host = "127.0.0.1"
        self.addresses = Addresses(
            exporter=f"http://{host}:{free_port()}",
            prometheus=f"http://{host}:{free_port()}",
            alertmanager=f"http://{host}:{free_port()}",
            pager=f"http://{host}:{free_port()}",
        )
        self.folder = folder
        self.settings = _placed(settings, self.addresses, servers)
        if slack and slack.webhook_url:
            way_round = Alertmanager(slack_api_url_file=str(folder / _WEBHOOK_FILE))
            self.settings = dataclasses.replace(self.settings, alertmanager=way_round)
        self.prometheus = Prometheus(self.addresses.prometheus)
        self._slack = slack
        self._simulator = simulator
        self._running = ExitStack()
        self.processes: dict[str, Process] = {}
        """What runs, by name. To start one again that was stopped or killed, there is a method for each."""

    def start(self) -> None:
        """Write the configuration and start every part; EnvironmentProblem when one does not come up."""
        self._running.callback(self.prometheus.close)
        try:
            self._write()
            self.start_exporter()
            self.start_pager()
            self.start_alertmanager()
            self.start_prometheus()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop everything that was started, in the opposite order."""
        self._running.close()

    def start_pager(self) -> None:
        """Start the pager and wait until it answers."""
        slack = self._slack
        arguments = ["--external-url", self.addresses.pager, "--database", str(self.folder / "pager.db")]
        arguments += ["--slack-api-url", slack.url, "--channel", slack.channel] if slack else []
        environment = {"SLACK_BOT_TOKEN": slack.token if slack else ""}
        pager = self._own("pager", self.addresses.pager, arguments, environment)
        pager.wait_until_ready(f"{self.addresses.pager}/-/healthy")

    def start_exporter(self) -> None:
        """Start the exporter and wait until it answers."""
        arguments = ["--config", str(self.folder / "atlas-ops.yaml")]
        arguments += ["--simulated-gpus", self._simulator] if self._simulator else []
        exporter = self._own("exporter", self.addresses.exporter, arguments, {})
        exporter.wait_until_ready(f"{self.addresses.exporter}/-/ready")

    def start_prometheus(self) -> None:
        """Start Prometheus and wait until it answers."""
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

    def start_alertmanager(self) -> None:
        """Start Alertmanager and wait until it answers."""
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

    def _write(self) -> None:
        for path, text in render(build_catalog(self.settings.parameters), self.settings).items():
            target = self.folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        if self._slack and self._slack.webhook_url:
            (self.folder / _WEBHOOK_FILE).write_text(self._slack.webhook_url)
        (self.folder / "atlas-ops.yaml").write_text(_exporter_settings(self.settings))
        if self._simulator:
            configuration = self.folder / "alerts" / "prometheus.yml"
            configuration.write_text(_with_simulator(configuration.read_text(), self._simulator))

    def _own(self, command: str, address: str, arguments: list[str], environment: dict[str, str]) -> Process:
        listen = ["--listen", address.removeprefix("http://")]
        return self._process(command, [sys.executable, "-m", "atlas_ops", command, *listen, *arguments], environment)

    def _process(self, name: str, command: list[str], environment: dict[str, str] | None = None) -> Process:
        log = self.folder / f"{name}.log"
        self.processes[name] = self._running.enter_context(Process(name, command, log=log, environment=environment))
        return self.processes[name]

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


def _exporter_settings(settings: Settings) -> str:
    """Return the file that tells the exporter what these settings say of it and of its servers."""
    exporter = {
        "interval_seconds": settings.exporter.interval_seconds,
        "timeout_seconds": settings.exporter.timeout_seconds,
        "gpus": settings.exporter.gpus,
        "host_root": settings.exporter.host_root,
    }
    if settings.exporter.expected_gpus is not None:
        exporter["expected_gpus"] = settings.exporter.expected_gpus
    servers = [_filled(dataclasses.asdict(server)) for server in settings.servers]
    discovery = {"files": list(settings.discovery.files)}
    return yaml.safe_dump({"exporter": exporter, "servers": servers, "discovery": discovery})


def _filled(record: dict[str, Any]) -> dict[str, Any]:
    """Return what a record says, without what it leaves empty."""
    lists = {key: [_filled(part) for part in value] for key, value in record.items() if isinstance(value, tuple)}
    return {key: value for key, value in {**record, **lists}.items() if value}


def _with_simulator(configuration: str, control: str) -> str:
    """Return Prometheus's configuration with the simulator as one more target; its samples carry labels of their own."""
    document = yaml.safe_load(configuration)
    document["scrape_configs"].append(
        {
            "job_name": "simulator",
            "honor_labels": True,
            "metrics_path": "/outside",
            "static_configs": [{"targets": [control.removeprefix("http://")]}],
        }
    )
    return str(yaml.safe_dump(document))
