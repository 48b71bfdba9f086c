"""The fleet board says whether anything is wrong, and where. Queries are asked of a real Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from atlas_ops import settings
from atlas_ops.catalog import build_catalog
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.rehearsal.replay import Replay
from atlas_ops.render.dashboards.boards import fleet
from atlas_ops.render.dashboards.panels import Board, Limit, Number, States, Table
from atlas_ops.settings import Settings
from tests.render.dashboards import alerts_beside, five_servers
from tests.render.dashboards.five_servers import CHAT, NOW, asked, identity, panel, series, then

SETTINGS = Settings()
BOARD = fleet.board(build_catalog(SETTINGS.parameters), SETTINGS)

TAKEN_AWAY = identity("gone", "vllm", "n2", "pod-g")
GONE = {
    series(s.SERVER_UP, **TAKEN_AWAY): then(1, np.nan),
    series(s.REQUESTS_RUNNING, **TAKEN_AWAY, **CHAT): then(3, np.nan),
}
"""A replica less, because somebody wanted it so."""


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replay]:
    with five_servers.started(tmp_path_factory.mktemp("prometheus"), alerts_beside.BESIDE | GONE) as started:
        yield started


def number(replay: Replay, key: str, **chosen: str) -> float:
    return asked(replay, panel(BOARD, key, Number).query, at=NOW, **chosen)[()]


def rows(replay: Replay, key: str, *labels: str) -> dict[tuple[str, ...], dict[str, float]]:
    """Return the values of each row of a table, by the titles of their columns."""
    table = panel(BOARD, key, Table)
    titles = {column.source: column.title for column in table.columns}
    found: dict[tuple[str, ...], dict[str, float]] = {}
    for letter, query in zip("ABCDEFGHIJ", table.queries, strict=False):
        for row, value in asked(replay, query, *labels).items():
            found.setdefault(row, {})[titles[f"Value #{letter}"]] = value
    return found


def test_it_counts_what_fires_without_the_heartbeat_and_without_the_alerts_of_others(replay: Replay) -> None:
    assert number(replay, "pages-firing") == 2
    assert number(replay, "tickets-firing") == 5


def test_it_counts_who_answers_and_who_does_not(replay: Replay) -> None:
    assert number(replay, "servers-answering") == 3
    assert number(replay, "servers-silent") == 2
    assert number(replay, "exporters-silent") == 1
    assert number(replay, "heartbeat-age") == 50


def test_nothing_of_another_cluster_is_counted_and_where_nobody_is_known_none_is_said_to_answer(replay: Replay) -> None:
    for key in ("pages-firing", "tickets-firing"):
        assert number(replay, key, cluster="elsewhere") == 0
    for key in ("servers-answering", "servers-silent", "exporters-silent"):
        assert asked(replay, panel(BOARD, key, Number).query, at=NOW, cluster="elsewhere") == {}


def test_each_fault_that_fires_has_the_colour_of_its_gravest_alert(replay: Replay) -> None:
    bands = panel(BOARD, "alerts-by-fault", States)
    found = asked(replay, bands.queries[0], "alertname")
    assert {name: bands.states[value][0] for (name,), value in found.items()} == {
        "GpuThermalThrottling": "page",
        "ModelServerDown": "page",
        "GpuClockDeficit": "ticket",
        "PrefixCacheCollapse": "ticket",
        "WorkloadMixShift": "ticket",
        "GaugesFrozen": "ticket",
        "DriftMonitorStale": "ticket",
    }


def test_the_table_of_alerts_says_how_long_and_about_what_and_all_where_it_is_about_no_single_one(
    replay: Replay,
) -> None:
    query = panel(BOARD, "alerts-firing", Table).queries[0]
    found = asked(
        replay, query, "alertname", "severity", "model", "namespace", "server", "pod", "node", "gpu", "instance"
    )
    assert found == {
        ("GpuThermalThrottling", "page", "All", "prod", "All", "pod-a", "n1", "0", "All"): 600,
        ("GpuClockDeficit", "ticket", "All", "prod", "All", "pod-a", "n1", "0", "All"): 1200,
        ("PrefixCacheCollapse", "ticket", "chat", "prod", "All", "All", "All", "All", "All"): 60,
        ("ModelServerDown", "page", "All", "prod", "d", "pod-d", "n4", "All", "All"): 90,
        ("WorkloadMixShift", "info", "small", "All", "All", "All", "All", "All", "All"): 30,
        ("WorkloadMixShift", "ticket", "small", "All", "All", "All", "All", "All", "All"): 20,
        ("DriftMonitorStale", "ticket", "All", "All", "All", "All", "All", "All", "All"): 10,
        ("GaugesFrozen", "ticket", "All", "All", "All", "All", "All", "All", "n4:9464"): 5,
    }


def test_an_alert_leads_to_the_incident_board_and_what_it_is_about_to_the_boards_of_these() -> None:
    links = {
        column.title: [link.board for link in column.links] for column in panel(BOARD, "alerts-firing", Table).columns
    }
    assert {title: boards for title, boards in links.items() if boards} == {
        "Alert": ["incident"], "Model": ["model"], "Server": ["server"], "Node": ["gpu-node"], "GPU": ["gpu-node"],
        "Exporter": ["atlas"],
    }  # fmt: skip


def test_each_model_has_a_row_that_counts_the_server_that_is_down_and_not_the_one_that_was_taken_away(
    replay: Replay,
) -> None:
    found = rows(replay, "models", c.MODEL, c.K8S_NAMESPACE)
    chat, small = found["chat", "prod"], found["small", "All"]
    assert set(found) == {("chat", "prod"), ("small", "All")}
    assert (chat["Servers"], chat["Silent"], chat["Waiting"], chat["Fullest KV"]) == (3, 1, 2, 0.7)
    assert chat["Requests"] == pytest.approx(16 / 15)
    assert (small["Servers"], small["Silent"]) == (1, 0)
    assert (chat["Alerts"], small["Alerts"]) == (1, 2)


def test_each_node_with_gpus_has_a_row_with_what_fires_on_it(replay: Replay) -> None:
    found = rows(replay, "nodes", c.HOST_NAME)
    hot = found["n1",]
    assert (hot["GPUs"], hot["Silent"], hot["Hottest"], hot["Held down by heat"]) == (2, 0, 90, 0.4)
    assert {node: row["Alerts"] for (node,), row in found.items()} == {"n1": 2, "n2": 0, "n3": 0, "n4": 1}


@pytest.mark.parametrize(
    ("config", "key", "title", "expected"),
    [
        ("limits: {throttled_time_ratio: 0.25}", "nodes", "Held down by heat", Limit(value=0.25)),
        ('objectives: [{model: "*", availability_target: 0.95}]', "models", "Answered", Limit(value=0.95, below=True)),
        # Red for one of them would be wrong for the other.
        ('objectives: [{model: "a*", availability_target: 0.95}, {model: "*"}]', "models", "Answered", None),
    ],
)
def test_settings_move_the_limits_of_the_tables(config: str, key: str, title: str, expected: Limit | None) -> None:
    def limit(board: Board) -> Limit | None:
        return next(column.limit for column in panel(board, key, Table).columns if column.title == title)

    changed = settings.parse(config)
    assert limit(BOARD) != expected
    assert limit(fleet.board(build_catalog(changed.parameters), changed)) == expected


def test_the_heartbeat_is_red_when_its_rule_fires() -> None:
    changed = settings.parse("limits: {heartbeat_age_seconds: 600}")
    board = fleet.board(build_catalog(changed.parameters), changed)
    assert panel(board, "heartbeat-age", Number).limit == Limit(value=600)
