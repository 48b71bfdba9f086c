"""The simulated servers over HTTP, as the exporter's own parts see them."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.dialects import shipped_dialects
from atlas_ops.exporter.deadline import Deadline
from atlas_ops.exporter.fetch import Fetcher
from atlas_ops.exporter.identity import Identity
from atlas_ops.exporter.parse import Parser
from atlas_ops.exporter.probe.prober import Prober
from atlas_ops.exporter.scrape_state import ScrapeFailure, ScrapeState
from atlas_ops.exporter.watched_server import WatchedServer
from atlas_ops.settings import Exporter, Probe, Server
from atlas_ops.simulator import Fleet, Scenario, SimulatorServer
from atlas_ops.simulator.effects import Answer, Effect, ServerEffect
from atlas_ops.simulator.probing import PROBE_API
from atlas_ops.simulator.scenario import Phase
from atlas_ops.simulator.scenarios.traffic import CALM
from atlas_ops.stage.processes import get, post

STATES = {
    Answer.PAGE: "200",
    Answer.FROZEN: "200",
    Answer.REFUSED: "refused",
    Answer.LOADING: "503",
    Answer.HANGS: ScrapeState.TIMEOUT.value,
    Answer.UNAUTHORIZED: "401",
    Answer.DISABLED: "404",
    Answer.GARBAGE: ScrapeState.UNPARSABLE.value,
}


@contextlib.contextmanager
def serving(effect: ServerEffect, *, calm: Effect = CALM) -> Iterator[SimulatorServer]:
    """Let server 0 be under an effect, and time stand still."""
    course = (Phase(effect=replace(CALM, servers={0: effect})),)
    fleet = Fleet(scenario=Scenario(name="", description="", calm=calm, course=course))
    fleet.set_fault(active=True)
    fleet.advance(1)
    with SimulatorServer(fleet, speed=0) as server:
        yield server


def scraped(url: str, *, seconds: float) -> str:
    """Return how a scrape by the exporter ends."""
    fetcher = Fetcher(max_bytes=1 << 20)
    try:
        answer = fetcher.get(f"{url}/metrics", Deadline(seconds))
        if answer.status == 200:
            Parser().parse(answer.body)
    except ScrapeFailure as failure:
        return "refused" if failure.loading else failure.state.value
    return str(answer.status)


@pytest.mark.parametrize("answer", Answer)
def test_a_scrape_ends_as_the_effect_says(answer: Answer) -> None:
    with serving(ServerEffect(answer=answer)) as server:
        until = 20.0 if answer is not Answer.HANGS else 0.3
        await_state(server.server_urls[0], listens=answer is not Answer.REFUSED)
        assert scraped(server.server_urls[0], seconds=until) == STATES[answer]
        assert scraped(server.server_urls[1], seconds=20) == "200"


def await_state(url: str, *, listens: bool) -> None:
    """Wait until somebody listens at an address, or nobody."""
    parts = urlsplit(url)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with socket.socket() as client:
            if (client.connect_ex((parts.hostname, parts.port)) == 0) is listens:
                return
        time.sleep(0.01)
    raise AssertionError(f"{url} {'does not listen' if listens else 'listens'} after 20 s")


def test_a_port_that_was_closed_is_the_same_when_it_opens_again() -> None:
    gone = replace(CALM, servers={0: ServerEffect(answer=Answer.REFUSED)})
    fleet = Fleet(scenario=Scenario(name="", description="", calm=CALM, course=(Phase(effect=gone),)))
    with SimulatorServer(fleet) as server:
        url = server.server_urls[0]
        for active in ("true", "false", "true"):
            assert post(f"{server.control_url}/-/fault?active={active}")[0] == 200
            await_state(url, listens=active == "false")
        assert server.server_urls[0] == url


@pytest.mark.parametrize(("ready", "status"), [(True, 200), (False, 503)])
def test_readiness_is_told_at_health(*, ready: bool, status: int) -> None:
    with serving(ServerEffect(ready=ready)) as server:
        assert get(f"{server.server_urls[0]}/health")[0] == status


@pytest.mark.parametrize("result", c.PROBE_RESULTS)
@pytest.mark.parametrize("api", ["openai", PROBE_API])
def test_the_real_probe_ends_as_the_effect_says(result: str, api: str) -> None:
    # A server cannot close its port for one client alone, and is not to blame for what the probe did not send.
    expected = {"refused": "unreachable", "not_sent": "ok"}.get(result, result)
    with serving(ServerEffect(probe=result)) as server:
        probe = Probe(model="m", api=api, timeout_seconds=0.3 if result == "timeout" else 20)
        assert Prober(probe, server.server_urls[0]).ask().result.value == expected
        assert Prober(replace(probe, timeout_seconds=20), server.server_urls[1]).ask().result.value == "ok"


def test_a_hung_engine_hangs_for_the_probe_too() -> None:
    with serving(ServerEffect(stalled=True)) as server:
        probe = Probe(model="m", api=PROBE_API, timeout_seconds=0.3)
        assert Prober(probe, server.server_urls[0]).ask().result.value == "timeout"


def test_what_is_told_outside_is_canonical_and_leaves_out_what_the_demo_has_for_real() -> None:
    with serving(ServerEffect(probe="ok")) as server:
        status, body = get(f"{server.control_url}/outside")
    Parser().parse(body)
    names = {line.split("{")[0].split(" ")[0] for line in body.decode().splitlines()}
    assert status == 200
    assert "atlas_watch_last_success_timestamp_seconds" in names
    assert not any(name.startswith(("atlas_pager_", "atlas_probe")) for name in names)


@pytest.mark.parametrize("ready", [True, False])
def test_triton_tells_its_readiness_and_its_page_where_the_exporter_asks_for_them(*, ready: bool) -> None:
    effect = ServerEffect(runtime="triton", ready=ready)
    with serving(effect, calm=replace(CALM, every_server=ServerEffect(runtime="triton"))) as server:
        url = server.server_urls[0]
        settings = Server(url=url, api_url=url)
        watched = WatchedServer(settings, Identity(server="s"), Exporter(), shipped_dialects(), lambda: None)
        page = watched.scrape(Deadline(20))
        watched.ask(Deadline(20))
        told = {one.signal: one.value for one in watched.besides(page)}
        watched.close()
    assert watched.runtime == "triton"
    assert (told[s.SERVER_READY], told[s.MODEL_READY]) == (float(ready), float(ready))
    assert s.QUEUE_CAPACITY not in told
