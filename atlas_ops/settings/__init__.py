"""The user's `atlas-ops.yaml`, read once at the edge into one frozen record.

Called by `atlas_ops.cli`. Every mistake of the file is reported together, with its line. No secret is ever in this
file: a token is the path of a file that holds it. Servers, objectives and others have modules of their own beside this one.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

from atlas_ops.catalog.dialects import runtime_ids
from atlas_ops.catalog.limits import LimitInfo, Limits
from atlas_ops.catalog.parameters import Drift, Parameters, Timing
from atlas_ops.document import Document, Section
from atlas_ops.settings.addresses import (
    DEFAULT_EXPORTER,
    DEFAULT_PAGER,
    DEFAULT_WATCH,
    address,
    read_address,
    read_base_url,
    url_problem,
)
from atlas_ops.settings.alertmanager import Alertmanager, read_alertmanager
from atlas_ops.settings.native import Native, read_native
from atlas_ops.settings.objectives import named_models, read_bounds, read_objectives
from atlas_ops.settings.pager import Pager, read_pager
from atlas_ops.settings.servers import (
    Discovery,
    KubernetesDiscovery,
    Probe,
    Server,
    read_discovery,
    read_servers,
)

__all__ = [
    "DEFAULT_EXPORTER",
    "DEFAULT_PAGER",
    "DEFAULT_WATCH",
    "Alertmanager",
    "Discovery",
    "Exporter",
    "KubernetesDiscovery",
    "Links",
    "Native",
    "Pager",
    "Probe",
    "Prometheus",
    "Server",
    "Settings",
    "address",
    "demo",
    "parse",
    "read",
    "url_problem",
]

PROFILES = {
    "standard": Timing(),
    "demo": Timing(scrape_seconds=1.0, evaluation_seconds=1.0, scale=0.05),
}
"""`demo` shortens every window to a twentieth, so that a fault can be watched from injection to resolve in a minute.
It is for trying things out: with windows this short, ordinary bursts page."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Exporter:
    """How the exporter collects."""

    listen: str = DEFAULT_EXPORTER
    interval_seconds: float = 5.0
    """Time between two collections of a source. Below Prometheus's 15 s, so that no scrape repeats old data."""
    timeout_seconds: float = 4.0
    """A server that has not answered to the end by then counts as hung. Whole time, not time between bytes."""
    max_page_bytes: int = 8 * 1024 * 1024
    """A larger page is refused: real ones are below 2 MB."""
    max_models: int = 64
    """Distinct model names per server; further ones are counted together as `other`."""
    dialects: str = ""
    """A folder of the user's own dialects; one with the name of a shipped one takes its place. Empty: none."""
    gpus: bool = True
    """Whether to look for GPUs."""
    expected_gpus: int | None = None
    """How many GPUs the node should have; None: what the device plugin offered, when that is known."""
    gpu_samples_per_second: float = 10.0
    """How often throttle reasons are sampled. At 10, every throttle of 200 ms or more is seen."""
    host_root: str = "/"
    """Where the host's /proc, /sys and /var/log lie; another folder in a container that has them mounted there."""
    pod_resources_socket: str = "/var/lib/kubelet/pod-resources/kubelet.sock"
    """The kubelet's socket that tells which pod has which GPU; nothing is asked where there is no such file."""
    web_config_file: str = ""
    """TLS and basic auth, in the format of Prometheus's exporter-toolkit; empty: neither."""
    compat: str = ""
    """`dcgm`: the names of dcgm-exporter stand on the page as well."""
    otlp_endpoint: str = ""
    """Where signals of GPUs are pushed by OTLP over HTTP, such as http://127.0.0.1:4318; empty: nowhere."""
    otlp_interval_seconds: float = 15.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Links:
    """Where the links of a page lead."""

    grafana: str = "http://127.0.0.1:3000"
    alertmanager: str = "http://127.0.0.1:9093"
    prometheus: str = "http://127.0.0.1:9090"
    """As Grafana reaches it: its data source is printed with it."""
    pager: str = f"http://{DEFAULT_PAGER}"
    """Public address of the pager: runbooks and incidents live there, and Alertmanager posts to its /webhook."""
    runbooks: str = ""
    """Where the site that `atlas-ops runbooks build` writes is; empty: runbooks are read on the pager's pages."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Prometheus:
    """How Prometheus is asked."""

    http_config_file: str = ""
    """Says how to log in at `links.prometheus`, in the format of Prometheus's own `http_config` (`atlas_ops.http_config`)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Everything that a user can set."""

    exporter: Exporter = field(default_factory=Exporter)
    servers: tuple[Server, ...] = ()
    discovery: Discovery = field(default_factory=Discovery)
    native: tuple[Native, ...] = ()
    parameters: Parameters = field(default_factory=Parameters)
    links: Links = field(default_factory=Links)
    prometheus: Prometheus = field(default_factory=Prometheus)
    alertmanager: Alertmanager = field(default_factory=Alertmanager)
    pager: Pager = field(default_factory=Pager)


