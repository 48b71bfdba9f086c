"""How often `atlas-ops drift labels` calls a model worse that is not, and one that lost five points of accuracy: simulated days.

python -m benchmarks.labels: about a minute of one core. 3,000 labels a day of two classes, in sessions of five that share their chance,
accuracy 92 %, which differs from day to day; beside it the two-proportion z test of all labels (1 %, one-sided), as it is usually done.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atlas_ops.detect.season import DAY, HOUR
from atlas_ops.drift.labels.judge import Standing, judge
from atlas_ops.drift.labels.outcome import CLASSES
from atlas_ops.drift.labels.quality import measure
from atlas_ops.drift.labels.tally import Slots, Tally

Floats = NDArray[np.float64]
REPETITIONS, PER_DAY, SESSION, ACCURACY = 200, 3_000, 5, 0.92
START = 1_704_067_200.0
_Z = 2.326
"""The quantile of the normal distribution for 1 %."""


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """How many days the baseline and the live time have, and by how much days differ (a standard deviation)."""

    baseline: int
    live: int
    deviation: float


def counted(world: World, loss: float, chance: np.random.Generator) -> Tally:
    """Return the counts of one made-up history, whose accuracy falls by `loss` when the baseline ends."""
    days = world.baseline + world.live
    sessions = chance.poisson(PER_DAY / SESSION, days)
    day = np.repeat(np.arange(days), sessions)
    level = ACCURACY + chance.normal(0, world.deviation, days)[day] - loss * (day >= world.baseline)
    share = np.clip(level + chance.normal(0, 0.05, len(day)), 0.02, 0.995)
    at = np.repeat(START + (day + chance.random(len(day))) * DAY, SESSION)
    actual = (chance.random(len(at)) < 0.1).astype(np.int64)
    predicted = np.where(chance.random(len(at)) < np.repeat(share, SESSION), actual, 1 - actual)
    tally = Tally(slots=Slots(first=START, last=START + days * DAY - 1, seconds=HOUR), classes=("no", "yes"))
    tally.add_predictions(at)
    tally.add_classes(at, predicted, actual)
    return tally


def ours(tally: Tally, world: World) -> str:
    """Return the verdict of the command."""
    before = (tally.slots.starts - START) < world.baseline * DAY
    baseline = measure(tally, before)
    standing = judge(baseline, measure(tally, ~before, baseline), CLASSES).standing
    return {Standing.WORSE: "worse", Standing.NO_WORSE: "no worse"}.get(standing, "cannot tell")


def z_test(tally: Tally, world: World) -> str:
    """Return the verdict of the two-proportion z test."""
    before = (tally.slots.starts - START) < world.baseline * DAY
    hits, of = ([float(sums[side].sum()) for side in (before, ~before)] for sums in (tally.right, tally.labelled))
    share = sum(hits) / sum(of)
    error = math.sqrt(share * (1 - share) * (1 / of[0] + 1 / of[1]))
    return "worse" if hits[0] / of[0] - hits[1] / of[1] > _Z * error else "no worse"


def main() -> None:
    """Print the table."""
    print("| days | days differ by | method | no change | -5 points | -10 points |\n|---|---|---|---|---|---|")
    for baseline, live in ((28, 1), (28, 7), (7, 1)):
        for deviation in (0.0, 0.01, 0.02):
            world = World(baseline=baseline, live=live, deviation=deviation)
            cells: dict[str, list[str]] = {"labels": [], "z test": []}
            for loss in (0.0, 0.05, 0.10):
                chance = np.random.default_rng(1)
                told = {"labels": Counter[str](), "z test": Counter[str]()}
                for _ in range(REPETITIONS):
                    tally = counted(world, loss, chance)
                    told["labels"][ours(tally, world)] += 1
                    told["z test"][z_test(tally, world)] += 1
                for name, tallied in told.items():
                    shares = [tallied[verdict] / REPETITIONS for verdict in ("worse", "no worse")]
                    cells[name].append(" / ".join(f"{share:.2f}" for share in shares))
            for name, found in cells.items():
                print(f"| {baseline} + {live} | {deviation:.0%} | {name} | {' | '.join(found)} |", flush=True)


if __name__ == "__main__":
    main()
