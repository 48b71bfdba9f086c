"""The model board counts what users asked for, and every replica of the model, those that are down as well.

Queries are asked of a real Prometheus that holds `five_servers`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from atlas_ops.catalog import build_catalog
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.limits import Limits
from atlas_ops.catalog.parameters import Objective, Parameters
from atlas_ops.rehearsal.replay import Replay
from atlas_ops.render.dashboards import coverage
from atlas_ops.render.dashboards.boards import model
from atlas_ops.render.dashboards.boards import server as server_board
from atlas_ops.render.dashboards.panels import Board, Chart, Column, Gauge, Note, Number, Table
from atlas_ops.settings import Server, Settings
from tests.render.dashboards.five_servers import asked, constant, identity, panel, requests, scrapes, series, started


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replay]:
    with started(tmp_path_factory.mktemp("prometheus")) as replay:
        yield replay


PARAMETERS = Parameters()
CATALOG = build_catalog(PARAMETERS)


def board(parameters: Parameters = PARAMETERS) -> Board:
    return model.board(build_catalog(parameters), Settings(parameters=parameters))


def test_requests_that_clients_gave_up_are_neither_answered_nor_failed(replay: Replay) -> None:
    answered = panel(board(), "requests-answered", Number)
    # `b` is down and ended nothing in the last minutes.
    assert asked(replay, answered.query, "model")["chat",] == 0.5
    rejected = panel(board(), "requests-rejected", Chart)
    assert asked(replay, rejected.queries[0], "model")["chat",] == 0.25


def test_a_model_that_nobody_asks_has_no_share_and_is_there_all_the_same(replay: Replay) -> None:
    answered, rejected = panel(board(), "requests-answered", Number), panel(board(), "requests-rejected", Chart)
    for query in (answered.query, *rejected.queries):
        assert math.isnan(asked(replay, query, "model")["small",])


def test_a_replica_that_is_down_or_says_no_counts_as_one_that_is_not_ready(replay: Replay) -> None:
    share = panel(board(), "replicas-ready", Number)
    # Of a, b and e only a is ready; c, which has no readiness to tell, is ready because it answers.
    assert asked(replay, share.query, "model") == {("chat",): 0.333333, ("small",): 1.0}
    known, ready = panel(board(), "replicas", Chart).queries[:2]
    assert asked(replay, known, "model", model="chat") == {("chat",): 3.0}
    assert asked(replay, ready, "model", model="chat") == {("chat",): 1.0}


def test_a_model_none_of_whose_replicas_is_ready_has_a_share_of_nothing(tmp_path: Path) -> None:
    asleep, who = {"model": "asleep"}, identity("f", "vllm", "n5", "pod-f")
    beside = {
        **scrapes(who, "ok"),
        **requests(who, asleep, ended={}, until=constant(0)),
        series(s.MODEL_READY, **who, **asleep): constant(0),
    }
    with started(tmp_path, beside) as both:
        assert asked(both, panel(board(), "replicas-ready", Number).query, "model")["asleep",] == 0.0
        known, ready = panel(board(), "replicas", Chart).queries[:2]
        assert asked(both, known, "model", model="asleep") == {("asleep",): 1.0}
        assert asked(both, ready, "model", model="asleep") == {("asleep",): 0.0}


def test_each_replica_has_a_line_with_what_came_of_the_last_scrape(replay: Replay) -> None:
    table = panel(board(), "replicas-table", Table)
    states = asked(replay, table.queries[0], "server", "state", model="chat")
    assert set(states) == {("a", "ok"), ("b", "unreachable"), ("e", "ok")}
    values = {column.title: asked(replay, table.queries["ABCDEFG".index(column.source[-1])], "server", model="chat")
              for column in table.columns if column.source.startswith("Value")}  # fmt: skip
    assert values == {
        "Ready": {("a",): 1.0, ("b",): 0.0, ("e",): 0.0},
        "Requests": {("a",): round(16 / 15, 6), ("e",): 0.0},
        "Running": {("a",): 3.0, ("e",): 3.0},
        "Waiting": {("a",): 2.0},
        "Tokens/s": {("a",): 20.0},
        "KV cache": {("a",): 0.7, ("e",): 0.1},
    }


def test_a_line_leads_to_the_board_of_its_server_by_labels_that_it_shows() -> None:
    columns = panel(board(), "replicas-table", Table).columns
    (link,) = next(column for column in columns if column.links).links
    settings = Settings()
    target = server_board.board(build_catalog(settings.parameters), settings)
    assert link.board == target.name
    assert set(link.variables) <= {variable.name for variable in target.variables}
    assert set(link.variables.values()) <= {column.source for column in columns}


def test_another_model_is_left_out_everywhere(replay: Replay) -> None:
    for row in board().rows:
        for shown in row.panels:
            if isinstance(shown, Number | Chart) and shown.key not in ("replicas-load", "replicas-pace"):
                for query in (shown.query,) if isinstance(shown, Number) else shown.queries:
                    assert ("small",) not in asked(replay, query, "model", model="chat"), shown.key


def test_ratios_of_caches_speculation_and_batches_are_those_of_their_counters(replay: Replay) -> None:
    expected = {
        "prefix-cache-hits": ("chat", 0.4),
        "speculation-accepted": ("chat", 0.6),
        "queue-batch-size": ("small", 4.0),
    }
    for key, (name, value) in expected.items():
        assert asked(replay, panel(board(), key, Chart).queries[0], "model")[name,] == value
    fullest = panel(board(), "kv-cache-fullest", Gauge)
    assert asked(replay, fullest.query, "model") == {("chat",): 0.7}


def test_lines_and_limits_move_with_the_settings() -> None:
    parameters = Parameters(
        limits=Limits(kv_cache_usage_ratio=0.8, straggler_slowness_ratio=3, rejected_requests_ratio=0.2),
        objectives=(
            Objective(model="a", availability_target=0.95, queue_wait_seconds=4),
            Objective(queue_wait_seconds=8),
        ),
    )
    changed = board(parameters)
    limits = {
        shown.key: shown.limit.value
        for row in changed.rows
        for shown in row.panels
        if isinstance(shown, Chart | Number) and shown.limit
    }
    assert limits["kv-cache-usage"] == 0.8
    assert limits["replicas-slowness"] == 3
    assert limits["requests-rejected"] == 0.2
    assert limits["queue-predicted-wait"] == 4, "the shortest wait that was promised"
    assert limits["requests-answered"] == 0.999, "the most that was promised"


def test_the_share_of_first_tokens_in_time_holds_each_model_to_its_own_objective() -> None:
    hasty = Objective(model="small*", time_to_first_token_seconds=0.5)
    expr = panel(board(Parameters(objectives=(hasty, Objective()))), "first-token-in-time-now", Number).query.expr
    first, second = expr.split("\nor\n")
    assert 'model=~"small.*"' in first
    assert 'model!~"small.*"' in second


def test_the_state_of_a_replica_is_shown_as_a_word() -> None:
    table = panel(board(), "replicas-table", Table)
    assert Column(source="state", title="Last scrape") in table.columns
    assert "Value #A" not in {column.source for column in table.columns}, "it is 1 for every replica"


def test_servers_that_know_no_tokens_are_shown_without_what_is_about_tokens() -> None:
    settings = Settings(servers=(Server(url="http://127.0.0.1:3000", runtime="bentoml"),))
    boards = (model.board(CATALOG, settings), server_board.board(CATALOG, settings))
    for one in coverage.covered(boards, CATALOG, settings):
        shown = {panel.key: panel for row in one.rows for panel in row.panels}
        assert not {key for key in shown if key.startswith(("tokens-", "first-token-", "kv-cache-", "prefix-"))}
        assert {"requests-answered", "requests-by-outcome", "queue-batch-size", "whole-request-within"} <= shown.keys()
        note = shown[coverage.KEY]
        assert isinstance(note, Note)
        assert "Tokens per second, in and out" in note.text
    table = panel(coverage.covered(boards[:1], CATALOG, settings)[0], "replicas-table", Table)
    assert [query.legend for query in table.queries] == ["last scrape", "ready", "requests", "running"]
