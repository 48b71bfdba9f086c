"""The board about the watchers tells who is blind, and what does not reach people. Queries are asked of a real Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from atlas_ops import settings
from atlas_ops.catalog import build_catalog
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.rehearsal.replay import Replay
from atlas_ops.render.dashboards.boards import atlas
from atlas_ops.render.dashboards.panels import Chart, Heatmap, Number, States, Table
from atlas_ops.settings import Settings
from tests.render.dashboards import five_servers
from tests.render.dashboards.five_servers import NOW, asked, constant, growing, panel, series

SETTINGS = Settings()
BOARD = atlas.board(build_catalog(SETTINGS.parameters), SETTINGS)
E1, E2, E3 = ({"job": c.EXPORTER_JOB, "instance": f"n{number}:9464"} for number in (1, 2, 3))
"""Two that answer, the second with troubles; and one that does not answer."""
PAGER, PROMETHEUS = {"job": c.PAGER_JOB, "instance": "pager:9465"}, {"job": "prometheus", "instance": "prometheus:9090"}
OURS, THEIRS = (
    {"rule_group": f"/etc/rules/{group}", **PROMETHEUS} for group in ("cost.yaml;atlas-cost", "x.yaml;theirs")
)
WATCHERS = {
    series("up", **E1): constant(1), series("up", **E2): constant(1), series("up", **E3): constant(0),
    series("up", **PAGER): constant(0),
    series("scrape_duration_seconds", **E1): constant(0.1), series("scrape_duration_seconds", **E2): constant(3),
    series("scrape_duration_seconds", **E3): constant(0.2), series("scrape_duration_seconds", **PAGER): constant(9),
    series(s.EXPORTER_RELOAD_SUCCESS, **E1): constant(1), series(s.EXPORTER_RELOAD_SUCCESS, **E2): constant(0),
    **{
        series(signal, **who, collector=name): constant(value)
        for who, name, works, age, took in (
            (E1, "nvml", 1, 2, 0.1), (E1, "page", 1, 1, 0.1), (E2, "nvml", 0, 120, 10), (E2, "page", 1, 3, 0.1),
        )
        for signal, value in (
            (s.EXPORTER_COLLECTOR_SUCCESS, works), (s.EXPORTER_SNAPSHOT_AGE, age), (s.EXPORTER_COLLECTOR_DURATION, took),
        )
    },
    series(s.EXPORTER_CALL_IN_FLIGHT, **E2, gpu="0", collector="nvml"): constant(400),
    series(s.EXPORTER_CPU, **E1): growing(1.5), series(s.EXPORTER_CPU, **E2): growing(3),
    series("prometheus_rule_group_last_duration_seconds", **OURS): constant(12),
    series("prometheus_rule_group_interval_seconds", **OURS): constant(60),
    series("prometheus_rule_group_last_duration_seconds", **THEIRS): constant(60),
    series("prometheus_rule_group_interval_seconds", **THEIRS): constant(60),
    series("prometheus_rule_evaluation_failures_total", **OURS): growing(1),
    series("prometheus_rule_group_iterations_missed_total", **OURS): constant(0),
    series("prometheus_notifications_errors_total", **PROMETHEUS, alertmanager="a"): growing(2),
    series("prometheus_notifications_errors_total", **PROMETHEUS, alertmanager="b"): growing(1),
    series("prometheus_notifications_dropped_total", **PROMETHEUS): constant(0),
    series(s.PAGER_QUEUE, **PAGER): constant(7),
    series(s.PAGER_LAST_HEARTBEAT, **PAGER): constant(NOW - 700),
    series(s.PAGER_DELIVERED, **PAGER, kind="message"): growing(3), series(s.PAGER_RETRIED, **PAGER, reason="timeout"): growing(6),
    series(s.PAGER_RECEIVED, **PAGER, result="accepted"): growing(15),
    **{series(f"{s.PAGER_DELIVERY_LATENCY}_bucket", **PAGER, le=le): growing(3) for le in ("1", "+Inf")},
    series(s.WATCH_LAST_SUCCESS, job="atlas-watch", instance="w:1"): constant(NOW - 4000),
    series(s.BUILD_INFO, **E1, version="0.2.0"): constant(1), series(s.BUILD_INFO, **E2, version="0.1.0"): constant(1),
}  # fmt: skip


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replay]:
    with five_servers.started(tmp_path_factory.mktemp("prometheus"), WATCHERS) as started:
        yield started


def number(replay: Replay, key: str, **chosen: str) -> float:
    return asked(replay, panel(BOARD, key, Number).query, at=NOW, **chosen)[()]


def lines(replay: Replay, key: str, **chosen: str) -> dict[str, float]:
    """Return the values of a chart of two queries without labels, by their legends."""
    return {query.legend: asked(replay, query, at=NOW, **chosen)[()] for query in panel(BOARD, key, Chart).queries}


def test_it_counts_the_blind_of_the_chosen_exporters(replay: Replay) -> None:
    assert (number(replay, "exporters-silent"), number(replay, "reloads-failed")) == (1, 1)
    assert (
        number(replay, "exporters-silent", instance=E1["instance"]),
        number(replay, "reloads-failed", instance=E1["instance"]),
    ) == (0, 0)
    bands = panel(BOARD, "exporters", States)
    found = asked(replay, bands.queries[0], "instance")
    assert {name: bands.states[value][0] for (name,), value in found.items()} == {
        "n1:9464": "answers", "n2:9464": "answers", "n3:9464": "silent",
    }  # fmt: skip


def test_only_collectors_that_fail_are_listed(replay: Replay) -> None:
    age, took = panel(BOARD, "failing-collectors", Table).queries
    assert asked(replay, age, "instance", "collector") == {("n2:9464", "nvml"): 120}
    assert asked(replay, took, "instance", "collector") == {("n2:9464", "nvml"): 10}


def test_of_many_exporters_the_worst_and_the_median_are_drawn_and_of_a_chosen_one_its_own(replay: Replay) -> None:
    assert lines(replay, "scrape-duration") == {"highest": 3, "median": 0.2}
    assert lines(replay, "scrape-duration", instance=E1["instance"]) == {"highest": 0.1, "median": 0.1}
    assert lines(replay, "snapshot-age")["highest"] == 120
    assert lines(replay, "driver-calls")["highest"] == 400
    assert lines(replay, "exporter-processor") == {"highest": 0.2, "median": 0.15}


def test_servers_are_counted_by_the_state_of_their_last_scrape(replay: Replay) -> None:
    found = asked(replay, panel(BOARD, "servers-by-state", Chart).queries[0], "state")
    assert found == {("ok",): 3, ("unreachable",): 1, ("disabled",): 1}


def test_of_the_rules_ours_are_shown_against_the_interval_that_they_have(replay: Replay) -> None:
    ours = (OURS["rule_group"],)
    assert asked(replay, panel(BOARD, "rules-time-used", Chart).queries[0], "rule_group") == {ours: 0.2}
    failed, missed = panel(BOARD, "rules-failures", Chart).queries
    assert asked(replay, failed, "rule_group") == {ours: 8}
    assert asked(replay, missed, "rule_group") == {ours: 0}
    assert lines(replay, "notifications") == {"not taken": 24, "given up": 0}


def test_it_tells_what_the_pager_hears_and_what_it_gets_rid_of(replay: Replay) -> None:
    assert asked(replay, panel(BOARD, "pager-queue", Chart).queries[0], "instance") == {("pager:9465",): 7}
    assert asked(replay, panel(BOARD, "pager-received", Chart).queries[0], "result") == {("accepted",): 1}
    accepted, again = panel(BOARD, "pager-delivered", Chart).queries
    assert asked(replay, accepted, "kind") == {("message",): 0.2}
    assert asked(replay, again, "reason") == {("timeout",): 0.4}
    assert asked(replay, panel(BOARD, "pager-delivery-time", Heatmap).query, "le") == {("1",): 24, ("+Inf",): 24}
    assert number(replay, "heartbeat-age") == 700


def test_versions_and_the_last_round_of_the_detectors_are_told(replay: Replay) -> None:
    versions = asked(replay, panel(BOARD, "versions", Table).queries[0], "job", "version")
    assert versions == {(c.EXPORTER_JOB, "0.1.0"): 1, (c.EXPORTER_JOB, "0.2.0"): 1}
    assert asked(replay, panel(BOARD, "detectors-last-round", Number).query, "job") == {("atlas-watch",): 4000}


@pytest.mark.parametrize(
    ("config", "key", "expected"),
    [
        ("limits: {driver_call_seconds: 60}", "driver-calls", 60),
        ("limits: {drift_monitor_age_seconds: 7200}", "detectors-last-round", 7200),
        ("timing: {scrape_seconds: 30}", "scrape-duration", 30),
    ],
)
def test_settings_move_the_limits(config: str, key: str, expected: float) -> None:
    changed = settings.parse(config)
    board = atlas.board(build_catalog(changed.parameters), changed)
    for found, limit in ((BOARD, None), (board, expected)):
        shown = next(one for row in found.rows for one in row.panels if one.key == key)
        assert isinstance(shown, Chart | Number)
        assert shown.limit is not None
        assert (shown.limit.value == expected) == (limit is not None)
