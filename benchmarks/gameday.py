"""Plays every scenario live, on the real exporter, Prometheus, Alertmanager and pager, and prints how each went.

    python benchmarks/gameday.py --jobs 4 --only capacity

A fault passes when its alert came and was resolved, anything else when no message came. `others` are the alerts that fired
besides the expected one and its companions. Scenarios that take longer than --longest, and faults whose rule looks back on
days, are left out and named.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from atlas_ops import settings
from atlas_ops.catalog import build_catalog
from atlas_ops.errors import AtlasError
from atlas_ops.simulator import SCENARIOS, Scenario, scenario_by_name
from atlas_ops.stage.demo import Pace, running
from atlas_ops.stage.observer import Step

LOOK_ALIKES = "look_alikes"


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """How one scenario went."""

    scenario: str
    passed: bool
    seconds: float
    verdict: str
    others: tuple[str, ...]


def play(name: str, log: Path) -> Row:
    """Play one scenario in a folder of its own."""
    scenario, began = scenario_by_name(name), time.monotonic()
    expected = {scenario.expected_fault or "", *scenario.companions}
    try:
        with (
            tempfile.TemporaryDirectory(prefix="atlas-ops-gameday-") as folder,
            log.open("w") as timeline,
            running(Path(folder), scenario, tell=lambda step: print(_line(step), file=timeline, flush=True)) as demo,
        ):
            result = demo.run()
            passed, verdict, others = result.passed, result.verdict, tuple(sorted(demo.observer.fired - expected))
    except AtlasError as error:
        passed, verdict, others = False, str(error), ()
    return Row(scenario=name, passed=passed, seconds=time.monotonic() - began, verdict=verdict, others=others)


def main() -> int:
    """Play what was asked for; 1 when anything did not pass."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="scenarios at a time (%(default)s)")
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="a scenario, a family, or look_alikes"
    )
    parser.add_argument("--longest", type=float, default=600.0, metavar="S", help="of one scenario (%(default)s)")
    parser.add_argument("--logs", type=Path, default=Path("build/gameday"), help="timelines (%(default)s)")
    args = parser.parse_args()
    args.logs.mkdir(parents=True, exist_ok=True)
    chosen = [scenario for scenario in SCENARIOS if not args.only or {scenario.name, family(scenario)} & set(args.only)]
    short = [scenario for scenario in chosen if not _reason_against(scenario, args.longest)]
    rows = []
    with ProcessPoolExecutor(args.jobs) as pool:
        for done in as_completed(pool.submit(play, one.name, args.logs / f"{one.name}.txt") for one in short):
            rows.append(done.result())
            print(_told(rows[-1]), flush=True)
    for scenario in chosen:
        if scenario not in short:
            print(f"{scenario.name:24} left out: {_reason_against(scenario, args.longest)}")
    print(f"{sum(row.passed for row in rows)} of {len(rows)} passed; timelines in {args.logs}")
    return 0 if all(row.passed for row in rows) else 1


def family(scenario: Scenario) -> str:
    """Return the family of the fault that a scenario raises."""
    families = {fault.name: fault.family.value for fault in build_catalog().faults}
    return families.get(scenario.expected_fault or "", LOOK_ALIKES)


def _reason_against(scenario: Scenario, longest: float) -> str:
    """Return why a scenario is not played; empty when it is."""
    if scenario.expected_fault and scenario.history_days:
        return f"its rule looks back on {scenario.history_days:g} days, which nobody plays live"
    return f"takes {_seconds(scenario) / 60:.0f} minutes" if _seconds(scenario) > longest else ""


def _seconds(scenario: Scenario) -> float:
    pace = Pace.of(scenario, settings.demo())
    return pace.calm + pace.active


def _line(step: Step) -> str:
    return f"{step.seconds:7.1f} s  {step.text}"


def _told(row: Row) -> str:
    others = f"  others: {', '.join(row.others)}" if row.others else ""
    verdict = row.verdict.splitlines()[0]
    return f"{row.scenario:24} {'passed' if row.passed else 'FAILED'} {row.seconds:5.0f} s  {verdict}{others}"


if __name__ == "__main__":
    sys.exit(main())
