"""How often drift detectors are wrong, and how soon they see a change: ours beside textbook settings, on the same counts.

    .venv/bin/python -m benchmarks.drift_quality [--seeds 8] [--history 28] [--days 84] [--trials 6]

Each world is learned for `--history` days and then watched for `--days` without any change: every alarm is a false one. Then each change
begins at noon of a day, and the time until the alarm is told. The textbook methods look at windows of five minutes or an hour
against the shares of the history, with the limits that their manuals give.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atlas_ops.detect.calibration import Calibration, calibrate
from atlas_ops.detect.course import drifted
from atlas_ops.detect.distances import smoothed
from atlas_ops.detect.score import score
from atlas_ops.detect.statistics import statistics
from atlas_ops.detect.windows import Observed, Windows, observe
from benchmarks.drift_worlds import A_DAY, CHANGES, FEATURES, WORLDS, Change, World, traffic

Floats = NDArray[np.float64]
_CHANGED_WORLD = WORLDS[3]
_HOURS_SEEN = 48


@dataclass(frozen=True, slots=True)
class Learned:
    """A world, its history learned; `alarms[method]` is 1 in each window of the days after it in which the method is in alarm."""

    alarms: dict[str, Floats]


def learn(world: World, seed: int, history: int, days: int, change: Change | None = None, begins: int = 0) -> Learned:
    """Play a world and return what each method says after the history."""
    cut = history * A_DAY
    windows = traffic(world, history + days, seed, change or Change(name="none"), cut + begins if change else 1 << 60)
    shares = {name: smoothed(counts[:cut].sum(axis=0)) for name, counts in windows.counts.items()}
    watched = tuple(one for feature in FEATURES for one in statistics(feature, shares[feature.name]))
    observed = observe(windows, watched)
    calibration = calibrate(_until(observed, cut), watched)
    return Learned({**_ours(observed, calibration, cut), **_textbook(windows, shares, cut)})


def _until(observed: Observed, cut: int) -> Observed:
    return Observed(times=observed.times[:cut], values=observed.values[:cut], rows=observed.rows[:cut])


def _ours(observed: Observed, calibration: Calibration, cut: int) -> dict[str, Floats]:
    scores = score(observed, calibration)
    return {
        "page (seasonal, calibrated)": drifted(scores.score[cut:], calibration.page),
        "ticket (slower chart)": drifted(scores.chart[cut:], calibration.ticket),
    }


def _textbook(windows: Windows, shares: dict[str, Floats], cut: int) -> dict[str, Floats]:
    size = len(windows.times) - cut
    ks, psi = np.zeros(size), np.zeros(size)
    ks_limit = np.sqrt(-np.log(0.05 / len(FEATURES) / 2) / 2)
    for name, counts in windows.counts.items():
        live = counts[cut:]
        rows = np.maximum(live.sum(axis=1), 1)
        gap = np.abs(np.cumsum(live / rows[:, None], axis=1) - np.cumsum(shares[name])).max(axis=1)
        ks = np.maximum(ks, gap * np.sqrt(rows) / ks_limit)
        hour = np.cumsum(live, axis=0)
        hour[12:] = hour[12:] - hour[:-12]
        now = (hour + 0.5) / (hour.sum(axis=1, keepdims=True) + 0.5 * hour.shape[1])
        psi = np.maximum(psi, ((now - shares[name]) * np.log(now / shares[name])).sum(axis=1))
    return {
        "KS of 5 min, Bonferroni .05": (ks >= 1).astype(np.float64),
        "PSI of an hour > 0.1": (psi > 0.1).astype(np.float64),
        "PSI of an hour > 0.25": (psi > 0.25).astype(np.float64),
    }


def episodes(alarm: Floats) -> int:
    """Return how many times an alarm began."""
    return int(alarm[0]) + int((np.diff(alarm) > 0).sum())


def delay(alarm: Floats, begins: int) -> float:
    """Return the hours from a change to the alarm; infinite when none came within two days, or it was there before."""
    after = np.flatnonzero(alarm[begins : begins + _HOURS_SEEN * 12])
    return float(after[0] + 1) / 12 if after.size and not alarm[begins - 1] else np.inf


def false_alarms(args: argparse.Namespace) -> None:
    """Print false alarms a month, and the share of time in alarm, of each method in each world."""
    print(f"False alarms a month (worst seed; share of time in alarm), {args.seeds} seeds of {args.days} days:")
    for world in WORLDS:
        runs = [learn(world, seed, args.history, args.days).alarms for seed in range(args.seeds)]
        print(f"  {world.name}, {world.rate:g} requests/s")
        for method in runs[0]:
            months = [episodes(run[method]) / args.days * 30 for run in runs]
            time = np.mean([run[method].mean() for run in runs])
            print(f"    {method:30} {np.mean(months):8.2f} ({max(months):.1f}; {time:.1%})", flush=True)


def delays(args: argparse.Namespace) -> None:
    """Print how soon each method sees each change in the world `real` at one request a second."""
    print(f"Hours until a change is seen (median; share seen within {_HOURS_SEEN} h), {args.trials} trials:")
    begins = round(2.5 * A_DAY)
    for change in CHANGES:
        runs = [
            learn(_CHANGED_WORLD, 100 + seed, args.history, 5, change, begins).alarms for seed in range(args.trials)
        ]
        print(f"  {change.name}")
        for method in runs[0]:
            hours = [delay(run[method], begins) for run in runs]
            seen = float(np.mean(np.isfinite(hours)))
            median = float(np.median(hours))
            told = f"{median:6.1f} h" if np.isfinite(median) else "  never"
            print(f"    {method:30} {told} ({seen:.0%})", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, number in (("seeds", 8), ("history", 28), ("days", 84), ("trials", 6)):
        parser.add_argument(f"--{name}", type=int, default=number, help="default: %(default)s")
    args = parser.parse_args()
    parts: tuple[Callable[[argparse.Namespace], None], ...] = (false_alarms, delays)
    for part in parts:
        part(args)


if __name__ == "__main__":
    main()
