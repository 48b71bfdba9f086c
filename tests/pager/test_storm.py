"""Many incidents at once become one message, and none of them is lost in it."""

from __future__ import annotations

import dataclasses
import json
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from atlas_ops.pager.incident import Kind
from atlas_ops.pager.slack import storm as storm_message
from atlas_ops.pager.slack import wire
from atlas_ops.pager.store.lane import Lane
from atlas_ops.pager.store.store import Store
from atlas_ops.pager.store.tables import INCIDENTS
from atlas_ops.pager.storm import Line, News, Storm, ordered, told
from atlas_ops.postgresql import Server
from atlas_ops.stage import slack_limits
from atlas_ops.stage.slack_message import Message
from atlas_ops.stage.slack_standin import SlackStandIn
from tests.pager.lists import open_incidents
from tests.pager.notes import alert, notification
from tests.pager.rig import CHANNEL, FAST, Rig, delivering, eventually, parents, replies

LANE = Lane(channel=CHANNEL)
FEW = dataclasses.replace(FAST, own_messages=2)


@pytest.fixture
def rig(tmp_path: Path, address: Path | Server, slack: SlackStandIn) -> Iterator[Rig]:
    with delivering(tmp_path, slack, database=address, pace=FEW) as made:
        yield made


def storms(slack: SlackStandIn) -> list[Message]:
    return [posted for posted in parents(slack) if "STORM" in posted.text]


def fill(rig: Rig, count: int, name: str = "QueueBacklog", severity: str = "page") -> None:
    for number in range(count):
        pod = f"{name}-{severity}-{number}"
        rig.hear(alert(name, severity=severity, pod=pod, fingerprint=pod), group=pod)


def end(rig: Rig, count: int, name: str = "QueueBacklog", severity: str = "page") -> None:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    for number in range(count):
        pod = f"{name}-{severity}-{number}"
        rig.hear(alert(name, severity=severity, pod=pod, fingerprint=pod, firing=False, ends=now), group=pod)


def test_what_would_be_too_many_messages_becomes_one_that_counts(slack: SlackStandIn, rig: Rig) -> None:
    fill(rig, 2)
    assert rig.quiet()
    fill(rig, 20, "KvCachePressure", "ticket")
    fill(rig, 5, "EngineStalled")
    assert rig.quiet()
    (storm,) = storms(slack)
    assert len(parents(slack)) == 3
    assert "5 page EngineStalled, 20 ticket KvCachePressure" in storm.text
    listed = open_incidents(rig.store)
    assert sum(head.storm == "" for head in listed) == 2
    identity = {head.storm for head in listed if head.storm}
    assert len(identity) == 1
    assert f"http://pager/?storm={identity.pop()}" in json.dumps(storm.blocks)


def test_what_becomes_of_its_incidents_is_told_in_its_thread_and_counted_in_it(slack: SlackStandIn, rig: Rig) -> None:
    fill(rig, 2)
    assert rig.quiet()
    fill(rig, 10, severity="ticket")
    assert rig.quiet()
    end(rig, 4, severity="ticket")
    assert rig.quiet()
    (storm,) = storms(slack)
    assert "6 of 10 ticket QueueBacklog" in storm.text
    end(rig, 10, severity="ticket")
    assert rig.quiet()
    assert "STORM OVER" in storms(slack)[0].text
    lines = [reply.text for reply in replies(slack) if reply.thread_ts == storm.ts]
    told_over = sum(int(text.split()[0]) for text in "\n".join(lines).splitlines() if " over: " in text)
    assert told_over == 10
    assert len(lines) < 10


@pytest.mark.parametrize("fault", ["GpuLost", "KvCachePressure"], ids=["never", "as tickets alone"])
def test_a_page_of_a_fault_that_the_storm_has_not_told_is_shown_in_the_channel(
    slack: SlackStandIn, rig: Rig, fault: str
) -> None:
    broadcast: list[str] = []

    def note(method: str, arguments: slack_limits.Json) -> None:
        if arguments.get("reply_broadcast"):
            broadcast.append(str(arguments.get("text")))

    slack.intercept = note
    fill(rig, 2)
    assert rig.quiet()
    for count in (5, 6):
        fill(rig, count, "KvCachePressure", severity="ticket")
        assert rig.quiet()
    assert broadcast == []
    fill(rig, 1, fault)
    assert rig.quiet()
    assert len(broadcast) == 1
    assert f"New in this storm: PAGE {fault} ({fault}-page-0)" in broadcast[0]
    assert len(parents(slack)) == 3


def test_a_storm_ends_when_nothing_new_has_come_and_the_next_incident_has_its_own_message(
    tmp_path: Path, address: Path | Server, slack: SlackStandIn
) -> None:
    with delivering(tmp_path, slack, database=address, pace=FEW) as rig:
        fill(rig, 2)
        assert rig.quiet()
        fill(rig, 5, severity="ticket")
        assert rig.quiet()
    over = dataclasses.replace(FAST, storm_quiet=0.0)
    with delivering(tmp_path, slack, database=address, pace=over) as rig:
        fill(rig, 1, "GpuLost")
        assert rig.quiet()
        end(rig, 5, severity="ticket")
        assert rig.quiet()
    assert len(storms(slack)) == 1
    assert "STORM OVER" in storms(slack)[0].text
    assert len(parents(slack)) == 4


