"""`atlas-ops drift accept`: takes the traffic since a time for what is usual from now on."""

from __future__ import annotations

import argparse
import itertools
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from atlas_ops.cli import drift_parts, machine, prometheus_parts
from atlas_ops.drift.printable import printable
from atlas_ops.errors import EnvironmentProblem, UsageError

if TYPE_CHECKING:
    from atlas_ops.drift.reference import Reference
    from atlas_ops.prometheus import Prometheus

_WINDOW_SECONDS = 300.0
_EPILOG = """\
For a drift that is wanted: a new client, a new use, a release. The level of the reference moves to what Prometheus has counted since
--since; the rhythm of the week, how far the traffic may wander and the limits stay those of the history, so a further change is found
again; where the new traffic itself moves more, it is granted that. What a short level does not know is added to the spread: the
longer the new traffic, the smaller the change that is found. Make a new reference with `drift fit` when there are weeks of it.

The file is rewritten, and what it was before is kept beside it as REFERENCE.bak; when that is there already, as REFERENCE.bak.2, .3 and so
on, so that the first one is never lost. To take an acceptance back, put the file of before it in its place.
`atlas-ops watch` sees the change by itself. Bins stay what they are, so servers need not be restarted; recording rules that compute PSI
go on comparing with what the servers have loaded. `drift check` knows the new level where it judges by the hour of the week.

examples:
  atlas-ops drift accept references/llama.json --prometheus http://prometheus:9090                 since the drift that is found began
  atlas-ops drift accept references/llama.json --prometheus http://prometheus:9090 --since 2026-11-20T08:00
  atlas-ops drift accept references/llama.json --prometheus http://prometheus:9090 --since 36h --output next.json

exit codes:
  0  the reference is written
  2  the command line, the file of --http-config or the reference is wrong, or there is too little traffic since then (how much is
     needed is said)
  4  numpy is not installed, the file cannot be written, or Prometheus does not answer
"""


def add(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action and its arguments."""
    parser = actions.add_parser(
        "accept",
        help="take a change for what is usual from now on",
        description="Move the level of a reference to the traffic since a time, and keep its spread and limits.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("reference", type=Path, metavar="REFERENCE", help="a file that `drift fit` wrote")
    prometheus_parts.add(parser)
    parser.add_argument(
        "--since",
        metavar="TIME",
        help="2026-11-20T08:00 (UTC), or 36h for 36 hours ago (default: when the drift that is found began)",
    )
    parser.add_argument("--until", metavar="TIME", help="likewise (default: now)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write there (default: to REFERENCE)")


def run(args: argparse.Namespace) -> int:
    """Accept; see the exit codes in the help."""
    machine.need("drift", "numpy")
    before = drift_parts.reference(args.reference)
    since = prometheus_parts.moment("--since", args.since) if args.since else None
    until = prometheus_parts.moment("--until", args.until or "0")
    from atlas_ops.drift import accept  # noqa: PLC0415 - numpy
    from atlas_ops.drift.prometheus_counts import counts  # noqa: PLC0415
    from atlas_ops.drift.server_bins import check_bins  # noqa: PLC0415

    with prometheus_parts.client(args) as client:
        check_bins(client, before.model, before.features, until)
        since = _began(client, before, until) if since is None else since
        windows = counts(client, before.model, before.features, since, until)
    after = accept.accept(before, windows)
    _write(args, after)
    print(printable(f"{args.output or args.reference}: {after.notes[-1]}"))
    for line in accept.told(before, after) or ["the level has hardly moved"]:
        print(f"  {printable(line)}")
    return 0


def _began(client: Prometheus, reference: Reference, until: float) -> float:
    """Return since when the drift lasts that is found at a time; UsageError when there is none."""
    from atlas_ops.watch.judge import judge  # noqa: PLC0415 - numpy
    from atlas_ops.watch.past import Past  # noqa: PLC0415

    end = until // _WINDOW_SECONDS * _WINDOW_SECONDS
    judgement = judge(reference, Past(client, reference.model, reference.features).until(end))
    since = min((one.since for one in judgement.drifted if one.since is not None), default=None)
    if since is None:
        raise UsageError(
            f"no drift of {reference.model!r} is found that could be accepted",
            next_step="say with --since from when on the traffic is as it shall be",
        )
    return since


def _free(path: Path) -> Path:
    """Return the first of PATH, PATH.2, PATH.3 ... that is not there."""
    numbered = (path.with_name(f"{path.name}.{number}") for number in itertools.count(2))
    return next(one for one in itertools.chain([path], numbered) if not one.exists())


def _write(args: argparse.Namespace, after: Reference) -> None:
    from atlas_ops.drift import reference  # noqa: PLC0415 - numpy

    path = args.output or args.reference
    try:
        if path.exists():
            shutil.copyfile(path, _free(path.with_name(f"{path.name}.bak")))
        reference.write(after, path)
    except OSError as error:
        raise EnvironmentProblem(f"{path} cannot be written: {error.strerror}", next_step="check the folder") from error
