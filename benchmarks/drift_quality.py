"""How often drift detectors are wrong, and how soon they see a change: ours beside others, on the same traffic, in one run.

    .venv/bin/python -m benchmarks.drift_quality --traces FOLDER --peer river=PYTHON --peer alibi-detect=PYTHON

Each world is learned and then watched for `--days` without any change: every alarm is a false one. Then each change begins at noon of the
third day after the history, and the time until the alarm is told. An alarm that lasts over windows in a row is one; a change is seen when an
alarm comes within two days after a day without any: one alarm among many tells nobody anything. The worlds are simulated (`drift_worlds`), and made of an hour of real traffic
(`drift_traces`). Other projects' detectors run in environments of their own (`drift_peers`), on fewer days, and see at most 60 rows of
each five minutes; what is not given or does not run is left out and named. `--quick` takes two minutes and proves nothing.
"""

from __future__ import annotations

import argparse
import sys
import time as clock
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atlas_ops.detect.features import Feature
from atlas_ops.detect.windows import Windows
from benchmarks import drift_as_they_are as as_they_are
from benchmarks.drift_methods import alarms, checked
from benchmarks.drift_peers import PROGRAMS, Peer, asked
from benchmarks.drift_traces import Switch, Trace, read, replayed
from benchmarks.drift_worlds import A_DAY, CHANGES, FEATURES, WORLDS, Change, World, traffic

Floats = NDArray[np.float64]
HISTORIES = (28, 56)
_AFTER, _BEGINS, _HOURS_SEEN = 5, round(2.5 * A_DAY), 48
"""Days after the history in which a change happens, the window of them in which it begins, and how long it may take."""
_CHANGED_WORLD = WORLDS[3]
_TRACE_RATE = 1.0
_PEERS: dict[str, Peer] = {}


