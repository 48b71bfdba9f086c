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
from atlas_ops.pager.console import Console
from atlas_ops.pager.delivery import Delivery
from atlas_ops.pager.metrics import Metrics
from atlas_ops.pager.slack import Slack
from atlas_ops.pager.store import Store

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
        "--database", type=Path, default=Path("atlas-pager.db"), metavar="PATH", help="SQLite file (default: %(default)s)"
    )
    parser.add_argument("--channel", default="", metavar="NAME", help="the Slack channel to post to, by name or id")
    parser.add_argument("--slack-api-url", default=SLACK_API, metavar="URL", help="default: %(default)s")
    parser.add_argument(
        "--external-url", metavar="URL", help="the pager's address as readers reach it (default: links.pager, or --listen)"
    )
    parser.add_argument("--runbooks", type=Path, metavar="DIR", help="folder of runbooks (default: those of atlas-ops)")
    place.add_config(parser)


def run(args: argparse.Namespace) -> int:
    """Serve until a signal comes; see the exit codes in the help."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO, stream=sys.stderr)
    slack = _slack(args)
    external = _external(args)
    runbooks = place.existing(args.runbooks) if args.runbooks else shipped.folder("runbooks")
    with _listening(args.listen) as listener, contextlib.closing(Store(args.database)) as store:
        metrics = Metrics()
        delivery = Delivery(store, slack, Console(store, runbooks, external, None).message, metrics) if slack else None
        console = Console(store, runbooks, external, delivery)
        app = Pager(store=store, console=console, metrics=metrics, delivery=delivery).app()
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level=logging.ERROR,
            access_log=False,
            backlog=BACKLOG,
            lifespan="off",
            timeout_graceful_shutdown=int(STOP_SECONDS),
        )
        server = uvicorn.Server(config)
        # uvicorn raises the signal again after it has stopped: our handler then has nothing more to do, and we end with 0.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, frame: _stop(server, number, frame))
        if delivery:
            delivery.start()
        host, port = listener.getsockname()[:2]
        where = f"Slack: #{slack.channel}" if slack else "no token, messages are shown on the console"
        print(f"atlas-ops pager: http://{f'[{host}]' if ':' in host else host}:{port}/ ({where})", file=sys.stderr, flush=True)
        try:
            server.run(sockets=[listener])
        finally:
            if delivery:
                delivery.stop(STOP_SECONDS)
    return 0
