"""`atlas-ops watch`: judges what servers count by references, every five minutes, and publishes drift as signals."""

from __future__ import annotations

import argparse
import logging
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from atlas_ops.cli import listening, machine, prometheus_parts
from atlas_ops.errors import EnvironmentProblem, UsageError
from atlas_ops.settings import DEFAULT_WATCH

if TYPE_CHECKING:
    from atlas_ops.watch.page import Page
    from atlas_ops.watch.watcher import Watcher

_log = logging.getLogger(__name__)
_STEP = 300.0
_LEAST_INTERVAL, _MOST_INTERVAL = 10.0, 3600.0
_LEAST_PAUSE = 1.0
_EPILOG = """\
REFERENCES is a folder of references (`atlas-ops drift fit`), one JSON file for each model; a file that changes is read again, and while
it cannot be read, the reference that it held before goes on. What the servers count is read from Prometheus: features counted by them
(docs/drift.md, Counting features in your server), and what the runtimes of LLM servers count: lengths of prompts and answers, and
why answers end. The counts of the last eight days are read once, then the newest alone; nothing else is kept, so a watcher that is
started again says what the one before it would have said.

Detectors, each a value of the label `detector`: `seasonal` and `slow` are calibrated on two weeks of history or more; before, `cold` (PSI
of a day, less what chance gives, against 0.25) sees great shifts. atlas_drift_score is the score as a share of its limit, 1 and above is
drift; it ends below 0.7. What cannot be told, for want of requests or of scrapes, has no series. Times without scrapes are no drift, and a
horizon of an hour, six or a day is judged when 80 % of it were seen.

pages: /metrics, /-/healthy (the process answers), /-/ready (the first round is over)

examples:
  atlas-ops watch references/ --prometheus http://prometheus:9090 --once               a table, and an exit code
  atlas-ops watch references/ --prometheus http://prometheus:9090 --once --at 2026-11-20T08:00
  atlas-ops watch references/ --prometheus http://prometheus:9090 --listen 0.0.0.0:9467     scrape it as the job atlas-watch
  atlas-ops watch references/ --prometheus https://metrics.example.org/prometheus --http-config login.yml

exit codes:
  0  stopped by SIGTERM or Ctrl-C; with --once: no drift
  1  with --once: drift
  2  the command line, or the file of --http-config, is wrong
  3  with --once: it cannot be told of all models and features; what is missing is said
  4  numpy is not installed, the folder cannot be read, the address is in use, or (with --once) Prometheus does not answer or
     refuses the login
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "watch",
        help="find drift live, in what servers count, and publish it for Prometheus",
        description="Judge what Prometheus counts of each model by its reference, every five minutes, and publish what is found.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("references", type=Path, metavar="REFERENCES", help="a folder of references")
    prometheus_parts.add(parser)
    parser.add_argument("--listen", default=DEFAULT_WATCH, metavar="HOST:PORT", help="default: %(default)s")
    parser.add_argument("--once", action="store_true", help="judge once, print a table, and end")
    parser.add_argument(
        "--at", metavar="TIME", help="with --once: judge as of then: 2026-11-20T08:00 (UTC), or 6h for six hours ago"
    )
    parser.add_argument(
        "--interval",
        type=float,
        default=_STEP,
        metavar="SECONDS",
        help="between two rounds (default: 300, as long as a window)",
    )


def run(args: argparse.Namespace) -> int:
    """Watch; see the exit codes in the help."""
    machine.need("drift", "numpy")
    if not _LEAST_INTERVAL <= args.interval <= _MOST_INTERVAL:
        raise UsageError(
            f"--interval: expected {_LEAST_INTERVAL:.0f} to {_MOST_INTERVAL:.0f} seconds, found {args.interval:g}",
            next_step="windows are five minutes long: more often finds nothing sooner",
        )
    if args.at and not args.once:
        raise UsageError("--at needs --once", next_step="leave one of them out, or give both")
    from atlas_ops.watch.watcher import Watcher  # noqa: PLC0415 - numpy

    at = prometheus_parts.moment("--at", args.at) if args.at else None
    with prometheus_parts.client(args) as client:
        watcher = Watcher(args.references, client, clock=(lambda: at) if at is not None else None)
        return _once(watcher) if args.once else _serve(args, watcher)


def _once(watcher: Watcher) -> int:
    from atlas_ops.watch import report  # noqa: PLC0415 - numpy

    logging.disable(logging.CRITICAL)  # the table says it
    found = watcher.round(most_seconds=_MOST_INTERVAL)
    logging.disable(logging.NOTSET)
    if found.problem:
        raise EnvironmentProblem(
            found.problem, next_step="check that it is there, and answers; --http-config says how to log in"
        )
    if not found.outcomes:
        raise UsageError(
            "there is no reference (*.json) in the folder", next_step="make one with `atlas-ops drift fit`"
        )
    print(report.text(found), end="")
    return int(report.standing(found).value)


def _serve(args: argparse.Namespace, watcher: Watcher) -> int:
    from atlas_ops.watch.page import Page  # noqa: PLC0415 - numpy

    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO, stream=sys.stderr)
    stopping, page = threading.Event(), Page()
    with listening.listening(args.listen) as listener:
        server = listening.server(page.app())
        rounds = threading.Thread(target=_rounds, args=(watcher, page, args.interval, stopping), daemon=True)
        rounds.start()
        print(f"atlas-ops watch: {listening.address(listener)}/metrics", file=sys.stderr, flush=True)
        server.run(sockets=[listener])
        stopping.set()
        rounds.join(timeout=listening.STOP_SECONDS)
    return 0


def _rounds(watcher: Watcher, page: Page, interval: float, stopping: threading.Event) -> None:
    """Go round until asked to stop."""
    while not stopping.is_set():
        began = time.monotonic()
        try:
            page.show(watcher.round(most_seconds=interval))
        except Exception:  # noqa: BLE001 - without a next round nothing would be found any more, and the process would look well
            _log.exception("the round failed")
            page.failed()
        stopping.wait(max(_LEAST_PAUSE, interval - (time.monotonic() - began)))
