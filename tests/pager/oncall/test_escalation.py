"""A page that nobody acknowledges: who is told after how long, what ends it, and that no crash loses or doubles a step."""

from __future__ import annotations

import os
import threading
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from atlas_ops import settings
from atlas_ops.alertmanager import Alertmanager
from atlas_ops.errors import ConfigError
from atlas_ops.pager.deeds.deed import Act, Hold
from atlas_ops.pager.deeds.perform import Performer
from atlas_ops.pager.incident import Kind
from atlas_ops.pager.metrics import Metrics
from atlas_ops.pager.oncall.escalation import Escalation
from atlas_ops.pager.oncall.plan import Plan
from atlas_ops.pager.store.store import Store
from atlas_ops.pager.ways.telling import Way
from atlas_ops.postgresql import Server
from tests.pager.oncall.duty import MINUTE, deed, head, page, resolve, section, told
from tests.pager.postgres import Postgres


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan(section(tmp_path))


def on_call_now() -> str:
    return ("ann", "bob")[(datetime.now(UTC).date() - datetime(2020, 1, 1, tzinfo=UTC).date()).days % 2]


def test_the_person_on_call_is_told_first_after_the_time_and_the_rest_of_the_plan_later(
    store: Store, plan: Plan
) -> None:
    early, late = page(store, 14, group="early"), page(store, 16, group="late")
    Escalation(store, plan).round()
    assert head(store, early).escalation == 0
    after = head(store, late)
    assert (after.escalation, after.escalated_to) == (1, on_call_now())
    (line,) = told(store, late, Kind.ESCALATED)
    assert line.text.endswith(f": escalated to {on_call_now()} (on call: primary)")
    assert line.mention in ("U024BE7LH", "U0G9QF9C6")
    assert store.tellings.pending() == ((on_call_now(), Way.EMAIL),)
    Escalation(store, plan).round()
    assert head(store, late).escalation == 1, "the next step has its own time, counted from the last one"


def test_the_last_step_is_repeated_as_often_as_the_settings_say(tmp_path: Path, store: Store) -> None:
    text = "pager: {targets: {ann: {slack_user: U024BE7LH}}, escalation: [{after: 0.001s, to: ann, repeat: 2}]}"
    text = text.replace("0.001s", "0.001")
    incident = page(store, 1)
    escalation = Escalation(store, Plan(settings.parse(text).pager))
    for _ in range(5):
        escalation.round()
        time.sleep(0.002)
    assert head(store, incident).escalation == 3
    assert len(told(store, incident, Kind.ESCALATED)) == 3


def test_acknowledging_silencing_or_the_end_stops_it_and_tickets_wait_for_the_morning(store: Store, plan: Plan) -> None:
    acknowledged, silenced = page(store, 60, group="a"), page(store, 60, group="b")
    over, ticket = page(store, 60, group="one"), page(store, 60, group="d", severity="ticket")
    store.deeds.record(deed(Act.ACKNOWLEDGE, acknowledged), "jane is on it")
    hold = Hold(until=time.time() + 900, who="jane")
    store.deeds.record(deed(Act.SILENCE, silenced, key="s"), "jane silenced it", hold)
    resolve(store)
    Escalation(store, plan).round()
    assert [head(store, one).escalation for one in (acknowledged, silenced, over, ticket)] == [0, 0, 0, 0]
    assert store.tellings.pending() == ()


def test_after_a_silence_the_time_begins_anew(store: Store, plan: Plan) -> None:
    short, long = page(store, 60, group="a"), page(store, 60, group="b")
    for incident, minutes in ((short, 14), (long, 16)):
        hold = Hold(until=time.time() - minutes * MINUTE, who="jane")
        store.deeds.record(deed(Act.SILENCE, incident, key=incident), "jane silenced it", hold)
    Escalation(store, plan).round()
    assert [head(store, one).escalation for one in (short, long)] == [0, 1]


