"""`atlas-ops oncall`: who is on call now, and the next hand-overs."""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from atlas_ops.cli import place
from atlas_ops.errors import UsageError
from atlas_ops.pager.oncall import schedule
from atlas_ops.pager.oncall.plan import Plan
from atlas_ops.pager.oncall.schedule import Schedule

_EPILOG = """\
A schedule is a YAML file:

  time_zone: Europe/Berlin
  rotations:                       # each counts from its first hand-over until that of the next one
    - people: [ann, bob]           # names of pager.targets
      starts: 2026-11-23           # the first hand-over, to the first of them
      handover: 09:00              # on the clock on the wall, in summer and in winter
      every: week                  # or day
  overrides:                       # optional: somebody stands in
    - {from: 2026-12-24 09:00, to: 2026-12-27 09:00, who: bob}

examples:
  atlas-ops oncall --schedule primary.yaml
  atlas-ops oncall --config atlas-ops.yaml --at '2026-12-24 22:00'

exit codes:
  0  printed
  2  the command line is wrong
  3  the settings file or a schedule has mistakes (all of them are listed)
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "oncall",
        help="say who is on call, and when they hand over",
        description="Print who is on call, and the next hand-overs, of one schedule or of all that the settings name.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--schedule", type=Path, metavar="FILE", help="one schedule (default: those of the settings)")
    parser.add_argument("--at", default="", metavar="TIME", help="such as '2026-12-24 22:00', local (default: now)")
    parser.add_argument("--turns", type=int, default=5, metavar="N", help="how many to print (default: %(default)s)")
    place.add_config(parser)


def run(args: argparse.Namespace) -> int:
    """Print the turns; see the exit codes in the help."""
    if not 0 < args.turns <= 1000:
        raise UsageError("--turns: expected a number from 1 to 1000", next_step="leave it out for 5")
    for name, found in _schedules(args).items():
        print(f"{name} ({found.zone.key})")
        for line in _lines(found, _moment(args.at, found.zone), args.turns):
            print(f"  {line}")
    return 0


def _schedules(args: argparse.Namespace) -> Mapping[str, Schedule]:
    if args.schedule:
        return {str(args.schedule): schedule.read(args.schedule)}
    found = Plan(place.read_config(args).pager).schedules
    if not found:
        raise UsageError(
            "there is no schedule", next_step="name one with --schedule, or settings that do with --config"
        )
    return found


def _moment(text: str, zone: ZoneInfo) -> float:
    found = schedule.moment(text, zone) if text else time.time()
    if found is None:
        raise UsageError(
            f"--at: expected a time such as '2026-12-24 22:00', found {text!r}", next_step="leave it out for now"
        )
    return found


def _lines(found: Schedule, moment: float, count: int) -> Iterator[str]:
    for number, turn in enumerate(itertools.islice(found.turns(moment), count)):
        until = datetime.fromtimestamp(turn.until, found.zone).strftime("%a %Y-%m-%d %H:%M %Z")
        stands_in = ", standing in" if turn.override else ""
        yield f"{'then' if number else 'now '}  {turn.who:<20} until {until}{stands_in}"
