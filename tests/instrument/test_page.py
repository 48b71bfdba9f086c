"""The page of a server is there as text, as an ASGI app, and at an address of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import Metric
from prometheus_client.registry import Collector

from atlas_ops.errors import EnvironmentProblem, UsageError
from atlas_ops.instrument import Instrument
from tests.instrument.telling import ended, value
from tests.servers.page import fetch


@pytest.fixture
def ops() -> Instrument:
    ops = Instrument("m")
    with ops.request():
        pass
    return ops


async def ask(app: FastAPI) -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://server", trust_env=False) as client:
        return await client.get("/metrics")


def test_an_app_shows_the_page_without_a_redirect(ops: Instrument) -> None:
    app = FastAPI()
    app.add_route("/metrics", ops.asgi_app())
    answer = asyncio.run(ask(app))
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert ended(answer.text) == {"ok": 1}


def test_the_page_has_nothing_of_opentelemetrys_own(ops: Instrument) -> None:
    assert "otel_" not in ops.text()
    assert "target_info" not in ops.text()


def test_a_page_of_its_own_is_served_until_it_is_closed(ops: Instrument) -> None:
    with ops.serve("127.0.0.1:0") as serving:
        assert ended(fetch(serving.url)) == {"ok": 1}
    with pytest.raises(httpx.ConnectError):
        fetch(serving.url)


def test_a_restart_can_be_seen(ops: Instrument) -> None:
    assert (value(ops, "process_start_time_seconds") or 0) > 0


class Meeting(Collector):
    """A collector that waits a little for somebody else to be in it as well."""

    def __init__(self) -> None:
        self._barrier = threading.Barrier(2)
        self.met = False

    def collect(self) -> Iterable[Metric]:
        with contextlib.suppress(threading.BrokenBarrierError):
            self._barrier.wait(timeout=0.3)
            self.met = True
        return ()


def test_scrapes_at_the_same_time_are_made_one_after_the_other(ops: Instrument) -> None:
    meeting = Meeting()
    assert ops._registry
    ops._registry.register(meeting)
    with ThreadPoolExecutor(2) as pool:
        assert [ended(page) for page in pool.map(lambda _: ops.text(), range(2))] == [{"ok": 1}] * 2
    assert not meeting.met


def test_an_address_that_is_taken_says_so(ops: Instrument) -> None:
    with ops.serve("127.0.0.1:0") as serving:
        address = serving.url.removeprefix("http://").removesuffix("/metrics")
        with pytest.raises(EnvironmentProblem, match=f"cannot be served at {address}"):
            ops.serve(address)


@pytest.mark.parametrize("address", ["9470", ":9470", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:70000"])
def test_an_address_that_is_none_says_what_one_looks_like(ops: Instrument, address: str) -> None:
    with pytest.raises(UsageError, match=r"expected host:port.*\n.*127\.0\.0\.1:9470"):
        ops.serve(address)
