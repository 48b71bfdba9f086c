"""`atlas-ops exporter`: measures GPUs and model servers and serves one page for Prometheus."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence

from atlas_ops import settings as settings_module
from atlas_ops.catalog.dialects import runtime_ids, shipped_dialects
from atlas_ops.cli import place
from atlas_ops.errors import UsageError
from atlas_ops.exporter.collector import Collector
from atlas_ops.exporter.gpu.collector import GpuCollector
from atlas_ops.exporter.identity import Identity, name_servers
from atlas_ops.exporter.nvml.binding import Nvml
from atlas_ops.exporter.server_collector import ServerCollector
from atlas_ops.exporter.service import Service
from atlas_ops.settings import DEFAULT_EXPORTER, Server, Settings, url_problem
from atlas_ops.simulator import nvml_library

FIRST_ROUND_MARGIN_SECONDS = 0.5
"""The first page waits for the first round, which a hung server stretches to the whole timeout, and this much more."""

_EPILOG = """\
examples:
  atlas-ops exporter --server http://127.0.0.1:8000                       one server; its runtime is recognised
  atlas-ops exporter --server http://127.0.0.1:8002=triton --server http://127.0.0.1:3000=bentoml
  atlas-ops exporter --config atlas-ops.yaml                              many servers, pods, tokens: see README.md
  atlas-ops exporter --listen 0.0.0.0:9464 --config atlas-ops.yaml        for a Prometheus on another machine

Runtimes: {runtimes}. An address without a path means the runtime's own path, mostly /metrics.
Flags win over the file: --server replaces its servers, --listen its address.

Each server has a state on the page, atlas_server_scrape_state:
  ok            the page was read and translated
  starting      refused, or 503, by a server that has never answered, for the first ten minutes
  empty         a page without metrics of the runtime: they may be switched off
  unauthorized  401 or 403, or the file of the token is refused
  disabled      404, 405 or 501: there is no metrics page
  unreachable   no connection, or another 5xx
  unparsable    an answer that is no metrics page, or not a whole one, or larger than max_page_bytes
  timeout       no whole answer within timeout_seconds
In every state but ok its other samples are gone: old data is never served as new.

pages: /metrics, /-/healthy (the process answers), /-/ready (every collector is up to date)

exit codes:
  0  stopped by Ctrl-C or SIGTERM
  2  the command line is wrong (every mistake is listed)
  3  the settings file, or a dialect, has mistakes (all of them are listed)
  4  the address is in use or cannot be listened on
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "exporter",
        help="measure GPUs and model servers, serve /metrics for Prometheus",
        description="Measure the GPUs of this machine and its model servers, and serve one page for Prometheus.",
        epilog=_EPILOG.format(runtimes=", ".join(runtime_ids())),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--listen",
        metavar="HOST:PORT",
        help=f"where to serve the page; port 0 takes a free one (default: {DEFAULT_EXPORTER})",
    )
    parser.add_argument(
        "--server",
        action="append",
        default=[],
        metavar="URL[=RUNTIME]",
        help="a model server; may be given again (default: none)",
    )
    parser.add_argument(
        "--node",
        default="",
        metavar="NAME",
        help="label host_name (default: $NODE_NAME, else the name of this machine)",
    )
    # For the demo alone: its GPUs are simulated in another process, and it says so.
    parser.add_argument("--simulated-gpus", default="", metavar="URL", help=argparse.SUPPRESS)
    place.add_config(parser)


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM."""
    settings = _settings(args)
    host, port = settings_module.address(settings.exporter.listen)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    host_name = args.node or os.environ.get("NODE_NAME", "") or socket.gethostname()
    collectors = build_collectors(settings, _gpu_collector(args, settings, host_name), host_name)
    with Service(host, port, collectors) as service:
        service.start(settings.exporter.timeout_seconds + FIRST_ROUND_MARGIN_SECONDS, stop)
        print(f"atlas-ops exporter: {service.url} ({len(settings.servers)} servers)", file=sys.stderr, flush=True)
        stop.wait()
    return 0


def build_collectors(settings: Settings, gpu_collector: Collector | None, host_name: str) -> tuple[Collector, ...]:
    """Return the GPU collector, when there is one, and a collector for each server."""
    servers = tuple(
        ServerCollector(
            server,
            Identity(
                server=name,
                host_name=host_name,
                namespace=server.namespace,
                pod=server.pod,
                container=server.container,
            ),
            settings.exporter,
            shipped_dialects(),
        )
        for server, name in zip(settings.servers, name_servers(settings.servers), strict=True)
    )
    return (*((gpu_collector,) if gpu_collector else ()), *servers)


def _gpu_collector(args: argparse.Namespace, settings: Settings, host_name: str) -> GpuCollector | None:
    if not settings.exporter.gpus:
        return None
    library = nvml_library(args.simulated_gpus) if args.simulated_gpus else None
    return GpuCollector(Nvml(library), host_name=host_name, expected=settings.exporter.expected_gpus)


def servers_from_flags(flags: Sequence[str]) -> tuple[Server, ...]:
    """Read `URL[=RUNTIME]` texts; UsageError with every mistake in them."""
    servers, mistakes = _servers(flags)
    _refuse(mistakes)
    return servers


def _settings(args: argparse.Namespace) -> Settings:
    """Return the settings of the file with the flags over them; UsageError with every mistake of the flags."""
    servers, mistakes = _servers(args.server)
    if args.listen is not None:
        try:
            settings_module.address(args.listen)
        except UsageError as error:
            mistakes.insert(0, f"--listen: {error.message}")
    _refuse(mistakes)
    settings = place.read_config(args)
    _refuse([f"the settings file: {problem}" for problem in _doubled(settings.servers)] if not servers else [])
    listen = args.listen if args.listen is not None else settings.exporter.listen
    exporter = dataclasses.replace(settings.exporter, listen=listen)
    return dataclasses.replace(settings, exporter=exporter, servers=servers or settings.servers)


def _servers(flags: Sequence[str]) -> tuple[tuple[Server, ...], list[str]]:
    servers: list[Server] = []
    mistakes: list[str] = []
    for flag in flags:
        url, runtime = _split(flag)
        address, equals, unknown = url.partition("?")[0].rpartition("=")
        problem = url_problem(address if equals else url)
        if not problem and equals:
            problem = f"unknown runtime {unknown!r}; known ones: {', '.join(runtime_ids())}"
        if problem:
            mistakes.append(f"--server: {problem}")
        else:
            servers.append(Server(url=url, runtime=runtime))
    mistakes += [f"--server: {problem}" for problem in _doubled(servers)]
    return tuple(servers), mistakes


def _split(flag: str) -> tuple[str, str]:
    """Split at the last `=` when a runtime follows; a query string may hold others."""
    url, _, runtime = flag.rpartition("=")
    return (url, runtime) if url and runtime in runtime_ids() else (flag, "")


def _doubled(servers: Sequence[Server]) -> list[str]:
    urls = [server.url for server in servers]
    return [f"{url} is given twice" for url in dict.fromkeys(urls) if urls.count(url) > 1]


def _refuse(mistakes: Sequence[str]) -> None:
    if mistakes:
        told = mistakes[0] if len(mistakes) == 1 else "\n  ".join((f"{len(mistakes)} mistakes", *mistakes))
        raise UsageError(told, next_step="see `atlas-ops exporter --help` for the form of each flag")
