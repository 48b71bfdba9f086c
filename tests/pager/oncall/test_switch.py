"""The dead man's switch: silence is a page, once, through restarts and set clocks, and it is over when the pager hears again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from atlas_ops.pager.incident import Headline, Notification
from atlas_ops.pager.oncall import reach, untold
from atlas_ops.pager.oncall import switch as oncall_switch
from atlas_ops.pager.oncall.reach import Answers, Heard, Heartbeat, State
from atlas_ops.pager.oncall.switch import HEARTBEAT, PROMETHEUS, Switch
from atlas_ops.pager.store.absences import Absence
from atlas_ops.pager.store.store import Store
from atlas_ops.pager.ways.telling import Way
from atlas_ops.postgresql import Server
from atlas_ops.settings.people import Target
from tests.pager.lists import open_incidents, past_incidents
from tests.pager.rig import eventually

SECOND = Target(name="fallback", emails=("oncall@example.org",))
BEAT = Notification(key="k", alerts=(), truncated=0, heartbeat=True)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(tmp_path / "pager.db")) as opened:
        yield opened


@dataclass
class Clock:
    """The clocks that `reach` looks at; `monotonic` cannot be set."""

    now: float = 1_800_000_000.0
    running: float = 1000.0

    def pass_(self, seconds: float) -> None:
        self.now += seconds
        self.running += seconds

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.running


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(reach, "time", found)
    return found


@dataclass
class Said:
    """A source that says what it is told to."""

    heard: Heard = field(default_factory=lambda: Heard(state=State.WELL))

    def ask(self) -> Heard:
        return self.heard


SILENT = Heard(state=State.SILENT, told="Alertmanager's heartbeat last came at 10:00")
WELL = Heard(state=State.WELL)


def switch(store: Store, said: Said, variant: str = HEARTBEAT, instance: str = "one") -> Switch:
    return Switch(store, {variant: said}, SECOND, instance=instance)


def only(store: Store) -> Headline:
    (found,) = open_incidents(store)
    return found


# --- the page ---------------------------------------------------------------------------------------------------------


def test_silence_is_one_page_with_a_runbook_told_by_a_second_way_too_and_over_when_the_pager_hears(
    store: Store,
) -> None:
    said = Said(SILENT)
    work = switch(store, said)
    work.round()
    work.round()
    page = only(store)
    assert (page.fault, page.severity) == ("PagerDeliveryFailing", "page")
    assert page.summary == "Alertmanager's heartbeat last came at 10:00."
    assert store.tellings.pending() == (("fallback", Way.EMAIL),)
    batch = store.tellings.claim("fallback", Way.EMAIL)
    assert batch
    assert len(batch.tellings) == 1
    said.heard = WELL
    work.round()
    assert open_incidents(store) == ()
    assert [head.id for head in past_incidents(store)] == [page.id]


def test_a_page_that_did_not_change_is_not_told_again_and_the_next_silence_is_another(store: Store) -> None:
    said, changes = Said(SILENT), []
    work = Switch(store, {HEARTBEAT: said}, SECOND, instance="one", changed=lambda: changes.append(1))
    for _ in range(3):
        work.round()
    assert len(changes) == 1
    first = only(store).id
    said.heard = WELL
    work.round()
    said.heard = SILENT
    work.round()
    assert only(store).id != first


def test_after_a_restart_the_page_stays_until_something_is_known(address: Path | Server) -> None:
    with closing(Store(address)) as store:
        switch(store, Said(SILENT)).round()
        page = only(store).id
    with closing(Store(address)) as store:
        said = Said(Heard(state=State.UNKNOWN))
        work = switch(store, said)
        work.round()
        assert only(store).id == page
        said.heard = SILENT
        work.round()
        assert only(store).id == page
        said.heard = WELL
        work.round()
        assert open_incidents(store) == ()


def test_what_one_pager_does_not_reach_is_not_ended_by_another_that_does(store: Store) -> None:
    switch(store, Said(SILENT), "prometheus", "one").round()
    switch(store, Said(WELL), "prometheus", "two").round()
    assert only(store).place == "one"
    switch(store, Said(WELL), "prometheus", "one").round()
    assert open_incidents(store) == ()


def test_the_page_of_a_pager_that_is_gone_for_good_ends_and_that_of_one_that_is_there_stays(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In Kubernetes a pager that is started again has another name."""
    gone, there = (switch(store, Said(SILENT), PROMETHEUS, name) for name in ("gone", "there"))
    gone.round()
    there.round()
    assert {head.place for head in open_incidents(store)} == {"gone", "there"}, "it may only be slow"
    monkeypatch.setattr(oncall_switch, "GONE_SECONDS", 0.5)
    time.sleep(0.6)
    there.round()
    assert only(store).place == "there"
    [over] = past_incidents(store)
    work = store.incidents.work(over.id)
    assert work
    assert work.events[-1].text.endswith("the pager that told it is gone")


