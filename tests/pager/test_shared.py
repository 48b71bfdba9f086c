"""Two pagers that share the work: each incident has one message, whoever of them delivers it, and whichever dies."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from atlas_ops.pager.store import outbox
from atlas_ops.pager.store.buckets import Rate
from atlas_ops.pager.store.lane import Lane
from atlas_ops.pager.store.outbox import Taken
from atlas_ops.pager.store.store import Store
from atlas_ops.postgresql import Server
from atlas_ops.stage.slack_standin import SlackStandIn
from tests.pager import postgres
from tests.pager.lists import open_incidents
from tests.pager.notes import alert, notification
from tests.pager.rig import CHANNEL, FAST, Rig, delivering, eventually, parents, replies

LANE = Lane(channel=CHANNEL)


@pytest.fixture
def address(server: postgres.Postgres) -> Server:
    return server.database()


@pytest.fixture
def pair(tmp_path: Path, address: Server, slack: SlackStandIn) -> Iterator[tuple[Rig, Rig]]:
    with ExitStack() as stack:
        folders = [tmp_path / name for name in ("one", "two")]
        one, two = (stack.enter_context(delivering(folder, slack, database=address)) for folder in folders)
        yield one, two


@pytest.fixture
def stores(address: Server) -> Iterator[tuple[Store, Store]]:
    one, two = Store(address), Store(address)
    yield one, two
    one.close()
    two.close()


def delivered(rig: Rig) -> int:
    found = re.search(r'^atlas_pager_delivered_total{kind="message"} (\S+)$', rig.metrics.page().decode(), re.MULTILINE)
    return int(float(found[1])) if found else 0


def test_the_work_is_shared_and_each_incident_has_one_message(slack: SlackStandIn, pair: tuple[Rig, Rig]) -> None:
    count = 30
    for number in range(count):
        for rig in pair:  # as a cluster of Alertmanagers does that does not agree who has told what
            rig.hear(alert(pod=f"p{number}"), group=str(number))
    assert all(rig.quiet() for rig in pair)
    assert len(parents(slack)) == len({posted.text for posted in parents(slack)}) == count
    assert sum(delivered(rig) for rig in pair) == count
    assert all(delivered(rig) > 0 for rig in pair)
    for number in range(count):
        for rig in pair:
            rig.hear(alert(pod=f"p{number}", firing=False), group=str(number))
    assert all(rig.quiet() for rig in pair)
    assert all("RESOLVED" in posted.text for posted in parents(slack))
    assert len(replies(slack)) == count


def test_a_claim_is_of_one_pager_alone_until_its_lease_ends(
    stores: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "LEASE_SECONDS", 0.5)
    one, two = stores
    one.inbox.accept(notification(alert()), time.time())
    claim = one.outbox.claim(LANE, every=0.0)
    assert claim is not None
    assert two.outbox.claim(LANE, every=0.0) is None
    assert eventually(lambda: two.outbox.claim(LANE, every=0.0) is not None)
    with pytest.raises(Taken):
        one.outbox.attempt(claim.id, at=time.time(), event=1)
    two.outbox.attempt(claim.id, at=time.time(), event=1)


def test_what_a_pager_that_hangs_had_claimed_is_taken_over_and_not_sent_twice(
    tmp_path: Path, address: Server, slack: SlackStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hangs after Slack has taken the message, and before it can note that."""
    monkeypatch.setattr(outbox, "LEASE_SECONDS", 1.0)
    slack.hold("chat.postMessage", accepted=True)
    with delivering(tmp_path / "hanging", slack, database=address, timeout=30) as hanging:
        hanging.hear(alert())
        assert slack.wait_until_held()
        with delivering(tmp_path / "other", slack, database=address) as other:
            assert eventually(lambda: "conversations.history" in slack.calls)
            slack.release()
            assert other.quiet()
            other.hear(alert(firing=False))
            assert other.quiet()
    (posted,) = parents(slack)
    assert "RESOLVED" in posted.text


def test_the_pace_of_a_channel_holds_over_both_and_one_alone_has_all_of_it(stores: tuple[Store, Store]) -> None:
    one, two = stores
    rate = Rate(per_second=0.001, burst=4)
    for store in (one, two, one, two):
        assert store.buckets.wait("a", rate) == 0
        store.buckets.take("a", rate)
    assert one.buckets.wait("a", rate) > 0
    assert two.buckets.wait("a", rate) > 0
    assert two.buckets.wait("b", rate) == 0
    fast = Rate(per_second=50, burst=1)
    assert eventually(lambda: two.buckets.wait("a", fast) == 0)


def test_what_slack_asks_one_pager_to_wait_the_other_waits_too(stores: tuple[Store, Store]) -> None:
    one, two = stores
    rate = Rate(per_second=1000, burst=1000)
    one.buckets.pause("a", 60)
    assert 55 < two.buckets.wait("a", rate) <= 60
    assert two.buckets.wait("b", rate) == 0


def test_a_storm_is_one_for_both(slack: SlackStandIn, tmp_path: Path, address: Server) -> None:
    pace = dataclasses.replace(FAST, own_messages=2)
    with ExitStack() as stack:
        folders = [tmp_path / name for name in ("one", "two")]
        pair = [stack.enter_context(delivering(one, slack, database=address, pace=pace)) for one in folders]
        for number in range(40):
            pair[number % 2].hear(alert(pod=f"p{number}"), group=str(number))
        assert all(rig.quiet() for rig in pair)
        heads = open_incidents(pair[0].store)
    own = sum(not head.storm for head in heads)
    assert len({head.storm for head in heads if head.storm}) == 1
    assert len(parents(slack)) == own + 1
    assert own <= 4, "each of them may have had one more on its way when the storm began"
