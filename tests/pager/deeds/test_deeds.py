"""What people do about an incident, with a real Alertmanager."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from atlas_ops.alertmanager import Alertmanager
from atlas_ops.errors import EnvironmentProblem
from atlas_ops.pager.deeds.deed import Act, possible
from atlas_ops.pager.deeds.perform import Performer
from atlas_ops.pager.incident import Kind
from atlas_ops.stage.processes import free_port
from tests.pager.alertmanager import ask, fire
from tests.pager.deeds.scene import HALF_AN_HOUR, LABELS, Scene
from tests.pager.rig import eventually


def silences(stage: Scene, incident: str) -> list[dict[str, object]]:
    found = ask("GET", f"{stage.url}/api/v2/silences")
    assert isinstance(found, list)
    return [one for one in found if incident in one["comment"] and one["status"]["state"] == "active"]


def test_the_first_who_acknowledges_is_on_it_and_the_next_is_told_who(stage: Scene, incident: str) -> None:
    before = stage.changes
    assert stage.press(Act.ACKNOWLEDGE, incident, "jane").done
    late = stage.press(Act.ACKNOWLEDGE, incident, "joe")
    assert not late.done
    assert late.text.startswith("jane is on it since 20")
    assert stage.head(incident).acknowledged_by == "jane"
    assert stage.told(incident, Kind.ACKNOWLEDGED) == ["jane is on it"]
    assert stage.changes == before + 1
    assert not stage.head(incident).delivered


@pytest.mark.parametrize("keys", [("same",) * 4, ("one", "two", "three", "four")])
def test_what_arrives_twice_or_is_pressed_by_several_at_once_is_done_once(
    keys: tuple[str, ...], stage: Scene, incident: str
) -> None:
    threads = [
        threading.Thread(target=stage.silence, args=(incident,), kwargs={"key": f"{incident} {key}"}) for key in keys
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not stage.silence(incident, key=f"{incident} {keys[0]}").done
    assert len(stage.told(incident, Kind.SILENCED)) == 1
    assert len(silences(stage, incident)) == 1


def test_a_silence_has_the_labels_that_the_alerts_have_in_common_and_says_whose_it_is(
    stage: Scene, incident: str
) -> None:
    model = stage.head(incident).model
    assert stage.fire(model=model, pod="llama-1") == incident
    result = stage.silence(incident, "jane")
    assert result.done
    assert result.text.startswith("jane silenced it until 20")
    [made] = silences(stage, incident)
    matchers = {one["name"]: one["value"] for one in made["matchers"] if one["isEqual"] and not one["isRegex"]}  # type: ignore[attr-defined]
    assert matchers == {"alertname": "QueueBacklog", "severity": "page", "model": model, "namespace": "prod"}
    assert made["createdBy"] == "jane"
    head = stage.head(incident)
    assert head.silenced_by == "jane"
    assert head.silenced_until == pytest.approx(time.time() + HALF_AN_HOUR, abs=60)
    assert stage.told(incident, Kind.SILENCED) == [result.text]
    assert not stage.silence(incident, "joe").done


def test_the_silence_of_a_deed_that_was_cut_off_is_found_and_not_made_again(
    stage: Scene, incident: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*args: object) -> bool:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(stage.store.deeds, "record", die)
        with pytest.raises(SystemExit):
            stage.silence(incident, key="cut")
    assert stage.head(incident).silenced_until is None
    assert stage.silence(incident, key="cut").done
    assert len(silences(stage, incident)) == 1
    assert stage.head(incident).silenced_until is not None


def test_unsilencing_ends_the_silence_in_alertmanager(stage: Scene, incident: str) -> None:
    stage.silence(incident)
    result = stage.press(Act.UNSILENCE, incident, "joe")
    assert (result.done, result.text) == (True, "joe ended the silence")
    assert silences(stage, incident) == []
    assert stage.head(incident).silenced_until is None
    assert stage.told(incident, Kind.UNSILENCED) == ["joe ended the silence"]


def test_what_was_nothing_to_act_on_is_counted_and_wakes_nobody_else(stage: Scene, incident: str) -> None:
    assert stage.press(Act.NOT_ACTIONABLE, incident, "jane").done
    assert not stage.press(Act.NOT_ACTIONABLE, incident, "joe").done
    head = stage.head(incident)
    assert (head.not_actionable_by, head.acknowledged_by) == ("jane", "jane")
    assert b'atlas_pager_deeds_total{act="not_actionable"} 1.0' in stage.metrics.page()
    assert b'atlas_pager_deeds_total{act="escalate"} 0.0' in stage.metrics.page()


def test_without_anybody_to_escalate_to_that_is_said(stage: Scene, incident: str) -> None:
    result = stage.press(Act.ESCALATE, incident)
    assert not result.done
    assert "pager.escalation" in result.text


def test_of_an_incident_that_is_over_or_unknown_nothing_is_silenced(stage: Scene, incident: str) -> None:
    assert "no such incident" in stage.press(Act.ACKNOWLEDGE, "ffffffffffff").text
    fire(stage.url, {**LABELS, "model": stage.head(incident).model}, ends=time.time())
    assert eventually(lambda: stage.head(incident).until is not None)
    assert "over" in stage.silence(incident).text
    assert silences(stage, incident) == []
    assert possible(stage.head(incident), time.time()) == (Act.NOT_ACTIONABLE,)


def test_only_what_fits_the_state_is_offered(stage: Scene, incident: str) -> None:
    now = time.time()
    everything = (Act.ACKNOWLEDGE, Act.SILENCE, Act.ESCALATE, Act.NOT_ACTIONABLE)
    assert possible(stage.head(incident), now) == everything
    stage.press(Act.ACKNOWLEDGE, incident)
    stage.silence(incident)
    assert possible(stage.head(incident), now) == (Act.UNSILENCE, Act.NOT_ACTIONABLE)
    assert possible(stage.head(incident), now + 2 * HALF_AN_HOUR) == everything[1:]


def test_while_alertmanager_is_down_the_person_is_told_and_nothing_is_half_done(
    stage: Scene, incident: str, tmp_path: Path
) -> None:
    away = Alertmanager(f"http://127.0.0.1:{free_port()}", timeout_seconds=1)
    performer, stage.performer = stage.performer, Performer(stage.store, away, stage.metrics, changed=lambda: None)
    try:
        result = stage.silence(incident, key="down")
    finally:
        stage.performer = performer
    assert not result.done
    assert away.url in result.text
    assert stage.head(incident).silenced_until is None
    assert stage.told(incident, Kind.SILENCED) == []
    assert stage.silence(incident, key="down").done, "the same deed may be tried again"


class Hasty(Alertmanager):
    """Alertmanager makes the silence, and its answer is lost."""

    def silence(self, *what: Any, **how: Any) -> str:
        super().silence(*what, **how)
        raise EnvironmentProblem("no answer in time", next_step="try again")


def test_a_silence_whose_answer_is_lost_is_found(stage: Scene, incident: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage.performer, "_alertmanager", Hasty(stage.url))
    assert stage.silence(incident).done
    assert stage.head(incident).silenced_by == "jane"
    assert len(silences(stage, incident)) == 1


def test_a_silence_that_would_reach_further_than_the_incident_is_not_made(stage: Scene) -> None:
    incident = stage.fire(model="secrets", pod="xoxb-2345678901-abcdefghijkl")
    result = stage.silence(incident)
    assert not result.done
    assert "label pod" in result.text
    assert "xoxb" not in result.text
    assert silences(stage, incident) == []


@pytest.mark.parametrize(
    ("name", "shown"),
    [("jane.doe@example.com", "jane.doe"), ("x" * 500, "x" * 80), ("a\nb", "a b"), ("", "somebody")],
)
def test_who_did_it_is_named_without_an_address_on_one_short_line(stage: Scene, name: str, shown: str) -> None:
    incident = stage.fire(model=f"name {name[:5]!r} {len(name)}")
    stage.press(Act.ACKNOWLEDGE, incident, name)
    assert stage.head(incident).acknowledged_by == shown