def read(path: Path, dialects: str = "") -> Settings:
    """Read a settings file; ConfigError with every mistake in it. `dialects` wins over `exporter.dialects`."""
    return _settings(Document.read(path), dialects)


def parse(text: str, file: str = "atlas-ops.yaml", dialects: str = "") -> Settings:
    """Read settings from text; ConfigError with every mistake in it."""
    return _settings(Document(text, file), dialects)


def demo() -> Settings:
    """Return the settings of the demo profile."""
    return parse("profile: demo", "demo profile")


def _settings(document: Document, dialects: str) -> Settings:
    root = document.root
    profile = root.string("profile", "standard", choices=tuple(PROFILES))
    exporter = _exporter(root.section("exporter"), dialects)
    runtimes = runtime_ids(exporter.dialects)
    servers = read_servers(root, runtimes)
    discovery, native = read_discovery(root.section("discovery")), read_native(root, runtimes)
    models = named_models(servers, others=bool(native or discovery.files or discovery.kubernetes))
    bounds = read_bounds(root, runtimes)
    settings = Settings(
        exporter=exporter,
        servers=servers,
        discovery=discovery,
        native=native,
        parameters=Parameters(
            exporters=bool(not native or exporter.gpus or servers or discovery.files or discovery.kubernetes),
            limits=_limits(root.section("limits")),
            objectives=read_objectives(root, models, bounds),
            bounds=bounds,
            drift=_drift(root.section("drift")),
            timing=_timing(root.section("timing"), PROFILES[profile]),
        ),
        links=_links(root.section("links")),
        prometheus=_prometheus(root.section("prometheus")),
        alertmanager=read_alertmanager(root.section("alertmanager")),
        pager=read_pager(root.section("pager")),
    )
    root.finish()
    document.close(next_step="mend these lines; docs/settings.md lists every key")
    return settings


def _exporter(section: Section, dialects: str) -> Exporter:
    default = Exporter()
    expected = section.integer("expected_gpus", -1, above=-1, below=1024)
    exporter = Exporter(
        listen=read_address(section, "listen", default.listen),
        interval_seconds=section.number("interval_seconds", default.interval_seconds, above=0, below=3600),
        timeout_seconds=section.number("timeout_seconds", default.timeout_seconds, above=0, below=600),
        max_page_bytes=section.integer("max_page_bytes", default.max_page_bytes, above=1023, below=1 << 30),
        max_models=section.integer("max_models", default.max_models, above=0, below=100_000),
        dialects=dialects or section.string("dialects", default.dialects),
        gpus=section.flag("gpus", default.gpus),
        expected_gpus=None if expected < 0 else expected,
        gpu_samples_per_second=section.number(
            "gpu_samples_per_second", default.gpu_samples_per_second, above=0.99, below=101
        ),
        host_root=section.string("host_root", default.host_root),
        pod_resources_socket=section.string("pod_resources_socket", default.pod_resources_socket),
        web_config_file=section.string("web_config_file", default.web_config_file),
        compat=section.string("compat", default.compat, choices=("dcgm",)),
        otlp_endpoint=read_base_url(section, "otlp_endpoint", default.otlp_endpoint),
        otlp_interval_seconds=section.number(
            "otlp_interval_seconds", default.otlp_interval_seconds, above=0.99, below=3600
        ),
    )
    section.finish()
    return exporter


def _limits(section: Section) -> Limits:
    values: dict[str, float] = {}
    for entry in dataclasses.fields(Limits):
        info: LimitInfo = entry.metadata["limit"]
        values[entry.name] = section.number(entry.name, float(entry.default), above=info.above, below=info.below)  # type: ignore[arg-type]
    section.finish()
    return Limits(**values)


def _drift(section: Section) -> Drift:
    default = Drift()
    drift = Drift(page=section.flag("page", default.page), promql=section.flag("promql", default.promql))
    section.finish()
    return drift


def _timing(section: Section, default: Timing) -> Timing:
    # A scale of 4/3 would stretch the longest `for`, three minutes, to the four after which Alertmanager resolves.
    timing = Timing(
        scrape_seconds=section.number("scrape_seconds", default.scrape_seconds, above=0.01, below=300),
        evaluation_seconds=section.number("evaluation_seconds", default.evaluation_seconds, above=0.01, below=300),
        scale=section.number("scale", default.scale, above=0, below=4 / 3),
    )
    section.finish()
    return timing


def _prometheus(section: Section) -> Prometheus:
    prometheus = Prometheus(http_config_file=section.string("http_config_file"))
    section.finish()
    return prometheus


def _links(section: Section) -> Links:
    default = Links()
    links = Links(
        grafana=read_base_url(section, "grafana", default.grafana),
        alertmanager=read_base_url(section, "alertmanager", default.alertmanager),
        prometheus=read_base_url(section, "prometheus", default.prometheus),
        pager=read_base_url(section, "pager", default.pager),
        runbooks=read_base_url(section, "runbooks", default.runbooks),
    )
    section.finish()
    return links