@dataclass(frozen=True, kw_only=True, slots=True)
class Play:
    """One world, and what changes in it: nothing, or one thing."""

    title: str
    source: World | Trace
    seed: int
    change: Change | Switch | None = None

    @property
    def features(self) -> Sequence[Feature]:
        """What is counted of it."""
        return self.source.features if isinstance(self.source, Trace) else FEATURES

    def windows(self, days: int, begins: int) -> Windows:
        """Return its traffic; the change begins at a window."""
        if isinstance(self.source, Trace):
            switch = self.change if isinstance(self.change, Switch) else None
            return replayed(self.source, _TRACE_RATE, days, self.seed, switch, begins)
        change = self.change if isinstance(self.change, Change) else Change(name="none")
        return traffic(self.source, days, self.seed, change, begins if self.change else 1 << 60)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What came of a play: {method: value}."""

    monthly: dict[str, float] = field(default_factory=dict)
    """False alarms a month."""
    lasting: dict[str, float] = field(default_factory=dict)
    """Share of the time in alarm."""
    hours: dict[str, float] = field(default_factory=dict)
    """Until the change was seen."""
    wrong_checks: dict[str, float] = field(default_factory=dict)
    """Share of checks of a day that said drift."""


def quiet(play: Play, days: int, peer_days: int) -> Outcome:
    """Watch a world without a change."""
    cut = max(HISTORIES) * A_DAY
    windows = play.windows(max(HISTORIES) + days, 1 << 60)
    found = alarms(play.features, windows, cut, HISTORIES)
    found.update(asked(_PEERS, play.features, windows, cut, min(days, peer_days) * A_DAY, play.seed))
    wrong = {}
    for history in HISTORIES:
        timed, untimed = checked(play.features, windows, cut, history)
        wrong[f"with times, {history} days"], wrong[f"without times, {history} days"] = timed.mean(), untimed.mean()
    return Outcome(
        monthly={method: episodes(alarm) / len(alarm) * 30 * A_DAY for method, alarm in found.items()},
        lasting={method: float(alarm.mean()) for method, alarm in found.items()},
        wrong_checks={method: float(share) for method, share in wrong.items()},
    )


def changed(play: Play) -> Outcome:
    """Watch a world with a change."""
    cut = max(HISTORIES) * A_DAY
    windows = play.windows(max(HISTORIES) + _AFTER, cut + _BEGINS)
    found = alarms(play.features, windows, cut, HISTORIES)
    found.update(asked(_PEERS, play.features, windows, cut, _AFTER * A_DAY, play.seed))
    return Outcome(hours={method: delay(alarm, _BEGINS) for method, alarm in found.items()})


def episodes(alarm: Floats) -> int:
    """Return how many times an alarm began."""
    return int(alarm[0]) + int((np.diff(alarm) > 0).sum())


def delay(alarm: Floats, begins: int) -> float:
    """Return the hours from a change to the alarm; infinite when none came within two days, or there was one in the day before."""
    after = np.flatnonzero(alarm[begins : begins + _HOURS_SEEN * 12])
    return float(after[0] + 1) / 12 if after.size and not alarm[begins - A_DAY : begins].any() else np.inf


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    args = _arguments(argv)
    traces = read(args.traces) if args.traces else []
    pythons, missing = _peers(args.peer)
    began = clock.monotonic()
    with ProcessPoolExecutor(args.processes, initializer=_start, initargs=(pythons,)) as pool:
        nulls = [pool.submit(quiet, play, args.days, args.peer_days) for play in _quiet_plays(traces, args.seeds)]
        changes = [pool.submit(changed, play) for play in _changed_plays(traces, args.trials)]
        told = _told(len(nulls) + len(changes), began)
        quiets = [told(one.result()) for one in nulls]
        seen = [told(one.result()) for one in changes]
    titles = [play.title for play in _quiet_plays(traces, args.seeds)]
    _print_alarms(titles, quiets, args)
    _print_delays([play.title for play in _changed_plays(traces, args.trials)], seen, args)
    _print_checks(titles, quiets, args)
    if traces:
        as_they_are.print_all(traces)
    for name, why in missing.items():
        print(f"{name}: {why}")
    print(f"\n{(clock.monotonic() - began) / 60:.0f} minutes, {args.processes} processes")
    return 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, number, what in (
        ("seeds", 8, "worlds of each kind without a change"),
        ("days", 84, "days that they are watched"),
        ("trials", 12, "worlds for each change"),
        ("peer-days", 7, "days without a change that other projects' detectors see"),
        ("processes", 2, "at the same time"),
    ):
        parser.add_argument(f"--{name}", type=int, default=number, help=f"{what} (default: %(default)s)")
    parser.add_argument("--traces", type=Path, metavar="FOLDER", help="traces of real traffic, see drift_traces")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON", help=" or ".join(PROGRAMS))
    parser.add_argument("--quick", action="store_true", help="one seed of 28 days, one trial")
    args = parser.parse_args(argv)
    if args.quick:
        args.seeds, args.days, args.trials, args.peer_days = 1, 28, 1, 2
    return args


def _peers(given: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the pythons of the peers that run, and why the others do not."""
    pythons, missing = dict(one.split("=", 1) for one in given), {}
    for name in PROGRAMS:
        if name not in pythons:
            missing[name] = "not given"
            continue
        try:
            Peer.start(name, pythons[name]).stop()
        except (RuntimeError, OSError) as error:
            missing[name] = f"does not run: {error}"
            del pythons[name]
    return pythons, missing


def _start(pythons: dict[str, str]) -> None:
    """Start the peers of one process of the pool; they end with it, as their input does."""
    _PEERS.update({name: Peer.start(name, python) for name, python in pythons.items()})


def _quiet_plays(traces: Sequence[Trace], seeds: int) -> Iterator[Play]:
    for seed in range(seeds):
        for world in WORLDS:
            yield Play(title=f"{world.name}, {world.rate:g}/s", source=world, seed=seed)
        for trace in traces:
            yield Play(title=f"trace {trace.name}", source=trace, seed=seed)


