"""The latency board tells exact shares, each model by its own objective, and what is usual beside what is now.

Queries are asked of a real Prometheus that holds an hour of counters, or of the recordings that they read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

from atlas_ops.catalog import build_catalog
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults.latency import canary, usual, workload
from atlas_ops.catalog.parameters import Objective, Parameters
from atlas_ops.rehearsal.replay import Replay
from atlas_ops.rehearsal.rules import Rule
from atlas_ops.rehearsal.samples import Series, Table, Values
from atlas_ops.render.dashboards.boards import latency as board
from atlas_ops.render.dashboards.panels import Heatmap, Limit, Query, queries
from atlas_ops.render.dashboards.parts import latency, regression
from atlas_ops.settings import Settings

STEP, COUNT, BEGAN = 15, 80, 1_767_225_600
NOW = BEGAN + STEP * (COUNT - 1)
PARAMETERS = Parameters()
LIMITS = PARAMETERS.limits
EVERYTHING = Rule(name="everything", alert=False, expr='{__name__=~".+"}')
BOUNDS = ("0.5", "2.5", "5.0", "+Inf")
JUDGED = {"runtime": "vllm", "model": "chat", "signal": "time_to_first_token"}


def series(name: str, **labels: str) -> Series:
    return Series(name, tuple(labels.items()))


def growing(per_scrape: float) -> Values:
    return per_scrape * np.arange(COUNT, dtype=float)


def constant(value: float) -> Values:
    return np.full(COUNT, float(value))


def server(name: str, model: str, buckets: tuple[float, ...], seconds: float) -> dict[Series, Values]:
    """Return the first tokens of a server: requests for each scrape in each bucket, and their sum in seconds."""
    labels = {"runtime": "vllm", "server": name, "model": model}
    found = {
        series(f"{s.TIME_TO_FIRST_TOKEN}_bucket", **labels, le=le): growing(count)
        for le, count in zip(BOUNDS, buckets, strict=True)
    }
    found[series(f"{s.TIME_TO_FIRST_TOKEN}_count", **labels)] = growing(buckets[-1])
    found[series(f"{s.TIME_TO_FIRST_TOKEN}_sum", **labels)] = growing(seconds)
    return found


def by_bound(name: str, values: Mapping[str, float], **more: str) -> dict[Series, Values]:
    return {series(name, **JUDGED, **more, le=le): constant(value) for le, value in values.items()}


COLUMNS = {
    **server("a", "chat", (50, 90, 100, 100), 150),
    **server("b", "chat", (80, 100, 100, 100), 50),
    **server("c", "small", (70, 100, 100, 100), 40),
    **server("d", "idle", (0, 0, 0, 0), 0),
    **server("e", "mixed", (50, 90, 100, 100), 150),
    series(f"{s.TIME_TO_FIRST_TOKEN}_count", runtime="vllm", server="f", model="mixed"): growing(100),
    **by_bound(usual.COUNTED, {"0.5": 500, "2.5": 950, "5": 999, "+Inf": 1000}),
    **by_bound(usual.HOURLY, {"0.5": 5000, "2.5": 9400, "5": 9990, "+Inf": 10000}),
    **by_bound(usual.USUAL, {"2.5": 0.03, "5": LIMITS.regression_least_share, "+Inf": LIMITS.regression_least_share}),
    **by_bound(usual.ALLOWED, {"2.5": 0.045, "5": 0.006, "+Inf": 0.006}),
    **by_bound(canary.WINDOW, {"2.5": 800, "+Inf": 1000}, track="canary"),
    **by_bound(canary.WINDOW, {"2.5": 9500, "+Inf": 10000}, track="stable"),
    **by_bound(canary.STABLE_SHARE, {"2.5": 0.05}),
    series(usual.HOURLY, runtime="vllm", model="moved", signal="time_to_first_token", le="+Inf"): constant(1000),
    series(workload.MOVED, runtime="vllm", model="moved"): constant(1.4),
}


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replay]:
    folder: Path = tmp_path_factory.mktemp("prometheus")
    times = np.array([1000 * (BEGAN + STEP * place) for place in range(COUNT)], dtype=np.int64)
    with Replay.started(folder) as started:
        started.load(Table(times, COLUMNS), [EVERYTHING])
        yield started


def asked(replay: Replay, query: Query, *names: str) -> dict[tuple[str, ...], float]:
    """Return the values of now by some of their labels."""
    expr = query.expr.replace("$__rate_interval", "2m")
    courses = replay.prometheus.query_range(expr, NOW, NOW, STEP)
    return {tuple(course.labels.get(name, "") for name in names): round(course.values[-1], 6) for course in courses}


def test_the_share_in_time_is_that_of_all_servers_or_of_each(replay: Replay) -> None:
    of_models = latency.within(latency.FIRST_TOKEN, PARAMETERS, ("model",), 'model=~"chat|small"')
    assert asked(replay, of_models.queries[0], "model") == {("chat",): 0.95, ("small",): 1.0}
    of_servers = latency.within(latency.FIRST_TOKEN, PARAMETERS, ("server",), 'model="chat"')
    assert asked(replay, of_servers.queries[0], "server") == {("a",): 0.9, ("b",): 1.0}


def test_a_server_without_buckets_is_not_judged_rather_than_called_slow(replay: Replay) -> None:
    panel = latency.within(latency.FIRST_TOKEN, PARAMETERS, ("model",), 'model="mixed"')
    assert asked(replay, panel.queries[0], "model") == {("mixed",): 0.9}


def test_a_model_that_nobody_asks_has_no_share_and_no_mean_and_is_there_all_the_same(replay: Replay) -> None:
    for panel in (
        latency.within(latency.FIRST_TOKEN, PARAMETERS, ("model",), 'model="idle"'),
        latency.mean(latency.FIRST_TOKEN, ("model",), 'model="idle"'),
    ):
        assert math.isnan(asked(replay, panel.queries[0], "model")["idle",])


def test_each_model_is_held_to_its_own_objective(replay: Replay) -> None:
    hasty = Objective(model="small*", time_to_first_token_seconds=0.5)
    panel = latency.within(latency.FIRST_TOKEN, Parameters(objectives=(hasty, Objective())), ("model",))
    small, others = (asked(replay, query, "model") for query in panel.queries)
    assert small == {("small",): 0.7}
    assert others["chat",] == 0.95
    assert ("small",) not in others
    assert [query.legend for query in panel.queries] == ["{{model}} within 0.5 s", "{{model}} within 2.5 s"]


def test_the_line_is_the_target_where_it_is_the_same_for_all_models() -> None:
    strict, mild = Objective(model="a", time_to_first_token_target=0.999), Objective(time_to_first_token_target=0.95)

    def line(*objectives: Objective) -> Limit | None:
        return latency.within(latency.FIRST_TOKEN, Parameters(objectives=objectives), ("model",)).limit

    assert line(mild) == Limit(value=0.95, below=True)
    assert line(strict, mild) is None
    assert latency.within(latency.IN_QUEUE, PARAMETERS, ("model",)).limit is None, "no share of waits was promised"


def test_means_are_of_all_requests_and_heatmaps_hold_every_bucket_and_ask_for_traces(replay: Replay) -> None:
    mean = latency.mean(latency.FIRST_TOKEN, ("model",), 'model="chat"')
    assert asked(replay, mean.queries[0], "model") == {("chat",): 1.0}
    heatmap = latency.heatmap(latency.FIRST_TOKEN, 'model="chat"')
    per_second = {le: count / STEP for le, count in zip(BOUNDS, (130, 190, 200, 200), strict=True)}
    assert asked(replay, heatmap.query, "le") == {(le,): round(rate, 6) for le, rate in per_second.items()}
    assert heatmap.query.exemplars


def test_slow_requests_are_shown_at_the_bounds_of_the_tail_alone(replay: Replay) -> None:
    panel = regression.slow_now(LIMITS)
    # Half are slower than 0.5 s, which is about the median; one in a thousand than 5 s, which is chance.
    assert asked(replay, panel.queries[0], "le") == {("2.5",): 0.05}


def test_now_stands_beside_what_is_usual_and_what_is_allowed_at_the_bounds_that_some_exceed(replay: Replay) -> None:
    now, as_usual, allowed = (asked(replay, query, "le") for query in regression.against_usual(LIMITS).queries)
    assert (now, as_usual, allowed) == ({("2.5",): 0.06}, {("2.5",): 0.03}, {("2.5",): 0.045})
    times = regression.times_usual(LIMITS)
    assert asked(replay, times.queries[0], "le") == {("2.5",): 2.0}
    assert times.limit == Limit(value=LIMITS.regression_ratio_weeks)


def test_the_canary_is_shown_against_the_stable_servers(replay: Replay) -> None:
    panel = regression.of_canary(LIMITS)
    assert asked(replay, panel.queries[0], "track", "le") == {("canary", "2.5"): 0.2, ("stable", "2.5"): 0.05}


def test_it_is_said_whether_the_work_explains_it_while_a_model_is_measured(replay: Replay) -> None:
    panel = regression.explained()
    assert asked(replay, panel.queries[0], "model") == {("chat",): 0.0, ("moved",): 1.0}
    assert [panel.states[value][0] for value in (0.0, 1.0)] == ["no", "yes"]


def test_it_has_a_column_for_each_part_of_the_wait_and_the_panels_of_its_faults_last() -> None:
    settings = Settings()
    catalog = build_catalog(settings.parameters)
    within, means, heatmaps, *_, faults = board.board(catalog, settings).rows
    columns = [[panel.key.rsplit("-", 1)[0] for panel in row.panels] for row in (within, means, heatmaps)]
    assert columns == [[wait.key for wait in latency.WAITS]] * 3
    assert all(isinstance(panel, Heatmap) for panel in heatmaps.panels)
    assert [panel.key for panel in faults.panels][:2] == [
        "fault-TimeToFirstTokenSloBurn",
        "fault-RequestLatencySloBurn",
    ]


def test_what_it_reads_of_rules_is_what_rules_record() -> None:
    settings = Settings()
    catalog = build_catalog(settings.parameters)
    recorded = {recording.name for fault in catalog.faults for recording in fault.recordings}
    text = " ".join(
        query.expr for row in board.board(catalog, settings).rows for panel in row.panels for query in queries(panel)
    )
    read = set(re.findall(r"\b(?:model|track|server):\w+:\w+", text))
    assert read
    assert read <= recorded
