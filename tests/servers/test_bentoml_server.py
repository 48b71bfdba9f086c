"""A real BentoML as its clients see it, and as the exporter tells it: the same numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from atlas_ops.catalog import signals as s
from tests.servers.bentoml_server import BentomlServer, running_bentoml
from tests.servers.exported import Exported, exported
from tests.servers.page import settled

ENDS = {"200": "ok", "429": "rejected", "500": "error", "504": "timeout"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BentomlServer]:
    with running_bentoml(tmp_path_factory.mktemp("bentoml")) as bentoml:
        yield bentoml


@pytest.fixture
def told(server: BentomlServer) -> Iterator[Exported]:
    with exported(server.metrics_url) as watched:
        yield watched


def ended(statuses: Counter[str]) -> Counter[str]:
    """What the clients saw, in the exporter's words."""
    return Counter({outcome: statuses[status] for status, outcome in ENDS.items() if statuses[status]})


def test_a_server_that_nobody_has_asked_yet_is_ready_and_runs_nothing(told: Exported) -> None:
    assert settled(lambda: told.page().has(s.SERVER_READY), expected=True)
    page = told.page()
    assert page.value(s.SERVER_READY, runtime="bentoml") == 1
    assert page.value(s.REQUESTS_RUNNING, model="Doubler") == 0


def test_requests_end_as_their_clients_saw_it_whatever_the_way(server: BentomlServer, told: Exported) -> None:
    before = told.outcomes()
    seen = server.load(40, clients=6, seconds=0.01)
    seen += server.load(16, clients=16, seconds=0.4)  # twice as many at once as it takes
    seen += Counter([server.ask(-1), server.ask(1, seconds=2.0)])
    assert {"200", "429", "500", "504"} <= set(seen)
    assert settled(lambda: told.outcomes() - before, expected=ended(seen)) == ended(seen)


def test_only_good_answers_are_timed(server: BentomlServer, told: Exported) -> None:
    before = told.total(s.REQUEST_DURATION, "_count")
    seen = server.load(10, clients=2, seconds=0.05) + Counter([server.ask(-1)])
    assert settled(lambda: told.total(s.REQUEST_DURATION, "_count") - before, expected=10) == seen["200"] == 10
