"""From model servers, named or found, to the collectors that measure and probe them.

Called by `cli.exporter_parts`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path

from atlas_ops.catalog import dialects
from atlas_ops.catalog.dialect import Dialect, Place
from atlas_ops.exporter.collector import Collector
from atlas_ops.exporter.identity import Identity, name_servers
from atlas_ops.exporter.lineup import Made, Plan
from atlas_ops.exporter.model_memory import ModelMemory
from atlas_ops.exporter.places import Places, base_url
from atlas_ops.exporter.probe.collector import ProbeCollector
from atlas_ops.exporter.server_collector import ServerCollector
from atlas_ops.file_stamp import stamp
from atlas_ops.settings import Exporter, Probe, Server


def plan_servers(
    servers: Sequence[Server], exporter: Exporter, host_name: str, gpus: Sequence[Hashable]
) -> Iterator[Plan]:
    """Yield the plans of these servers and of their probes; `gpus` are the keys of the collectors of GPUs."""
    spoken = dialects.load(exporter.dialects)
    files = tuple((path, stamp(path)) for path in dialects.own_files(exporter.dialects).values())
    for server, name in zip(servers, name_servers(servers), strict=True):
        identity = _identity(server, name, host_name)
        plan = _server(server, identity, exporter, spoken, (files, *gpus))
        yield plan
        for probe in server.probes:
            yield _probe(probe, server, identity, spoken, plan.key)


def _identity(server: Server, name: str, host_name: str) -> Identity:
    return Identity(
        server=name, host_name=host_name, namespace=server.namespace, pod=server.pod, container=server.container
    )


def _server(
    server: Server, identity: Identity, exporter: Exporter, spoken: Sequence[Dialect], depends: tuple[Hashable, ...]
) -> Plan:
    pace = (exporter.interval_seconds, exporter.timeout_seconds, exporter.max_page_bytes, exporter.max_models)

    def make(made: Made) -> ServerCollector:
        gpus = [made[key] for key in depends[1:]]
        memory = ModelMemory(gpus, identity, server.url, Path(exporter.host_root))
        return ServerCollector(server, identity, exporter, spoken, memory.bytes)

    def renew(collector: Collector) -> None:
        assert isinstance(collector, ServerCollector)
        collector.renew(server)

    # A container that was started anew is the same server: its restarts are counted, not its counts begun again. So is a
    # canary that has become the stable release. And a probe that is added or taken away begins nothing anew but itself.
    settings = dataclasses.replace(server, started_at=None, track="", release="", probes=())
    return Plan(key=("server", settings, identity, pace, depends), make=make, renew=renew)


def _probe(probe: Probe, server: Server, identity: Identity, spoken: Sequence[Dialect], watched: Hashable) -> Plan:
    dialect = next((one for one in spoken if one.runtime == server.runtime), None)
    known = Places(server, dialect).address(Place.API) if dialect else server.api_url
    api_url = known or base_url(server)

    def make(made: Made) -> ProbeCollector:
        collector = made[watched]
        assert isinstance(collector, ServerCollector)
        return ProbeCollector(probe, identity, api_url, lambda: collector.runtime)

    return Plan(key=("probe", probe, api_url, watched), make=make)
