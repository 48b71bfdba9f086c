"""A real server that is measured by `instrument`, as the exporter shows it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from atlas_ops.catalog import signals as s
from tests.instrument.server import InstrumentedServer, running_server
from tests.instrument.server_app import CLASSIFIER, IN_LINE, SLOTS, WRITER
from tests.servers.exported import Exported, exported, fallen
from tests.servers.page import settled


@pytest.fixture(scope="module")
def server() -> Iterator[InstrumentedServer]:
    with running_server() as running:
        yield running


@pytest.fixture
def exporter(server: InstrumentedServer) -> Iterator[Exported]:
    with exported(f"{server.url}/metrics") as watching:
        yield watching


def test_outcomes_and_batches_are_those_of_the_clients(server: InstrumentedServer, exporter: Exported) -> None:
    idle = exporter.page()
    assert [server.predict(rows=3) for _ in range(4)] == ["200"] * 4
    # The first failure gives every series of the durations a label more, the empty error_type.
    assert settled(lambda: exporter.page().outcomes(CLASSIFIER), {"ok": 4}) == {"ok": 4}
    assert server.predict(columns=3) == "500"
    assert server.predict(terminate=True) == "500"
    expected = {"ok": 4, "error": 1, "cancelled": 1}
    assert settled(lambda: exporter.page().outcomes(CLASSIFIER), expected) == expected
    page = exporter.page()
    assert page.value(s.BATCHES, model=CLASSIFIER) == 4
    assert page.value(s.BATCHED_REQUESTS, model=CLASSIFIER) == 12
    assert page.value(s.REQUEST_DURATION, "_count", model=CLASSIFIER) == 4, "failures are often fast and would flatter"
    assert page.value(s.MODEL_READY, model=CLASSIFIER) == 1
    assert not fallen([idle, page])


def test_streams_have_first_tokens_a_pace_and_tokens(server: InstrumentedServer, exporter: Exported) -> None:
    assert [server.generate(tokens=5) for _ in range(3)] == ["200"] * 3
    assert server.generate(breaks=True) == "broken"
    expected = {"ok": 3, "timeout": 1}
    assert settled(lambda: exporter.page().outcomes(WRITER), expected) == expected
    page = exporter.page()
    assert page.value(s.TIME_TO_FIRST_TOKEN, "_count", model=WRITER) == 4
    assert page.value(s.INTER_TOKEN_LATENCY, "_count", model=WRITER) == 3
    assert page.value(s.PROMPT_TOKENS, model=WRITER) == 4 * 7
    assert page.value(s.CACHED_PROMPT_TOKENS, model=WRITER) == 4 * 3
    assert page.value(s.GENERATION_TOKENS, model=WRITER) == 3 * 5 + 3


def test_a_crowd_runs_and_waits_within_the_limits(server: InstrumentedServer, exporter: Exported) -> None:
    before = exporter.page().outcomes(WRITER).get("rejected", 0)
    with server.crowd(SLOTS + IN_LINE) as crowd:
        assert settled(lambda: (running(exporter), waiting(exporter)), (SLOTS, IN_LINE)) == (SLOTS, IN_LINE)
        assert server.generate() == "429"
    assert {one.result() for one in crowd} == {"200"}
    assert settled(lambda: (running(exporter), waiting(exporter)), (0, 0)) == (0, 0)
    page = exporter.page()
    assert page.outcomes(WRITER)["rejected"] == before + 1
    assert page.value(s.REQUESTS_CAPACITY, model=WRITER) == SLOTS
    assert page.value(s.QUEUE_CAPACITY, model=WRITER) == IN_LINE


def running(exporter: Exported) -> float:
    return exporter.page().value(s.REQUESTS_RUNNING, model=WRITER)


def waiting(exporter: Exported) -> float:
    return exporter.page().value(s.REQUESTS_WAITING, model=WRITER)
