"""Which model servers are measured: those that are named, and those that are found.

Read by `settings`; `Server` is also what `exporter.discovery` makes of the servers that it finds.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass

from atlas_ops.catalog import conventions as c
from atlas_ops.document import Section
from atlas_ops.settings.addresses import read_base_url, read_url, shown

PROBE_APIS = ("openai", "openai-chat", "v2", "torchserve", "tfserving", "bentoml")
"""How a black-box request is written: OpenAI completions and chat, KServe's V2 protocol (Triton, MLServer, OpenVINO),
and the APIs of single runtimes."""

_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""A label of DNS (RFC 1123), as Kubernetes asks of the name of a namespace."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """A small request, sent now and then as a user would send it. Opt-in: it costs the server work."""

    model: str
    """Name of the model, as the server knows it."""
    api: str = "openai"
    """One of PROBE_APIS."""
    path: str = ""
    """Where the request goes; empty: the path of the API."""
    body_file: str = ""
    """What is sent, JSON except for TorchServe; empty: a few tokens are asked for (OpenAI's APIs), what the model's own
    metadata say (v2, tfserving), or nothing at all: `{}`."""
    interval_seconds: float = 60.0
    timeout_seconds: float = 30.0
    """Whole time for the whole answer; a probe that takes longer has failed."""
    bearer_token_file: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """One model server to scrape."""

    url: str
    """Address of its metrics page; without a path, the dialect's own path is used."""
    runtime: str = ""
    """Runtime id of a dialect; empty: recognised from the scraped names."""
    version: str = ""
    """Version of the runtime, where the page does not tell it; empty: inferred from the page."""
    model: str = ""
    """Name of the model on a page that names none; empty: what an endpoint of the runtime says."""
    api_url: str = ""
    """Where requests go, when that is not the address of the metrics; empty: the runtime's own port, where the metrics are
    at the runtime's own port as well."""
    management_url: str = ""
    """The same for the runtime's management API (TorchServe)."""
    namespace: str = ""
    pod: str = ""
    container: str = ""
    track: str = c.STABLE
    """One of conventions.TRACKS: a canary is compared with the stable servers of its model."""
    release: str = ""
    """What it runs, as people call it, such as `v2`; an alert about a canary names it."""
    bearer_token_file: str = ""
    """Holds the token that is sent to the addresses above, and to no other: redirects are not followed."""
    probes: tuple[Probe, ...] = ()
    started_at: float | None = None
    """Unix time at which its container started; known of servers that Kubernetes told us of."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KubernetesDiscovery:
    """Finds the pods of this node that are model servers."""

    namespaces: tuple[str, ...]
    """Only these are asked for: permission is needed in each of them, and nowhere else."""
    label_selector: str = ""
    """Only pods that match it, such as `app.kubernetes.io/part-of=serving`; empty: all that look like a model server."""
    api_url: str = ""
    """The API server, such as http://127.0.0.1:8001 for `kubectl proxy`; empty: that of the cluster in which the exporter
    runs, with the account of its pod, which is shown to no other."""
    bearer_token_file: str = ""
    ca_file: str = ""
    """Who signed the certificate of the API server, as PEM; empty with an `api_url`: an authority that the machine trusts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Discovery:
    """Where servers are found that nobody named."""

    files: tuple[str, ...] = ()
    """Files in the form of Prometheus's file_sd (JSON or YAML); `*` in the last part of a path stands for any text."""
    kubernetes: KubernetesDiscovery | None = None


def read_servers(root: Section, runtimes: Sequence[str]) -> tuple[Server, ...]:
    """Read the list under `servers`; `runtimes` are the ids of the dialects that there are."""
    servers: dict[str, Server] = {}
    for section in root.sections("servers"):
        server = _read_server(section, runtimes)
        if server.url and server.url in servers:
            section.mistake("url", f"{shown(server.url)} is given twice; all of it would be counted twice")
        servers[server.url] = server
    return tuple(servers.values())


def _read_server(section: Section, runtimes: Sequence[str]) -> Server:
    server = dataclasses.replace(
        read_description(section, runtimes),
        url=read_url(section, "url", required=True),
        probes=_probes(section),
    )
    section.finish()
    return server


def read_description(section: Section, runtimes: Sequence[str]) -> Server:
    """Read all of a server but its own address and its probes; a file of discovery names many servers alike."""
    return Server(
        url="",
        runtime=section.string("runtime", choices=runtimes),
        version=section.string("version"),
        model=section.string("model"),
        api_url=read_base_url(section, "api_url"),
        management_url=read_base_url(section, "management_url"),
        namespace=section.string("namespace"),
        pod=section.string("pod"),
        container=section.string("container"),
        track=section.string("track", c.STABLE, choices=c.TRACKS),
        release=section.string("release"),
        bearer_token_file=section.string("bearer_token_file"),
    )


def read_discovery(section: Section) -> Discovery:
    """Read how servers are found."""
    kubernetes = section.section("kubernetes") if section.has("kubernetes") else None
    discovery = Discovery(
        files=section.strings("files"), kubernetes=None if kubernetes is None else _kubernetes(kubernetes)
    )
    for pattern in discovery.files:
        if not pattern or "*" in pattern.rpartition("/")[0]:
            section.mistake("files", f"expected the path of a file, with `*` in its last part alone, found {pattern!r}")
    _refuse_doubles(section, "files", discovery.files)
    section.finish()
    return discovery


def _kubernetes(section: Section) -> KubernetesDiscovery:
    found = KubernetesDiscovery(
        namespaces=section.strings("namespaces"),
        label_selector=section.string("label_selector"),
        api_url=read_base_url(section, "api_url"),
        bearer_token_file=section.string("bearer_token_file"),
        ca_file=section.string("ca_file"),
    )
    section.finish()
    if not found.namespaces:
        section.mistake("namespaces", "is missing; name the namespaces of your model servers")
    for name in found.namespaces:
        if not _NAMESPACE.fullmatch(name):
            section.mistake("namespaces", f"expected names of namespaces (a-z, 0-9 and -, at most 63), found {name!r}")
    _refuse_doubles(section, "namespaces", found.namespaces)
    return found


def _refuse_doubles(section: Section, key: str, values: Sequence[str]) -> None:
    for value in dict.fromkeys(values):
        if values.count(value) > 1:
            section.mistake(key, f"{value} is given twice")


def _probes(section: Section) -> tuple[Probe, ...]:
    probes = tuple(_probe(part) for part in section.sections("probes"))
    for probe in {one for one in probes if sum((one.model, one.api) == (two.model, two.api) for two in probes) > 1}:
        section.mistake("probes", f"two probes of {probe.model!r} by {probe.api}, which nothing could tell apart")
    return probes


def _probe(section: Section) -> Probe:
    default = Probe(model="")
    probe = Probe(
        model=section.string("model", required=True),
        api=section.string("api", default.api, choices=PROBE_APIS),
        path=section.string("path"),
        body_file=section.string("body_file"),
        interval_seconds=section.number("interval_seconds", default.interval_seconds, above=0.99, below=86_400),
        timeout_seconds=section.number("timeout_seconds", default.timeout_seconds, above=0, below=3600),
        bearer_token_file=section.string("bearer_token_file"),
    )
    section.finish()
    if probe.path and not probe.path.startswith("/"):
        section.mistake("path", f"expected a path from the root of the server, such as /{probe.path}")
    if probe.api == "bentoml" and not probe.path:
        section.mistake("path", "is missing; BentoML's endpoints are named after the methods of your service")
    return probe
