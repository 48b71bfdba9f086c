"""`atlas-ops exporter`: measures GPUs and model servers and serves one page for Prometheus."""

from __future__ import annotations

import argparse
import logging
import os
import socket
import sys
from pathlib import Path

from atlas_ops import settings as settings_module
from atlas_ops.cli import exporter_settings, place
from atlas_ops.cli.exporter_parts import Machine
from atlas_ops.cli.exporter_reload import Asked, Reloader, Signals
from atlas_ops.exporter.service import Service
from atlas_ops.exporter.web.guard import Guard
from atlas_ops.file_stamp import FileWatch
from atlas_ops.settings import DEFAULT_EXPORTER

POLL_SECONDS = 1.0
"""Between two looks at the settings file, and at the servers that were found."""

_EPILOG = """\
examples:
  atlas-ops exporter --server http://127.0.0.1:8000                       one server; its runtime is recognised
  atlas-ops exporter --server http://127.0.0.1:8002=triton --server http://127.0.0.1:3000=bentoml
  atlas-ops exporter --config atlas-ops.yaml                              many servers, pods, tokens: see docs/settings.md
  atlas-ops exporter --listen 0.0.0.0:9464 --config atlas-ops.yaml        for a Prometheus on another machine

{runtimes}
An address without a path means the runtime's own path, mostly /metrics.
Flags win over the file: --server replaces its servers, --listen its address.

Servers that come and go: `discovery` in the settings file names files in the form of Prometheus's file_sd, or namespaces
of Kubernetes whose pods on this node are looked at. What appears is measured, and what is gone forgotten, within seconds.
exporters/deploy/README.md says how a pod is recognised, and which annotations have the last word.

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

pages: /metrics (text format, or OpenMetrics for whoever asks for it), /-/healthy (the process answers),
  /-/ready (every collector is up to date)

--web-config takes a file in the format of Prometheus's exporter-toolkit: TLS, client certificates, basic auth. It and
its certificates are read again when they change. Passwords hold for every page, /-/healthy too.

The settings file is read again when it changes, and at SIGHUP. What has not changed goes on; a file with mistakes
changes nothing, is logged, and sets atlas_exporter_reload_success to 0. A new `listen` needs a restart.

exit codes:
  0  stopped by Ctrl-C or SIGTERM
  2  the command line is wrong (every mistake is listed)
  3  the settings file, the web-config file, the recording, or a dialect, has mistakes (all of them are listed)
  4  the address is in use or cannot be listened on, the packages for otlp_endpoint are not installed, or there is no
     Kubernetes API to ask
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "exporter",
        help="measure GPUs and model servers, serve /metrics for Prometheus",
        description="Measure the GPUs of this machine and its model servers, and serve one page for Prometheus.",
        epilog=_EPILOG.format(runtimes=place.shipped_runtimes()),
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
        help="label host_name, and the node whose pods are discovered (default: $NODE_NAME, else the name of this machine)",
    )
    parser.add_argument(
        "--web-config",
        metavar="FILE",
        help="TLS and basic auth, in the format of Prometheus's exporter-toolkit (default: neither)",
    )
    parser.add_argument(
        "--compat", choices=("dcgm",), help="put the names of dcgm-exporter on the page as well (default: only our own)"
    )
    gpus = parser.add_mutually_exclusive_group()
    gpus.add_argument(
        "--gpu-replay",
        type=Path,
        metavar="FILE",
        help="serve the GPUs of a recording (atlas-ops gpu record) in place of this machine's",
    )
    # For the demo alone: its GPUs are simulated in another process, and it says so.
    gpus.add_argument("--simulated-gpus", default="", metavar="URL", help=argparse.SUPPRESS)
    place.add_dialects(parser)
    place.add_config(parser)


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    file = FileWatch(args.config)
    file.noted()
    settings = exporter_settings.read(args)
    machine = _machine(args)
    host, port = settings_module.address(settings.exporter.listen)
    web_config = settings.exporter.web_config_file
    guard = Guard(Path(web_config) if web_config else None)
    with Signals() as signals, Service(host, port, guard) as service:
        service.start()
        reloader = Reloader(service, machine, read=lambda: exporter_settings.read(args), stopping=signals.stopping)
        reloader.begin(settings)
        print(f"atlas-ops exporter: {service.url} (servers: {len(reloader.servers)})", file=sys.stderr, flush=True)
        while (asked := signals.wait(POLL_SECONDS)) is not Asked.STOP:
            if asked is Asked.RELOAD or file.changed():
                file.noted()
                reloader.reload()
            reloader.follow()
    return 0


def _machine(args: argparse.Namespace) -> Machine:
    return Machine(
        host_name=args.node or os.environ.get("NODE_NAME", "") or socket.gethostname(),
        nvml_library=_nvml_library(args),
        kubernetes_url=_kubernetes_url(),
    )


def _kubernetes_url() -> str:
    """Return the API server of the cluster, which Kubernetes tells every container; empty outside of one."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST", ""), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}" if host else ""


def _nvml_library(args: argparse.Namespace) -> object:
    """Return what stands in for the driver's library; None when the real one is to be used."""
    if args.gpu_replay:
        from atlas_ops.exporter.nvml.replay import ReplayLibrary  # noqa: PLC0415 - 1.4 MiB that only a replay needs

        return ReplayLibrary(args.gpu_replay)
    if args.simulated_gpus:
        from atlas_ops.simulator import nvml_library  # noqa: PLC0415 - 2.4 MiB that only the demo needs

        return nvml_library(args.simulated_gpus)
    return None
