"""`atlas-ops preview`: the dashboards in a browser, without a Grafana."""

from __future__ import annotations

import argparse
import contextlib
import signal
import time
from pathlib import Path
from types import FrameType

from atlas_ops.catalog import build_catalog
from atlas_ops.cli import place, prometheus_parts
from atlas_ops.errors import EnvironmentProblem
from atlas_ops.render import dashboards
from atlas_ops.stage.preview import PAGE, Preview, built_page

DEFAULT_PROMETHEUS = "http://127.0.0.1:9090"
_EPILOG = f"""\
The page is made of Grafana's own packages, and its panels are drawn by Grafana's own components where these are published.
What it cannot show is named in the panel. It is built from preview/ of a checkout by `make preview`, which needs
npm, into {PAGE}. Queries are passed on to Prometheus; nothing else is, and only this machine is answered.

examples:
  atlas-ops preview                                          of the Prometheus on this machine
  atlas-ops preview --prometheus http://prometheus:9090      of another one
  atlas-ops preview --config atlas-ops.yaml                  with your limits, for your runtimes

exit codes:
  0  stopped by Ctrl-C or SIGTERM
  2  the command line, or the file with the login, is wrong
  3  the settings file has mistakes (all of them are listed)
  4  the page is not built, or the port is in use
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "preview",
        help="show the dashboards in a browser, without a Grafana",
        description="Show the dashboards in a browser, without a Grafana.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    prometheus_parts.add(parser, "where the data is (default: %(default)s)", required=False, default=DEFAULT_PROMETHEUS)
    parser.add_argument(
        "--page",
        type=Path,
        metavar="DIR",
        help=f"the built page (default: {PAGE} of the checkout that this is run from)",
    )
    parser.add_argument(
        "--port", type=int, default=3001, metavar="N", help="on loopback; 0: any free one (%(default)s)"
    )
    place.add_config(parser)


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM."""
    settings = place.read_config(args)
    address, login = prometheus_parts.address(args), prometheus_parts.login(args, settings)
    texts = dashboards.render(build_catalog(settings.parameters), settings)
    signal.signal(signal.SIGTERM, _interrupt)
    with Preview(texts, settings, page=_page(args), prometheus=address, http_config=login, port=args.port) as preview:
        print(f"preview of the dashboards: {preview.url}   (Prometheus: {address}; Ctrl-C stops it)", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(3600)
    return 0


def _page(args: argparse.Namespace) -> Path:
    page: Path | None = args.page or built_page()
    if page is None or not (page / "index.html").is_file():
        raise EnvironmentProblem(
            f"the page of the preview is not built: no {page or PAGE}/index.html", next_step="run `make preview`"
        )
    return page


def _interrupt(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise KeyboardInterrupt