@pytest.mark.parametrize("variant", [HEARTBEAT, PROMETHEUS])
def test_the_page_of_what_the_settings_do_not_have_watched_any_more_ends(store: Store, variant: str) -> None:
    switch(store, Said(SILENT), variant).round()
    Switch(store, {}, SECOND, instance="one").round()
    assert open_incidents(store) == ()


def test_the_page_of_an_absence_does_not_end_with_the_pager_that_told_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oncall_switch, "GONE_SECONDS", 0.0)
    absence = Absence(key="k", since=time.time() - 600, until=time.time())
    told = Notification(key="k", alerts=(untold.page(absence, (), "http://p"),), truncated=0, heartbeat=False)
    store.inbox.accept(told, time.time())
    switch(store, Said(WELL)).round()
    assert only(store).fault == "PagerDeliveryFailing"


def test_a_clock_that_is_set_back_between_two_silences_loses_no_page(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, now = Said(SILENT), time.time()
    work = switch(store, said)
    for heard, at in ((SILENT, now), (WELL, now + 60), (SILENT, now - 3600)):
        monkeypatch.setattr("atlas_ops.pager.oncall.switch.time.time", lambda at=at: at)
        said.heard = heard
        work.round()
    assert only(store).since == pytest.approx(now - 3600)


# --- the heartbeat ----------------------------------------------------------------------------------------------------


def test_a_heartbeat_that_never_came_is_silence_after_its_time(clock: Clock) -> None:
    heartbeat = Heartbeat(lambda: None, 300.0)
    assert heartbeat.ask().state is State.UNKNOWN
    clock.pass_(301)
    heard = heartbeat.ask()
    assert heard.state is State.SILENT
    assert heard.told == "No heartbeat of Alertmanager has come since the pager started at 2027-01-15 08:00:00 UTC"
    clock.pass_(60)
    assert heartbeat.ask() == heard, "the same words, or Slack would be told again and again"


def test_a_heartbeat_that_stops_is_silence_and_one_that_comes_back_ends_it(clock: Clock) -> None:
    beats = [clock.now]
    heartbeat = Heartbeat(lambda: beats[-1], 300.0)
    for _ in range(20):
        clock.pass_(60)
        beats.append(clock.now)
        assert heartbeat.ask().state is State.WELL
    clock.pass_(299)
    assert heartbeat.ask().state is State.WELL
    clock.pass_(2)
    assert heartbeat.ask().state is State.SILENT
    beats.append(clock.now)
    assert heartbeat.ask().state is State.WELL


def test_after_a_start_an_old_heartbeat_has_a_grace(clock: Clock) -> None:
    last = clock.now - 3600
    heartbeat = Heartbeat(lambda: last, 300.0)
    clock.pass_(reach.GRACE_SECONDS - 1)
    assert heartbeat.ask().state is State.UNKNOWN
    clock.pass_(2)
    assert heartbeat.ask().state is State.SILENT


@pytest.mark.parametrize("hours", [-24, 24])
def test_a_clock_that_is_set_is_no_silence(hours: int, clock: Clock) -> None:
    beats = [clock.now]
    heartbeat = Heartbeat(lambda: beats[-1], 300.0)
    clock.pass_(60)
    beats.append(clock.now)
    assert heartbeat.ask().state is State.WELL
    clock.now += hours * 3600
    clock.pass_(30)
    assert heartbeat.ask().state is State.WELL
    clock.pass_(301)
    assert heartbeat.ask().state is State.SILENT


def test_the_heartbeat_of_the_database_is_the_one(store: Store) -> None:
    heartbeat = Heartbeat(store.inbox.heartbeat, 300.0)
    assert heartbeat.ask().state is State.UNKNOWN
    store.inbox.accept(BEAT, time.time())
    assert heartbeat.ask().state is State.WELL


# --- Prometheus and Alertmanager --------------------------------------------------------------------------------------


class Ready(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(Ready.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Ready)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(("status", "well"), [(200, True), (404, True), (503, False)])
def test_a_server_that_answers_is_there_unless_it_says_that_it_is_not(status: int, well: bool, url: str) -> None:
    Ready.status = status
    source = Answers("Prometheus", url, 0.0)
    heard = source.ask()
    assert heard.state is (State.WELL if well else State.SILENT)
    assert well or heard.told == f"Prometheus at {url} does not answer the pager"


def test_a_server_that_is_gone_is_silent_only_after_a_time() -> None:
    source = Answers("Alertmanager", "http://127.0.0.1:1", 0.2)
    assert source.ask().state is State.UNKNOWN
    assert eventually(lambda: source.ask().state is State.SILENT)