def test_an_incident_that_may_have_reached_slack_does_not_join(slack: SlackStandIn, rig: Rig) -> None:
    """Its message is there, or on its way: in a storm as well, it would be told of twice."""
    slack.hold("chat.postMessage", accepted=True)
    fill(rig, 1)
    assert slack.wait_until_held()
    fill(rig, 5)
    slack.release()
    assert rig.quiet()
    own = [head.id for head in open_incidents(rig.store) if not head.storm]
    assert len(own) == 2
    assert all(sum(incident in json.dumps(posted.blocks) for posted in parents(slack)) == 1 for incident in own)


def test_a_storm_whose_post_was_cut_off_is_found_again(
    tmp_path: Path, address: Path | Server, slack: SlackStandIn
) -> None:
    slack.intercept = lambda method, arguments: None
    with delivering(tmp_path, slack, database=address, pace=FEW, timeout=1) as rig:
        fill(rig, 2)
        assert rig.quiet()
        slack.hold("chat.postMessage", accepted=True)
        fill(rig, 5)
        assert slack.wait_until_held()
        assert eventually(lambda: rig.delivery.problem != "")
        slack.release()
        assert rig.quiet()
    assert len(storms(slack)) == 1


def test_ten_thousand_incidents_are_a_handful_of_messages_in_bounded_memory(
    tmp_path: Path, slack: SlackStandIn
) -> None:
    count = 10_000
    faults = ("QueueBacklog", "KvCachePressure", "EngineStalled", "RequestsRejected")
    store = Store(tmp_path / "pager.db")
    for number in range(2):
        store.inbox.accept(notification(alert(pod=f"own-{number}"), group=f"own-{number}"), time.time())
    with store._database.writing() as connection:
        row = dict(connection.execute(select(INCIDENTS).limit(1)).one()._mapping)
        more = [{"id": f"i{number}", "key": f"k{number}", "fault": faults[number % 4]} for number in range(count)]
        severities = [{"severity": ("page", "ticket")[number % 2]} for number in range(count)]
        connection.execute(
            insert(INCIDENTS),
            [row | one | other | {"changed_at": time.time()} for one, other in zip(more, severities, strict=True)],
        )
    store.close()
    tracemalloc.start()
    with delivering(tmp_path, slack, pace=FEW) as rig:
        assert eventually(lambda: len(storms(slack)) == 1, seconds=60)
        assert rig.quiet()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(parents(slack)) == 3
        found = rig.store.storms.storm(rig.store.storms.current(LANE, quiet=3600.0))
    assert peak < 40_000_000
    assert found is not None
    assert (found.total, found.firing) == (count, count)


# --- what it says -----------------------------------------------------------------------------------------------------


def news(fault: str, *, severity: str = "page", over: bool = False, first: bool = True, place: str = "p") -> News:
    return News(severity=severity, fault=fault, place=place, over=over, first=first)


def test_the_timeline_of_a_storm_counts_and_names_what_is_new() -> None:
    told_of = [news("A"), news("A"), news("B", severity="ticket", over=True), news("C", first=False, over=True)]
    assert list(told(told_of, frozenset())) == [
        (Kind.JOINED, "New in this storm: PAGE A (p)"),
        (Kind.ENDED, "3 incidents more: 2 page A, 1 ticket B; 2 are over"),
    ]
    assert [kind for kind, _ in told(told_of, frozenset("A"))] == [Kind.ENDED]
    assert list(told([news("C", first=False, over=True)], frozenset("C"))) == [
        (Kind.ENDED, "1 incident over: 1 page C")
    ]
    assert list(told([news("C", first=False)], frozenset("C"))) == []


def test_a_storm_of_every_fault_and_any_name_is_taken_by_slack(tmp_path: Path) -> None:
    store = Store(tmp_path / "pager.db")
    store.inbox.accept(notification(alert()), 1.0)
    identity = store.storms.gather(LANE, "")
    store.storms.fold(identity)
    found = store.storms.storm(identity)
    store.close()
    assert found is not None
    odd = ("<!channel> & co", "\N{PILE OF POO}" * 300, "`x`" * 100)
    lines = [
        Line(severity=severity, fault=f"{name}{number}", firing=10**6, total=10**7, place=name)
        for number in range(40)
        for name in odd
        for severity in ("page", "ticket", "odd")
    ]
    storm: Storm = dataclasses.replace(found, lines=ordered(lines))
    composed = storm_message.parent(storm, "https://pager.example.org")
    said = {"text": wire.fallback(composed), "blocks": wire.blocks(composed), "metadata": wire.metadata(composed)}
    assert slack_limits.problem(said) == ("", ())
    assert "and 330 more faults" in json.dumps(said["blocks"])
    assert "<!channel>" not in json.dumps(said)