def test_by_hand_the_next_step_is_taken_at_once_and_once(store: Store, plan: Plan) -> None:
    incident = page(store, 1)
    store.deeds.record(deed(Act.ACKNOWLEDGE, incident, key="a"), "jane is on it")
    escalation = Escalation(store, plan)
    wanted = deed(Act.ESCALATE, incident)
    assert escalation.by_hand(wanted, 0) == f"jane escalated it to {on_call_now()} (on call: primary)"
    assert escalation.by_hand(wanted, 1) is None, "Slack sends a press twice when our answer is lost"
    assert head(store, incident).escalation == 1
    assert escalation.by_hand(deed(Act.ESCALATE, incident, key="2"), 1) == "jane escalated it to team"
    assert escalation.by_hand(deed(Act.ESCALATE, incident, key="3"), 2) == "jane escalated it to team"
    assert escalation.by_hand(deed(Act.ESCALATE, incident, key="4"), 3) is None, "the plan has no further step"
    assert len(told(store, incident, Kind.ESCALATED)) == 3


def test_the_button_says_whom_it_reached_and_when_there_is_nobody_left(store: Store, plan: Plan) -> None:
    incident, metrics = page(store, 1), Metrics()
    alertmanager = Alertmanager("http://127.0.0.1:1")
    escalate = Escalation(store, plan).by_hand
    performer = Performer(store, alertmanager, metrics, changed=lambda: None, escalate=escalate)
    results = [performer.perform(deed(Act.ESCALATE, incident, key=key)) for key in ("a", "a", "b", "c", "d")]
    assert [result.done for result in results] == [True, False, True, True, False]
    assert results[0].text.startswith("jane escalated it to ")
    assert results[1].text == "That is done already."
    assert results[4].text.startswith("There is nobody further to escalate to")
    assert b'atlas_pager_deeds_total{act="escalate"} 3.0' in metrics.page()
    assert [line.text for line in told(store, incident, Kind.ESCALATED)] == [results[n].text for n in (0, 2, 3)]


def test_two_pagers_that_share_the_work_take_a_step_once(server: Postgres, plan: Plan) -> None:
    address = server.database()
    with closing(Store(address)) as one, closing(Store(address)) as other:
        incidents = [page(one, 60, group=str(number)) for number in range(10)]
        threads = [threading.Thread(target=Escalation(store, plan).round) for store in (one, other) * 2]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [len(told(other, incident, Kind.ESCALATED)) for incident in incidents] == [1] * 10


def test_a_step_that_was_taken_before_a_crash_is_neither_lost_nor_taken_again(
    address: Path | Server, plan: Plan
) -> None:
    with closing(Store(address)) as store:
        incident = page(store, 16)
        Escalation(store, plan).round()
    with closing(Store(address)) as store:
        Escalation(store, plan).round()
        assert len(told(store, incident, Kind.ESCALATED)) == 1
        assert store.tellings.pending() == ((on_call_now(), Way.EMAIL),)


def test_a_schedule_that_changes_counts_at_once_and_one_with_mistakes_does_not(
    tmp_path: Path, plan: Plan, caplog: pytest.LogCaptureFixture
) -> None:
    file, now = tmp_path / "primary.yaml", time.time()
    text = file.read_text()

    def write(new: str) -> None:
        file.write_text(new)
        os.utime(file, ns=(0, time.monotonic_ns()))

    write(text.replace("[ann, bob]", "[team]"))
    call = plan.call(0, now)
    assert call is not None
    assert call.who == "team (on call: primary)"
    write("rotations: []")
    call = plan.call(0, now)
    assert call is not None
    assert call.who == "team (on call: primary)"
    assert "the schedule primary stays as it was" in caplog.text
    write(text.replace("[ann, bob]", "[zoe]"))
    call = plan.call(0, now)
    assert call is not None
    assert not call.target.reachable


def test_somebody_on_call_whom_no_target_tells_about_is_a_mistake_at_the_start(tmp_path: Path) -> None:
    found = section(tmp_path)
    (tmp_path / "primary.yaml").write_text(
        "{time_zone: UTC, rotations: [{people: [ann, zoe, dan], starts: 2020-01-01}]}"
    )
    with pytest.raises(ConfigError, match="handover: is missing"):
        Plan(found)
    (tmp_path / "primary.yaml").write_text(
        "{time_zone: UTC, rotations: [{people: [ann, zoe, dan], starts: 2020-01-01, handover: '9:00'}]}"
    )
    with pytest.raises(ConfigError, match="expected a local time"):
        Plan(found)
    (tmp_path / "primary.yaml").write_text(
        "{time_zone: UTC, rotations: [{people: [ann, zoe, dan], starts: 2020-01-01, handover: '09:00'}]}"
    )
    with pytest.raises(ConfigError, match="primary: zoe, dan: no such target"):
        Plan(found)
