"""What counts say of a reference, without a Prometheus: a model whose traffic wanders, and times that nobody saw."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from atlas_ops.detect.features import Numeric
from atlas_ops.detect.windows import STEP, Windows
from atlas_ops.drift.counting import Counting, Table
from atlas_ops.drift.fit import learned
from atlas_ops.drift.reference import Reference
from atlas_ops.watch.judge import judge
from tests.drift.data import MONDAY

LENGTH = Numeric(name="length", edges=tuple(float(edge) for edge in range(11)))
DAY, HOUR = 288, 12


def wandering(days: int, seed: int) -> Windows:
    """A model whose mean wanders over an hour, as real traffic does; sixty requests in five minutes."""
    chance = np.random.default_rng(seed)
    size, keep = days * DAY, float(np.exp(-1 / HOUR))
    steps, wander = chance.normal(size=size) * np.sqrt(1 - keep**2), np.zeros(size)
    for place in range(1, size):
        wander[place] = keep * wander[place - 1] + steps[place]
    shares = 0.1 * (1 + 0.1 * np.clip(wander, -3, 3)[:, None] * np.linspace(-3, 3, 10) / np.sqrt(3))
    counts = chance.multinomial(60, shares / shares.sum(axis=1, keepdims=True))
    whole = np.hstack([counts, np.zeros((size, 3), dtype=np.int64)])
    return Windows(times=MONDAY + STEP * np.arange(1, size + 1), counts={"length": whole})


def reference() -> Reference:
    table = Table(first=0, counts=wandering(28, seed=1).counts["length"])
    return learned("m", Counting(features=(LENGTH,), time="time"), table)


def after_a_gap(windows: Windows, end: int, hours: int) -> Windows:
    """Return what is known at a window's end when all but the last hours of two days was lost."""
    seen = np.arange(2 * DAY) >= 2 * DAY - hours * HOUR
    part = slice(end - 2 * DAY, end)
    counts = np.where(seen[:, None], windows.counts["length"][part], 0)
    return Windows(times=windows.times[part], counts={"length": counts}, seen=seen)


def test_the_hours_after_an_outage_are_not_taken_for_the_whole_day() -> None:
    made, live = reference(), wandering(40, seed=2)
    found = {"told": 0, "untold": 0, "taken": 0}
    for end in range(2 * DAY, 40 * DAY, 97):
        known = after_a_gap(live, end, hours=1)
        judgement = judge(made, known)
        assert not judgement.drifted
        found["told"] += bool(judgement.findings)
        found["untold"] += bool(judge(made, after_a_gap(live, end, hours=0)).untold)
        # The same counts, if an hour were all that there was in a day.
        found["taken"] += bool(judge(made, replace(known, seen=None)).drifted)
    assert found["told"] == found["untold"] == len(range(2 * DAY, 40 * DAY, 97))
    assert found["taken"] > 1


def test_what_was_before_a_change_that_was_accepted_counts_for_nothing() -> None:
    live = wandering(3, seed=3)
    inside = live.counts["length"][2 * DAY :, :10]
    inside.sort(axis=1)
    assert [one.detector for one in judge(reference(), live).drifted] == ["seasonal", "slow"]
    judgement = judge(replace(reference(), accepted_since=float(live.times[-1])), live)
    assert judgement.untold == {"length": "nothing was counted since it was accepted"}