def _changed_plays(traces: Sequence[Trace], trials: int) -> Iterator[Play]:
    for seed in range(100, 100 + trials):
        for change in CHANGES:
            yield Play(title=change.name, source=_CHANGED_WORLD, seed=seed, change=change)
        for switch in _switches(traces):
            yield Play(title=f"trace {traces[0].name}: {switch.name}", source=traces[0], seed=seed, change=switch)


def _switches(traces: Sequence[Trace]) -> Iterator[Switch]:
    if traces:
        yield Switch(name="prompts longer by a tenth", longer=1.1)
        yield Switch(name="prompts longer by a quarter", longer=1.25)
    for other in traces[1:]:
        yield Switch(name=f"10 % of the requests are of {other.name}", other=other, share=0.1)
        yield Switch(name=f"all of them are of {other.name}", other=other, share=1.0)


def _told(total: int, began: float) -> Callable[[Outcome], Outcome]:
    done = 0

    def told(outcome: Outcome) -> Outcome:
        nonlocal done
        done += 1
        print(f"\r{done} of {total}, {clock.monotonic() - began:.0f} s ", end="", file=sys.stderr, flush=True)
        return outcome

    return told


def _print_alarms(titles: Sequence[str], outcomes: Sequence[Outcome], args: argparse.Namespace) -> None:
    peers = f"; other projects' first {args.peer_days} days" if _known_peers(outcomes) else ""
    print(
        f"\n\nFalse alarms a month, mean of {args.seeds} seeds of {args.days} days (worst seed; share of time){peers}\n"
    )
    _table(titles, outcomes, lambda of: [one.monthly for one in of], _monthly)


def _print_delays(titles: Sequence[str], outcomes: Sequence[Outcome], args: argparse.Namespace) -> None:
    print(f"\nHours until a change is seen, median of {args.trials} (share seen within {_HOURS_SEEN} h)\n")
    _table(titles, outcomes, lambda of: [one.hours for one in of], _hours)


def _print_checks(titles: Sequence[str], outcomes: Sequence[Outcome], args: argparse.Namespace) -> None:
    print(f"\nShare of checks of a day without a change that say drift, {args.seeds * args.days} checks each\n")
    _table(titles, outcomes, lambda of: [one.wrong_checks for one in of], lambda values, _: f"{np.mean(values):.1%}")


def _known_peers(outcomes: Sequence[Outcome]) -> bool:
    return any(":" in method for method in outcomes[0].monthly)


def _table(
    titles: Sequence[str],
    outcomes: Sequence[Outcome],
    values: Callable[[Sequence[Outcome]], list[dict[str, float]]],
    told: Callable[[list[float], list[float]], str],
) -> None:
    """Print Markdown: a line for each title, a column for each method."""
    by_title: dict[str, list[Outcome]] = defaultdict(list)
    for title, outcome in zip(titles, outcomes, strict=True):
        by_title[title].append(outcome)
    methods = list(values(outcomes)[0])
    print(f"| | {' | '.join(methods)} |\n|---{'|---' * len(methods)}|")
    for title, of in by_title.items():
        cells = [
            told([one[method] for one in values(of)], [one.lasting.get(method, 0.0) for one in of])
            for method in methods
        ]
        print(f"| {title} | {' | '.join(cells)} |")


def _monthly(values: list[float], lasting: list[float]) -> str:
    time = f"; {np.mean(lasting):.0%}" if np.mean(lasting) >= 0.05 else ""
    mean = np.mean(values)
    return f"{mean:.2f} ({max(values):.1f}{time})" if mean < 10 else f"{mean:,.0f} ({max(values):,.0f}{time})"


def _hours(values: list[float], _: list[float]) -> str:
    median, seen = float(np.median(values)), np.mean(np.isfinite(values))
    return f"{median:.1f} ({seen:.0%})" if np.isfinite(median) else f"- ({seen:.0%})"


if __name__ == "__main__":
    sys.exit(main())
