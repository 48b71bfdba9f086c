"""A real server that is measured by `instrument`: its page says what its clients saw."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.instrument.server import InstrumentedServer, running_server
from tests.instrument.server_app import CLASSIFIER, IN_LINE, SLOTS, WRITER
from tests.instrument.telling import MODEL, ended, failures, value
from tests.servers.page import samples, settled

FULL, IDLE = (float(SLOTS), float(IN_LINE)), (0.0, 0.0)


@pytest.fixture(scope="module")
def server() -> Iterator[InstrumentedServer]:
    with running_server() as running:
        yield running


def more(server: InstrumentedServer, model: str, before: dict[str, float]) -> dict[str, float]:
    """What has ended since `before`."""
    now = ended(server.page(), model)
    return {outcome: count - before.get(outcome, 0) for outcome, count in now.items() if count > before.get(outcome, 0)}


def test_a_loaded_model_is_ready_when_the_first_request_comes(server: InstrumentedServer) -> None:
    page = server.page()
    assert value(page, "atlas_ops_model_ready", **{MODEL: CLASSIFIER}) == 1
    assert (value(page, "atlas_ops_model_load_duration_seconds", **{MODEL: CLASSIFIER}) or 0) > 0


def test_runs_of_a_session_are_counted_as_their_clients_saw_them(server: InstrumentedServer) -> None:
    before = ended(server.page(), CLASSIFIER)
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda number: server.predict(rows=number), [1, 2, 3, 4] * 5)) == {"200"}
    assert [server.predict(columns=3) for _ in range(3)] == ["500"] * 3
    assert server.predict(terminate=True) == "500"
    expected = {"ok": 20.0, "error": 3.0, "cancelled": 1.0}
    assert settled(lambda: more(server, CLASSIFIER, before), expected) == expected
    page = server.page()
    assert value(page, "atlas_ops_batches_total", **{MODEL: CLASSIFIER}) == 20
    assert value(page, "atlas_ops_batched_requests_total", **{MODEL: CLASSIFIER}) == 50


def test_features_are_counted_as_they_came_in_and_went_out(server: InstrumentedServer) -> None:
    def told() -> dict[tuple[str, str], float]:
        found = samples(server.page(), "atlas_feature_values_total")
        return {(one.labels["feature"], one.labels["bin"]): one.value for one in found}

    before = told()
    assert before["first", "above"] == before["prediction", "unseen"] == 0, (
        "all bins are there before anything is in them"
    )
    assert server.predict(rows=3) == "200"
    assert server.predict(columns=2) == "500"
    more = {key: value - before[key] for key, value in told().items() if value > before[key]}
    assert more == {("first", "00"): 4, ("prediction", "4.0"): 3}


def test_streams_end_as_their_clients_saw_them_and_the_probe_leaves_no_trace(server: InstrumentedServer) -> None:
    before = ended(server.page(), WRITER)
    assert server.generate(tokens=3) == "200"
    assert server.generate(tokens=4, breaks=True) == "broken"
    assert server.generate(tokens=1000, hang_up_after=2) == "hung up"
    assert server.generate(user_agent="atlas-ops-probe/9") == "200"
    expected = {"ok": 1.0, "timeout": 1.0, "cancelled": 1.0}
    assert settled(lambda: more(server, WRITER, before), expected) == expected


def test_a_crowd_stands_in_line_and_who_finds_no_place_is_rejected(server: InstrumentedServer) -> None:
    before = ended(server.page(), WRITER)
    with server.crowd(SLOTS + IN_LINE) as crowd:
        assert settled(lambda: load_of(server), FULL) == FULL
        assert [server.generate() for _ in range(3)] == ["429"] * 3
    assert {one.result() for one in crowd} == {"200"}
    expected = {"ok": float(SLOTS + IN_LINE), "rejected": 3.0}
    assert settled(lambda: more(server, WRITER, before), expected) == expected
    assert settled(lambda: load_of(server), IDLE) == IDLE
    assert failures(server.page()) == 0


def load_of(server: InstrumentedServer) -> tuple[float | None, float | None]:
    """How many of the writer's requests run, and how many wait."""
    page = server.page()
    running, waiting = (
        value(page, f"atlas_ops_requests_{state}", **{MODEL: WRITER}) for state in ("running", "waiting")
    )
    return running, waiting
