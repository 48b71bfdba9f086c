"""The server board tells whether a server is there, what came of asking it, what it runs on, and what it tells.

Queries are asked of a real Prometheus that holds `five_servers`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from atlas_ops.catalog import build_catalog
from atlas_ops.catalog.model import Family
from atlas_ops.catalog.parameters import Parameters
from atlas_ops.rehearsal.replay import Replay
from atlas_ops.rehearsal.samples import Series
from atlas_ops.render import links
from atlas_ops.render.dashboards.boards import model, server
from atlas_ops.render.dashboards.panels import Chart, Number, States, Table, of_fault, queries
from atlas_ops.settings import Settings
from tests.render.dashboards.five_servers import (
    BEGAN,
    COLUMNS,
    NOW,
    SMALL,
    A,
    asked,
    constant,
    panel,
    requests,
    started,
)

CATALOG = build_catalog(Parameters())
BOARD = server.board(CATALOG, Settings())


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replay]:
    with started(tmp_path_factory.mktemp("prometheus")) as replay:
        yield replay


def test_the_band_of_a_server_names_what_came_of_each_scrape(replay: Replay) -> None:
    band = panel(BOARD, "server-scrape-states", States)

    def words(at: int) -> dict[str, str]:
        return {who: band.states[value][0] for (who,), value in asked(replay, band.queries[0], "server", at=at).items()}

    assert words(BEGAN + 300) == {"a": "ok", "b": "ok", "c": "ok", "d": "disabled", "e": "ok"}
    assert words(NOW) == {"a": "ok", "b": "unreachable", "c": "ok", "d": "disabled", "e": "ok"}


def test_servers_of_other_models_are_left_out_and_those_that_have_told_no_model_yet_are_not(replay: Replay) -> None:
    up = panel(BOARD, "server-answers", Number)
    assert asked(replay, up.query, "server", model="chat") == {("a",): 1.0, ("b",): 0.0, ("d",): 0.0, ("e",): 1.0}
    assert asked(replay, up.query, "server", server="d") == {("d",): 0.0}
    assert asked(replay, up.query, "server", model="small", server="c") == {("c",): 1.0}


def test_a_server_of_several_models_is_shown_for_each_of_them(tmp_path: Path) -> None:
    also_small = requests(A, SMALL, ended={"ok": 1}, until=constant(0))
    with started(tmp_path, also_small) as both:
        up = panel(BOARD, "server-answers", Number).query
        for name in ("chat", "small"):
            assert ("a",) in asked(both, up, "server", model=name)
        assert ("e",) not in asked(both, up, "server", model="small")


def test_ready_is_who_answers_and_does_not_deny_it(replay: Replay) -> None:
    band = panel(BOARD, "server-ready-states", States)
    told = asked(replay, band.queries[0], "server")
    assert {who: band.states[value][0] for (who,), value in told.items()} == {
        "a": "ready", "b": "not ready", "c": "ready", "e": "not ready",
    }  # fmt: skip


def test_a_server_that_tells_its_start_shows_its_age(replay: Replay) -> None:
    assert asked(replay, panel(BOARD, "server-age", Number).query, "server") == {("a",): 7200.0}


def test_it_is_named_with_version_track_and_release(replay: Replay) -> None:
    info, release, workers = panel(BOARD, "server-identity", Table).queries
    assert set(asked(replay, info, "server", "runtime", "version")) == {("a", "vllm", "0.12.0")}
    assert set(asked(replay, release, "server", "track", "release")) == {("a", "canary", "r7")}
    assert asked(replay, workers, "server") == {("a",): 2.0}


def test_what_the_probe_gets_stands_beside_what_the_server_says_of_itself(replay: Replay) -> None:
    answered = panel(BOARD, "probe-answered", States)
    words = {
        at: answered.states[asked(replay, answered.queries[0], "server", at=at)["a",]][0] for at in (BEGAN + 300, NOW)
    }
    assert list(words.values()) == ["answered", "failed"]
    results = panel(BOARD, "probe-results", Chart).queries[0]
    assert asked(replay, results, "result", server="a") == {("timeout",): 8.0}


def test_gpus_are_those_of_its_pod_and_of_its_node_where_nobody_knows_of_pods(replay: Replay) -> None:
    table = panel(BOARD, "server-gpus", Table)
    busy, memory = table.queries[:2]
    labels = ("host_name", "gpu", "k8s_pod_name")
    assert asked(replay, busy, *labels, server="a") == {("n1", "0", "pod-a"): 0.5}
    assert asked(replay, memory, *labels, server="a") == {("n1", "0", "pod-a"): 0.75}
    for unknown, node in (("c", "n3"), ("d", "n4")):
        assert asked(replay, busy, *labels, server=unknown) == {(node, "0", ""): 0.5}
    of_model = asked(replay, busy, *labels, model="small")
    assert ("n3", "0", "") in of_model
    assert not {node for node, _, _ in of_model} & {"n1", "n2"}


def test_memory_is_that_of_the_model_and_of_every_process_on_its_gpus(replay: Replay) -> None:
    of_model, of_processes = panel(BOARD, "server-gpu-memory", Chart).queries
    assert asked(replay, of_model, "server", "model") == {("a", "chat"): 20.0}
    assert asked(replay, of_processes, "k8s_pod_name", "process", server="a") == {("pod-a", "python"): 25.0}


def test_it_is_said_how_well_each_signal_is_told_and_which_are_missing(replay: Replay) -> None:
    told = panel(BOARD, "signals-told", Table).queries[0]
    assert asked(replay, told, "runtime", "quality") == {("vllm", "direct"): 2.0, ("own", "none"): 1.0}
    missing = panel(BOARD, "signals-unresolved", Table)
    assert asked(replay, missing.queries[0], "server", "signal").keys() == {("e", "atlas_kv_cache_usage_ratio")}
    assert missing.empty, "where all is found it has no rows, and says so"


def test_namesakes_in_another_cluster_stay_apart(tmp_path: Path) -> None:
    west = {Series(one.name, (*one.labels, ("cluster", "west"))): values for one, values in COLUMNS.items()}
    boards = (BOARD, model.board(CATALOG, Settings()))
    with started(tmp_path, west) as both:
        up = panel(BOARD, "server-answers", Number).query
        assert asked(both, up, "cluster", server="b") == {("",): 0.0, ("west",): 0.0}
        assert asked(both, up, "cluster", server="b", cluster="west") == {("west",): 0.0}
        states = panel(boards[1], "replicas-table", Table).queries[0]
        assert asked(both, states, "cluster", "server", "state", model="small").keys() == {
            ("", "c", "ok"),
            ("west", "c", "ok"),
        }
        for query in (
            query for board in boards for row in board.rows for shown in row.panels for query in queries(shown)
        ):
            asked(both, query)  # a join that finds two of one name is refused


def test_the_charts_that_alerts_of_availability_link_to_are_its_last_row() -> None:
    assert links.BOARD_OF_FAMILY[Family.AVAILABILITY] == BOARD.name
    assert [shown.key for shown in BOARD.rows[-1].panels] == [
        of_fault(fault) for fault in CATALOG.of_family(Family.AVAILABILITY)
    ]
