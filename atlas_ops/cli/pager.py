"""`atlas-ops pager`: turns Alertmanager's webhooks into Slack messages and incident pages."""

from __future__ import annotations

import argparse
import contextlib
import errno
import logging
import os
import re
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import uvicorn

from atlas_ops import settings, shipped
from atlas_ops.cli import place
from atlas_ops.errors import EnvironmentProblem, UsageError
from atlas_ops.pager.app import Pager
from atlas_ops.pager.composer import Composer
from atlas_ops.pager.console.pages import Console
from atlas_ops.pager.delivery.worker import Delivery
from atlas_ops.pager.metrics import Metrics
from atlas_ops.pager.slack.client import Slack
from atlas_ops.pager.store.store import Store

TOKEN = "SLACK_BOT_TOKEN"  # noqa: S105 - the name of the variable, not its value
SLACK_API = "https://slack.com/api/"
BACKLOG = 4096
"""Connections that may wait: a storm was measured to open thousands within two seconds."""
STOP_SECONDS = 3.0

_EPILOG = f"""\
Slack: create an app with the bot scopes chat:write, channels:read and channels:history (groups:read and groups:history
for a private channel), install it, invite it to the channel, and put its bot token into {TOKEN}. channels:read and
channels:history let a pager that was killed see whether Slack has a message already; without them it may come twice.
Without a token the same messages are shown on the pager's own pages.

examples:
  atlas-ops pager                                             pages at http://{settings.DEFAULT_PAGER}/, no Slack
  {TOKEN}=xoxb-... atlas-ops pager --channel ml-oncall --external-url https://pager.example.org

exit codes:
  0  stopped by SIGTERM or Ctrl-C
  2  the command line is wrong, or {TOKEN} is set and --channel is not
  3  the settings file has mistakes (all of them are listed)
  4  the port is in use, or the database cannot be used
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "pager",
        help="turn Alertmanager's webhooks into Slack pages with a filled-in runbook",
        description="Receive Alertmanager's webhooks, keep incidents, post them to Slack, serve their pages and runbooks.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--listen", default=settings.DEFAULT_PAGER, metavar="HOST:PORT", help="default: %(default)s")
    parser.add_argument(
        "--database",
        type=Path,
        default=Path("atlas-pager.db"),
        metavar="PATH",
        help="SQLite file (default: %(default)s)",
    )
    parser.add_argument("--channel", default="", metavar="NAME", help="the Slack channel to post to, by name or id")
    parser.add_argument("--slack-api-url", default=SLACK_API, metavar="URL", help="default: %(default)s")
    parser.add_argument(
        "--external-url",
        metavar="URL",
        help="the pager's address as readers reach it (default: links.pager, or --listen)",
    )
    parser.add_argument("--runbooks", type=Path, metavar="DIR", help="folder of runbooks (default: those of atlas-ops)")
    place.add_config(parser)


def run(args: argparse.Namespace) -> int:
    """Serve until a signal comes; see the exit codes in the help."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO, stream=sys.stderr)
    slack = _slack(args)
    external = _external(args)
    runbooks = place.existing(args.runbooks) if args.runbooks else shipped.folder("runbooks")
    with _listening(args.listen) as listener, contextlib.closing(Store(args.database)) as store:
        composer = Composer(runbooks=runbooks, pager_url=external or _address(listener))
        metrics = Metrics()
        metrics.heartbeat(store.inbox.heartbeat())
        delivery = Delivery(store, slack, composer, metrics) if slack else None
        pager = Pager(store=store, console=Console(store, composer, delivery), metrics=metrics, delivery=delivery)
        server = _server(pager)
        if delivery:
            delivery.start()
        where = f"Slack: #{slack.channel}" if slack else "no token, messages are shown on the console"
        print(f"atlas-ops pager: {_address(listener)}/ ({where})", file=sys.stderr, flush=True)
        try:
            server.run(sockets=[listener])
        finally:
            if delivery:
                delivery.stop(STOP_SECONDS)
    return 0


def _server(pager: Pager) -> uvicorn.Server:
    """Return the web server, which SIGTERM and Ctrl-C stop cleanly."""
    server = uvicorn.Server(
        uvicorn.Config(
            pager.app(),
            log_config=None,
            log_level=logging.ERROR,
            access_log=False,
            backlog=BACKLOG,
            lifespan="off",
            timeout_graceful_shutdown=int(STOP_SECONDS),
        )
    )

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        server.should_exit = True

    # uvicorn takes these signals while it runs, and raises them again afterwards: then ours lets us end with 0.
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    return server


def _slack(args: argparse.Namespace) -> Slack | None:
    token = os.environ.get(TOKEN, "").strip()
    problem = settings.url_problem(args.slack_api_url)
    if problem:
        raise UsageError(f"--slack-api-url: {problem}", next_step=f"leave it out for {SLACK_API}")
    if not token:
        return None
    if not re.fullmatch(r"[!-~]+", token):
        raise UsageError(f"{TOKEN} holds characters that no token has", next_step="copy the bot token (xoxb-...) again")
    channel = str(args.channel).strip().lstrip("#")
    if not channel:
        raise UsageError(f"{TOKEN} is set, but no channel is named", next_step="add --channel NAME, or unset the token")
    return Slack(token=token, url=args.slack_api_url, channel=channel)


def _external(args: argparse.Namespace) -> str:
    """Return the public address, empty when none is set."""
    configured = place.read_config(args).links.pager if args.config else ""
    external = str(args.external_url or configured).rstrip("/")
    problem = settings.url_problem(external) if external else ""
    if problem:
        raise UsageError(f"--external-url: {problem}", next_step="give the address that readers of a message can open")
    return external


@contextlib.contextmanager
def _listening(listen: str) -> Iterator[socket.socket]:
    """Take the port before anything else is started; EnvironmentProblem when that cannot be."""
    host, port = settings.address(listen)
    try:
        family, kind, protocol, _, target = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise EnvironmentProblem(
            f"{host} is no address of this machine: {error}", next_step="check --listen"
        ) from error
    with socket.socket(family, kind, protocol) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(target)
            listener.listen(BACKLOG)
        except OSError as error:
            reason = (
                "is in use by another program"
                if error.errno == errno.EADDRINUSE
                else f"cannot be used: {error.strerror}"
            )
            raise EnvironmentProblem(
                f"{listen} {reason}", next_step="stop that program, or give another --listen"
            ) from error
        yield listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
