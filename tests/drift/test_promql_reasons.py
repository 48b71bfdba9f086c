"""Why answers end, by recording rules alone: against the week before, the numbers are numpy's, and nobody has to count anything."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults.drift import finish_reasons, in_promql
from atlas_ops.detect.distances import distances, smoothed
from atlas_ops.detect.features import Category, Counts
from atlas_ops.prometheus import Prometheus
from atlas_ops.rehearsal.remote_write import bodies
from atlas_ops.rehearsal.replay import Evaluations, Replay
from atlas_ops.rehearsal.samples import Series, Written
from tests.drift import data, pods
from tests.drift.pods import Pod
from tests.drift.test_promql import RULES

REASONS = ("stop", "length", "cancelled", "error", "repetition", "unknown")
USUAL, MOVED = (140, 50, 8, 2, 0, 0), (60, 120, 8, 2, 10, 0)
"""Requests between two scrapes of a server, always of the same mix: what the rules add to the truth is seen, and no chance."""
EVERY, STEP, DAY = 60, 120.0, 86_400
DAYS = 9.25
SCRAPES = round(DAYS * DAY) // EVERY
START = data.MONDAY + 7  # scrapes are at odd moments, rules at their own
CHANGE = round(8.5 * DAY) // EVERY
"""The scrape at which the mix changes: what is usual is known by then, and does not hold it."""
ANEW = CHANGE + 375
"""The scrape at which a new exporter takes over, whose counters hold what the server has counted since it restarted."""
COUNTED = Category(name="finish_reason", names=("stop", "tool_calls"))


def told(model: str, server: str, *, first: int = 0, anew: int = SCRAPES, restart: int = 0) -> Iterator[Written]:
    """A server as the exporter tells of it."""
    rows = np.array([USUAL] * CHANGE + [MOVED] * (SCRAPES - CHANGE))[first:]
    totals = np.cumsum(rows, axis=0).astype(np.float64)
    if anew < SCRAPES:
        totals[anew - first :] -= totals[restart - first]
    times = ((START + np.arange(first, SCRAPES) * EVERY) * 1_000).astype(np.int64)
    for reason, values in zip(REASONS, totals.T, strict=True):
        labels = (("model", model), ("reason", reason), ("server", server))
        yield Written(Series(s.REQUESTS_FINISHED.name, labels), times, values)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Nine days of models, and the rules of the last days."""
    own = {"finish_reason": np.tile((150, 50, 0, 0, 0), (SCRAPES, 1))}
    everything = [
        *told("llm", "a"),
        *told("llm", "b", anew=ANEW, restart=DAY // EVERY),
        *told("young", "a", first=3 * DAY // EVERY),
        *told("own", "a"),
        *pods.written("own", (COUNTED,), {"finish_reason": (0.74, 0.24, 0.01, 0.005, 0.005)}, Pod(name="a"), own, START, every=EVERY),
    ]  # fmt: skip
    grown = [rule for rule in RULES if rule.name == in_promql.GROWN]
    end = data.MONDAY + DAYS * DAY
    with Replay.started(tmp_path_factory.mktemp("prometheus")) as replay:
        for body in bodies(everything):
            replay.prometheus.write(body)
        replay.record(grown, Evaluations(start=data.MONDAY, end=end, step=STEP))
        rest = [rule for rule in RULES if rule.name != in_promql.GROWN]
        replay.record(rest, Evaluations(start=data.MONDAY + 7 * DAY, end=end, step=STEP))
        yield replay.prometheus


def asked(prometheus: Prometheus, expr: str, day: float, model: str = "llm") -> float | None:
    """The one value of a model's feature at a time."""
    found = prometheus.query(f'{expr}{{model="{model}", feature="finish_reason"}}', at=data.MONDAY + day * DAY)
    assert len(found) <= 1
    return found[0].value if found else None


def counted(day: float, seconds: float) -> Counts:
    """What both servers told within the looks that the window holds; the one whose exporter is new is left out of one look."""
    look = day * DAY // 600 * 600
    last, scrapes = int((look - 7) // EVERY) + 1, round(seconds / EVERY)
    rows = np.array([USUAL if one < CHANGE else MOVED for one in range(max(0, last - scrapes), last)])
    both = 2 * rows.sum(axis=0)
    lost = 10 * np.array(MOVED) if last - scrapes <= ANEW < last else 0
    return np.asarray(both - lost)


USUALLY = smoothed(np.array(USUAL) * 2 * 7 * DAY // EVERY)


@pytest.mark.parametrize(
    ("day", "what"), [(8.4, "calm"), (8.6, "moved"), (8.77, "a new exporter takes over"), (9.2, "and has been there")]
)
def test_an_hour_and_a_day_say_what_numpy_says_to_4_decimals(prometheus: Prometheus, day: float, what: str) -> None:
    for window in (in_promql.HOUR, in_promql.DAY):
        expected = distances(counted(day, window.seconds), USUALLY).psi
        # Of the look in which the mix changes, Prometheus guesses how much there was of either.
        exact = 1e-3 if window is in_promql.DAY and day > 8.5 else 5e-5
        assert asked(prometheus, window.psi, day) == pytest.approx(expected, abs=exact), (what, window.ending)
    assert asked(prometheus, in_promql.HOUR.ks, day) is None, "reasons have no order"
    assert (distances(counted(day, 3_600), USUALLY).psi > 0.3) == (day > 8.5)


def test_there_is_a_score_once_a_week_is_known_and_a_shift_is_found(prometheus: Prometheus) -> None:
    score = 'atlas_drift_score{detector="psi", feature="finish_reason", model="%s"}'
    (course,) = prometheus.query_range(score % "llm", data.MONDAY, data.MONDAY + DAYS * DAY, 3_600)
    assert course.times[0] - data.MONDAY == pytest.approx(8 * DAY, abs=2 * 3_600)
    calm = [value for at, value in zip(course.times, course.values, strict=True) if at <= data.MONDAY + 8.5 * DAY]
    assert calm == pytest.approx([0.0] * len(calm), abs=1e-3)
    assert course.values[-1] > 1
    assert asked(prometheus, "atlas_drift_detected", DAYS) == 1
    assert asked(prometheus, "atlas_drift_score", DAYS, "young") is None
    assert prometheus.query(f'{finish_reasons.PAST}{{model="young"}}', at=data.MONDAY + DAYS * DAY) == ()


def test_what_a_server_counts_itself_goes_before_what_its_runtime_tells(prometheus: Prometheus) -> None:
    bins = prometheus.query(f'{in_promql.GROWN}{{model="own"}}', at=data.MONDAY + 9.0 * DAY)
    assert {point.labels["bin"] for point in bins} == set(COUNTED.bins)
    expected = distances(np.array((150, 50, 0, 0, 0)) * 60, np.array((0.74, 0.24, 0.01, 0.005, 0.005)))
    assert asked(prometheus, in_promql.HOUR.psi, 9.0, "own") == pytest.approx(expected.psi, abs=5e-5)
