"""Samples and rules in a real Prometheus: what is written is what was scraped, and rules see what they would see in life."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from atlas_ops.errors import ConfigError
from atlas_ops.rehearsal.replay import Evaluations, Replay
from atlas_ops.rehearsal.rules import Rule
from atlas_ops.rehearsal.samples import Series, Table

STEP, COUNT, BEGAN = 15, 60, 1_767_225_600
NAN = float("nan")


@pytest.fixture
def replay(tmp_path: Path) -> Iterator[Replay]:
    with Replay.started(tmp_path) as started:
        yield started


def table(**columns: list[float]) -> Table:
    times = np.array([1000 * (BEGAN + STEP * place) for place in range(COUNT)], dtype=np.int64)
    return Table(times, {Series(name, (("host", "a"),)): np.array(column) for name, column in columns.items()})


def at(first: int = 0, last: int = COUNT - 1) -> Evaluations:
    """Return evaluations at the moments of the scrapes."""
    return Evaluations(start=float(BEGAN + STEP * first), end=float(BEGAN + STEP * last), step=float(STEP))


def record(name: str, expr: str) -> Rule:
    return Rule(name=name, alert=False, expr=expr)


def asked(replay: Replay, expr: str) -> dict[int, float]:
    """Return the value of one series by the number of its scrape."""
    found = replay.prometheus.query_range(expr, BEGAN, BEGAN + STEP * (COUNT - 1), STEP)
    return {
        round((time - BEGAN) / STEP): value
        for course in found
        for time, value in zip(course.times, course.values, strict=True)
    }


def test_every_sample_is_there_and_a_series_that_ends_is_gone_at_once(replay: Replay) -> None:
    values = [float(place) for place in range(COUNT)]
    broken = [NAN if 20 <= place < 30 else value for place, value in enumerate(values)]
    replay.load(table(whole=values, broken=broken, unread=values), [record("r", "whole + broken")])
    assert asked(replay, "whole") == dict(enumerate(values))
    # Without a stale marker the last value would go on for five minutes.
    assert asked(replay, "broken") == {place: value for place, value in enumerate(values) if not 20 <= place < 30}
    assert asked(replay, "unread") == {}


def test_recordings_see_those_that_they_read_whatever_the_order_and_their_series_end(replay: Replay) -> None:
    rules = [record("last", "second * 2"), record("second", "first + 1"), record("first", "x > 5")]
    replay.load(table(x=[float(place) for place in range(COUNT)]), rules)
    replay.record(rules, at())
    assert asked(replay, "last") == {place: 2.0 * (place + 1) for place in range(6, COUNT)}
    assert asked(replay, "absent(first)") == dict.fromkeys(range(6), 1.0)


def test_a_recording_that_reads_itself_sees_its_last_value(replay: Replay) -> None:
    # It holds the last value of x while x is away, but not beyond what y allows; and it counts its own evaluations.
    x = [NAN if 10 <= place < 20 or place >= 40 else float(place // 4) for place in range(COUNT)]
    y = [float(place < 50) for place in range(COUNT)]
    rules = [record("held", "x or (held and (y == 1))"), record("steps", "steps + 1 or y")]
    replay.load(table(x=x, y=y), rules)
    replay.record(rules, at())
    expected = {place: x[9] if 10 <= place < 20 else x[39] if place >= 40 else x[place] for place in range(50)}
    assert asked(replay, "held") == expected
    assert asked(replay, "steps") == {place: float(place + 1) for place in range(COUNT)}


def test_nothing_is_recorded_and_nothing_fires_while_prometheus_is_away(replay: Replay) -> None:
    rules = [record("copy", "x"), Rule(name="On", alert=True, expr="copy == 1", for_seconds=60)]
    away = Evaluations(
        start=float(BEGAN), end=float(BEGAN + STEP * 59), step=float(STEP), away=((BEGAN + 150, BEGAN + 600),)
    )
    replay.load(table(x=[1.0] * COUNT), rules)
    replay.record(rules, away)
    (first, second) = replay.evaluate(rules, away)
    assert replay.prometheus.query_range("count_over_time(copy[10m])", BEGAN + 599, BEGAN + 599, STEP)[0].values == (
        10.0,
    )
    # Nobody hears of the first one for so long that Alertmanager ends it; the second has to wait for its minute again.
    assert (first.start - BEGAN, first.end and first.end - BEGAN) == (60.0, 135.0 + 240.0)
    assert second.start - BEGAN == 660.0


def test_expressions_that_prometheus_does_not_understand_are_told_together(replay: Replay) -> None:
    rules = [
        Rule(name="Good", alert=True, expr="up == 0", place="r.yml: groups[0].rules[0]"),
        Rule(name="Open", alert=True, expr="sum(up", place="r.yml: groups[0].rules[1]"),
        Rule(name="Unknown", alert=True, expr="no_such_function(up)", place="r.yml: groups[0].rules[2]"),
    ]
    with pytest.raises(ConfigError) as raised:
        replay.check(rules)
    assert len(raised.value.mistakes) == 2
    assert "r.yml: groups[0].rules[1] (Open): " in str(raised.value)
    assert "no_such_function" in str(raised.value)
