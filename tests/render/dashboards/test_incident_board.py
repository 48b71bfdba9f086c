"""The incident board tells what an alert is about, what else happens there, and who feels it. Asked of a real Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from atlas_ops.catalog import build_catalog
from atlas_ops.catalog import conventions as c
from atlas_ops.rehearsal.replay import Replay
from atlas_ops.render.dashboards.boards import incident
from atlas_ops.render.dashboards.panels import Chart, States, Table
from atlas_ops.settings import Settings
from tests.render.dashboards import alerts_beside, five_servers
from tests.render.dashboards.five_servers import NOW, asked, panel

SETTINGS = Settings()
BOARD = incident.board(build_catalog(SETTINGS.parameters), SETTINGS)
HOT = {"alertname": "GpuThermalThrottling", "namespace": "prod", "pod": "pod-a", "node": "n1", "gpu": "0"}
"""What the link of the alert chooses."""
WATCHERS = {"GaugesFrozen", "DriftMonitorStale"}
"""Alerts about neither a node nor a model."""


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replay]:
    with five_servers.started(tmp_path_factory.mktemp("prometheus"), alerts_beside.BESIDE) as started:
        yield started


def course(replay: Replay, **chosen: str) -> dict[str, str]:
    bands = panel(BOARD, "alert-course", States)
    return {
        name: bands.states[value][0]
        for (name,), value in asked(replay, bands.queries[0], "alertname", at=NOW, **chosen).items()
    }


def around(replay: Replay, **chosen: str) -> set[str]:
    table = asked(replay, panel(BOARD, "alerts-firing", Table).queries[0], "alertname", at=NOW, **chosen)
    bands = asked(replay, panel(BOARD, "alerts-by-fault", States).queries[0], "alertname", at=NOW, **chosen)
    assert table.keys() == bands.keys()
    return {name for (name,) in table}


def test_the_alert_that_is_chosen_is_shown_alone_firing_or_still_pending(replay: Replay) -> None:
    assert course(replay, **HOT) == {"GpuThermalThrottling": "firing"}
    assert course(replay, alertname="QueueBacklog", model="chat", server="a") == {"QueueBacklog": "pending"}
    assert course(replay, alertname="GpuThermalThrottling", node="n2") == {}


def test_around_an_alert_about_a_node_are_those_on_it_and_of_its_models_and_those_of_the_watchers(
    replay: Replay,
) -> None:
    on_n1 = {"GpuThermalThrottling", "GpuClockDeficit", "PrefixCacheCollapse", *WATCHERS}
    assert around(replay, **HOT) == on_n1
    assert around(replay, node="n3") == {"WorkloadMixShift", *WATCHERS}


def test_around_an_alert_about_a_model_are_those_on_all_nodes_that_it_runs_on(replay: Replay) -> None:
    on_n1 = {"GpuThermalThrottling", "GpuClockDeficit", "PrefixCacheCollapse", *WATCHERS}
    assert around(replay, model="chat") == on_n1
    assert around(replay, model="small") == {"WorkloadMixShift", *WATCHERS}


def test_with_nothing_chosen_everything_that_fires_is_there(replay: Replay) -> None:
    assert around(replay) == {
        "GpuThermalThrottling", "GpuClockDeficit", "PrefixCacheCollapse", "ModelServerDown", "WorkloadMixShift",
        *WATCHERS,
    }  # fmt: skip


def test_what_users_and_servers_do_is_that_of_the_pod_on_the_hot_gpu_or_of_all_replicas_of_a_model(
    replay: Replay,
) -> None:
    def servers(**chosen: str) -> set[str]:
        states = panel(BOARD, "server-scrape-states", States).queries[0]
        return {server for (server,) in asked(replay, states, c.SERVER, at=NOW, **chosen)}

    ended = panel(BOARD, "requests-by-outcome", Chart).queries[0]
    assert sum(asked(replay, ended, "outcome", at=NOW, **HOT).values()) == pytest.approx(16 / 15)
    assert not asked(replay, ended, "outcome", node="n4")
    assert servers(**HOT) == {"a"}
    assert servers(model="chat") == {"a", "b", "d", "e"}, "d has never told whose it is"


def test_an_alert_about_a_model_shows_the_gpus_of_the_nodes_that_it_runs_on_and_no_others(replay: Replay) -> None:
    temperature = panel(BOARD, "gpu-temperature", Chart).queries[0]

    def gpus(**chosen: str) -> set[tuple[str, ...]]:
        return set(asked(replay, temperature, c.HOST_NAME, c.GPU, at=NOW, **chosen))

    assert gpus(model="chat", namespace="prod") == {("n1", "0"), ("n1", "1"), ("n2", "0")}
    assert gpus(model="small") == {("n3", "0")}
    assert gpus(**HOT) == {("n1", "0")}
    assert len(gpus()) == 4
