"""`atlas-ops pager`: turns Alertmanager's webhooks into Slack messages and incident pages."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
from pathlib import Path

from atlas_ops.cli import listening, pager_console, pager_parts, pager_slack, place
from atlas_ops.cli.pager_logins import Logins
from atlas_ops.cli.pager_slack import APP_TOKEN, SIGNING_SECRET, SLACK_API, TOKEN
from atlas_ops.pager.store import address
from atlas_ops.pager.store.store import Store
from atlas_ops.postgresql import PASSWORD
from atlas_ops.settings import DEFAULT_PAGER

_EPILOG = f"""\
Slack: create an app with the bot scopes chat:write, channels:read and channels:history (groups:read and groups:history
for a private channel), install it, invite it to the channel, and put its bot token into {TOKEN}. channels:read and
channels:history let a pager that was killed see whether Slack has a message already; without them it may come twice.
Without a token the same messages are shown on the pager's own pages. With the scope files:write, and atlas-ops[charts]
installed, a message gets a chart.

Buttons (acknowledge, silence, escalate): turn Socket Mode and interactivity on in the app, and put an app-level token with
the scope connections:write into {APP_TOKEN}: no public address is needed. Or put the app's signing secret into
{SIGNING_SECRET} and make EXTERNAL-URL/slack/interactions its Request URL. Silences are made in Alertmanager
(links.alertmanager). Without either, messages lead to the pager's own page instead.

On call: the section `pager` of the settings (--config; docs/pager.md, section On call) says who is told of a page that nobody
acknowledges, by which schedule people hand over (`atlas-ops oncall` shows it), and who gets e-mail or a webhook while Slack
is down. When Alertmanager's heartbeat does not come, or Prometheus or Alertmanager does not answer, the pager pages itself.

Logins: prometheus.http_config_file and alertmanager.http_config_file of the settings say how the pager logs in at
links.prometheus and links.alertmanager (docs/settings.md, section Prometheus behind a login).

Database: a file is for one pager. Two or more pagers share a PostgreSQL server (pip install 'atlas-ops[postgres]'): each
incident is delivered by one of them, by another when that one dies. The password is taken from {PASSWORD}; a socket
is named by ?host=/var/run/postgresql, TLS by ?sslmode=verify-full&sslrootcert=FILE.

examples:
  atlas-ops pager                                             pages at http://{DEFAULT_PAGER}/, no Slack
  {TOKEN}=xoxb-... atlas-ops pager --channel ml-oncall --external-url https://pager.example.org

exit codes:
  0  stopped by SIGTERM or Ctrl-C
  2  the command line is wrong, {TOKEN} is set and --channel is not, or --listen opens the pages to other machines and
     nobody would have to log in (pager.console in the settings, --public-console)
  3  the settings file, one that says how to log in, or a schedule has mistakes (all of them are listed)
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
    parser.add_argument("--listen", default=DEFAULT_PAGER, metavar="HOST:PORT", help="default: %(default)s")
    parser.add_argument(
        "--database",
        default="atlas-pager.db",
        metavar="PATH|URL",
        help="SQLite file, or postgresql://USER@HOST/NAME for pagers that share the work (default: %(default)s)",
    )
    parser.add_argument("--channel", default="", metavar="NAME", help="the Slack channel to post to, by name or id")
    parser.add_argument("--slack-api-url", default=SLACK_API, metavar="URL", help="default: %(default)s")
    parser.add_argument(
        "--external-url",
        metavar="URL",
        help="the pager's address as readers reach it (default: links.pager, or --listen)",
    )
    parser.add_argument("--runbooks", type=Path, metavar="DIR", help="folder of runbooks (default: those of atlas-ops)")
    pager_console.add(parser)
    place.add_config(parser)


def run(args: argparse.Namespace) -> int:
    """Serve until a signal comes; see the exit codes in the help."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO, stream=sys.stderr)
    settings = place.read_config(args)
    slack, external = pager_slack.slack_of(args, settings), pager_parts.external(args, settings)
    ways_in, logins = pager_console.ways_in(args, settings), Logins.read(settings)
    database = address.read(args.database, os.environ)
    with listening.listening(args.listen) as listener, contextlib.closing(Store(database)) as store:
        here = listening.address(listener)
        gate = ways_in.gate(external or here)
        parts = pager_parts.build(args, settings, logins, store, slack, external or here, gate)
        server = listening.server(parts.pager.app())
        with parts.working():
            where = f"Slack: #{slack.channel}" if slack else "no token, messages are shown on the console"
            print(f"atlas-ops pager: {here}/ ({where})", file=sys.stderr, flush=True)
            server.run(sockets=[listener])
    return 0
