"""`atlas-ops drift`: what a model's data is like when all is well, and whether live data is still like it."""

from __future__ import annotations

import argparse
import importlib

from atlas_ops.drift.printable import printable
from atlas_ops.errors import DataError

ACTIONS = ("fit", "show", "check", "accept", "labels")

_EPILOG = """\
Each of them explains itself: atlas-ops drift ACTION --help

examples:
  atlas-ops drift fit march/ --model fraud --output fraud.json
  atlas-ops drift show fraud.json
  atlas-ops drift check fraud.json yesterday.parquet
  atlas-ops drift accept references/fraud.json --prometheus http://prometheus:9090 --since 2026-11-20T08:00
  atlas-ops drift labels predictions/ labels.csv --key request_id --prediction class --label truth --time at --baseline 97%

exit codes:
  0  done; no drift, no worse
  1  drift; worse
  2  the command line or the data is wrong
  3  it cannot be told (too little data or too few labels; how much is needed is said)
  4  something is not installed, or a file cannot be written
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its actions."""
    parser = commands.add_parser(
        "drift",
        help="make a reference of a model's data, and compare live data with it",
        description="Find out whether live data is still like the data that a model was made for.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name in ACTIONS:
        importlib.import_module(f"atlas_ops.cli.drift_{name}").add(actions)


def run(args: argparse.Namespace) -> int:
    """Do what was asked for. What is wrong with data is told in one line, whatever its columns are called."""
    try:
        return int(importlib.import_module(f"atlas_ops.cli.drift_{args.action}").run(args))
    except DataError as error:
        raise DataError(printable(error.message), next_step=printable(error.next_step)) from error
