"""What others do in Alertmanager shows on the incident; a real Alertmanager."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from atlas_ops.pager import incident as rules
from atlas_ops.pager.deeds.deed import Act
from atlas_ops.pager.deeds.reconcile import Reconciler
from atlas_ops.pager.incident import Kind, Notification
from atlas_ops.pager.oncall.reach import Heard, State
from atlas_ops.pager.oncall.switch import Switch
from atlas_ops.pager.store.deeds import Watched
from atlas_ops.pager.store.store import Store
from atlas_ops.settings.people import Target
from atlas_ops.stage.processes import free_port
from tests.pager.alertmanager import alertmanager, ask, fire
from tests.pager.deeds.scene import LABELS, Scene, hearing, scene
from tests.pager.lists import open_incidents
from tests.pager.notes import alert, notification
from tests.pager.rig import eventually


def silence_by_hand(stage: Scene, seconds: float = 600.0, **matchers: str) -> str:
    now = time.time()
    document = {
        "matchers": [{"name": n, "value": v, "isRegex": True, "isEqual": True} for n, v in matchers.items()],
        "startsAt": datetime.fromtimestamp(now, UTC).isoformat(),
        "endsAt": datetime.fromtimestamp(now + seconds, UTC).isoformat(),
        "createdBy": "amtool@example.com",
        "comment": "maintenance",
    }
    made = ask("POST", f"{stage.url}/api/v2/silences", document)
    assert isinstance(made, dict)
    return str(made["silenceID"])


def test_a_silence_made_elsewhere_shows_and_its_end_too(stage: Scene, incident: str) -> None:
    made = silence_by_hand(stage, model=stage.head(incident).model)
    stage.reconciler._once()
    head = stage.head(incident)
    assert head.silenced_by == "amtool"
    assert head.silenced_until == pytest.approx(time.time() + 600, abs=60)
    [told] = stage.told(incident, Kind.SILENCED)
    assert told.startswith("amtool silenced it in Alertmanager until ")
    stage.reconciler._once()
    assert len(stage.told(incident, Kind.SILENCED)) == 1
    ask("DELETE", f"{stage.url}/api/v2/silence/{made}")
    stage.reconciler._once()
    assert stage.head(incident).silenced_until is None
    assert stage.told(incident, Kind.UNSILENCED) == ["The silence has ended"]


def test_a_silence_of_our_own_is_no_news_and_its_end_by_time_is(stage: Scene, incident: str) -> None:
    stage.press(Act.SILENCE, incident, seconds=1.0)
    stage.reconciler._once()
    assert len(stage.told(incident, Kind.SILENCED)) == 1

    def over() -> bool:
        stage.reconciler._once()
        return stage.head(incident).silenced_until is None

    assert eventually(over)
    assert stage.told(incident, Kind.UNSILENCED) == ["The silence has ended"]


def test_an_incident_of_which_one_alert_is_heard_is_not_silenced(stage: Scene, incident: str) -> None:
    model = stage.head(incident).model
    stage.fire(model=model, pod="llama-1")
    made = silence_by_hand(stage, model=model, pod="llama-0")
    stage.reconciler._once()
    assert stage.head(incident).silenced_until is None
    ask("DELETE", f"{stage.url}/api/v2/silence/{made}")


def test_a_silence_made_elsewhere_is_not_ended_by_the_button(stage: Scene, incident: str) -> None:
    made = silence_by_hand(stage, model=stage.head(incident).model)
    stage.reconciler._once()
    result = stage.press(Act.UNSILENCE, incident)
    assert not result.done
    assert result.text.startswith("amtool silenced it in Alertmanager")
    found = ask("GET", f"{stage.url}/api/v2/silence/{made}")
    assert isinstance(found, dict)
    assert found["status"]["state"] == "active"


def test_one_odd_incident_keeps_no_other_from_being_looked_at(
    stage: Scene, incident: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = stage.fire(model="another one")
    made = silence_by_hand(stage, model=f"{stage.head(incident).model}|another one")
    compare = stage.reconciler._compare

    def odd(one: Watched, *rest: object) -> bool:
        if one.incident == incident:
            raise KeyError("odd")
        return compare(one, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(stage.reconciler, "_compare", odd)
    stage.reconciler._once()
    assert stage.head(other).silenced_by == "amtool"
    assert stage.head(incident).silenced_until is None
    assert stage.reconciler.problem == ""
    ask("DELETE", f"{stage.url}/api/v2/silence/{made}")


def test_the_button_ends_what_was_ended_elsewhere_already(stage: Scene, incident: str) -> None:
    stage.press(Act.SILENCE, incident, seconds=600.0)
    found = ask("GET", f"{stage.url}/api/v2/silences")
    assert isinstance(found, list)
    [made] = [one["id"] for one in found if incident in one["comment"]]
    ask("DELETE", f"{stage.url}/api/v2/silence/{made}")
    assert stage.press(Act.UNSILENCE, incident).done
    assert stage.head(incident).silenced_until is None


def test_the_end_of_a_silenced_alert_of_which_alertmanager_says_nothing_is_noticed(stage: Scene, incident: str) -> None:
    stage.press(Act.SILENCE, incident, seconds=600.0)
    fire(stage.url, {**LABELS, "model": stage.head(incident).model}, ends=time.time())

    def over() -> bool:
        stage.reconciler._once()
        return stage.head(incident).until is not None

    assert eventually(over)
    assert stage.told(incident, Kind.RESOLVED)


def test_an_alertmanager_that_has_forgotten_its_alerts_ends_nothing_for_a_while(stage: Scene, incident: str) -> None:
    stage.press(Act.SILENCE, incident, seconds=600.0)
    fire(stage.url, {**LABELS, "model": stage.head(incident).model}, ends=time.time())
    patient = Reconciler(stage.store, stage.reconciler._alertmanager, stage.metrics, changed=lambda: None)
    for _ in range(3):
        patient._once()
    assert stage.head(incident).until is None
    assert stage.head(incident).silenced_until is not None


def test_while_alertmanager_is_away_everything_stays_and_that_is_said(tmp_path: Path) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    store = Store(tmp_path / "pager.db")
    with hearing(store) as webhook, scene(tmp_path, address, store) as stage:
        with alertmanager(tmp_path, address, webhook):
            incident = stage.fire()
            stage.press(Act.SILENCE, incident, seconds=600.0)
        reconciler = Reconciler(store, stage.reconciler._alertmanager, stage.metrics, changed=lambda: None)
        reconciler.start()
        assert eventually(lambda: address in reconciler.problem)
        assert b"atlas_pager_alertmanager_up 0.0" in stage.metrics.page()
        assert stage.head(incident).silenced_until is not None
        with alertmanager(tmp_path, address, webhook):
            reconciler.wake()
            assert eventually(lambda: not reconciler.problem)
            assert b"atlas_pager_alertmanager_up 1.0" in stage.metrics.page()
        reconciler.stop(10)
    store.close()


def test_an_incident_whose_group_alertmanager_does_not_make_any_more_ends_with_its_alerts(tmp_path: Path) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    with (
        closing(Store(tmp_path / "pager.db")) as store,
        hearing(store) as webhook,
        scene(tmp_path, address, store) as stage,
    ):
        with alertmanager(tmp_path, address, webhook):
            old = stage.fire()
            regroup(tmp_path / "alertmanager.yml", address, ["alertname", "pod"])
            fire(address, LABELS)
            # Alertmanager may have told it by its new group even before.
            assert eventually(lambda: len(open_incidents(store)) == 2)
            (new,) = {head.id for head in open_incidents(store)} - {old}
            stage.reconciler._once()
            assert {head.id for head in open_incidents(store)} == {old, new}, "its alert fires"
            fire(address, LABELS, ends=time.time())
            assert eventually(lambda: stage.head(new).until is not None)
            assert stage.head(old).until is None, "Alertmanager says nothing of it"
            stage.reconciler._once()
        [told] = stage.told(old, Kind.RESOLVED)
        assert told.endswith(": Alertmanager does not know of it any more")
        assert open_incidents(store) == ()


def test_what_alertmanager_once_knew_ends_although_the_pager_was_restarted_meanwhile(tmp_path: Path) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    with (
        closing(Store(tmp_path / "pager.db")) as store,
        hearing(store) as webhook,
        alertmanager(tmp_path, address, webhook),
        scene(tmp_path, address, store) as stage,
    ):
        incident = stage.fire()
        stage.reconciler._once()
    # Meanwhile Alertmanager is started anew as well: it knows of no alert, and has nothing to tell.
    with (
        closing(Store(tmp_path / "pager.db")) as store,
        alertmanager(tmp_path, address),
        scene(tmp_path, address, store) as stage,
    ):
        stage.reconciler._once()
        [told] = stage.told(incident, Kind.RESOLVED)
        assert told.endswith(": Alertmanager does not know of it any more")


def test_an_alert_that_comes_back_soon_after_its_end_is_told_although_it_could_have_been_late_mail(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alertmanager takes an alert for over of which Prometheus could not tell it, and tells only once that it is back."""
    address, firing = f"http://127.0.0.1:{free_port()}", time.time() - 3600
    with (
        hearing(store) as webhook,
        alertmanager(tmp_path, address, webhook),
        scene(tmp_path, address, store) as stage,
    ):
        fire(address, LABELS, starts=firing)
        assert eventually(lambda: len(open_incidents(store)) == 1)
        [first] = open_incidents(store)
        fire(address, LABELS, starts=firing, ends=time.time())
        assert eventually(lambda: stage.head(first.id).until is not None)
        heard = stage.head(first.id).heard_at
        fire(address, LABELS, starts=firing)
        assert eventually(lambda: stage.head(first.id).heard_at > heard), "Alertmanager has said that it fires"
        stage.reconciler._once()
        assert open_incidents(store) == (), "it may have been late mail"
        monkeypatch.setattr(rules, "LATE_SECONDS", 0.0)
        stage.reconciler._once()
        [again] = open_incidents(store)
        assert again.id != first.id
        assert again.since == pytest.approx(firing, abs=1)
        stage.reconciler._once()
        assert len(open_incidents(store)) == 1
        assert len(stage.told(again.id, Kind.OPENED)) == 1


def test_what_is_over_stays_over_while_alertmanager_keeps_quiet_about_it(
    stage: Scene, incident: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = {**LABELS, "model": stage.head(incident).model}
    silence_by_hand(stage, model=labels["model"])
    stage.store.inbox.accept(gone(stage, incident), time.time())
    monkeypatch.setattr(rules, "LATE_SECONDS", 0.0)
    fire(stage.url, labels)
    stage.reconciler._once()
    assert labels["model"] not in {head.model for head in open_incidents(stage.store)}


def test_an_alertmanager_ends_nothing_that_another_one_told(stage: Scene, incident: str) -> None:
    stage.store.inbox.accept(notification(alert("OfAnother"), group="of another"), time.time())
    for _ in range(2):
        stage.reconciler._once()
    assert {incident} < {head.id for head in open_incidents(stage.store)}
    assert "OfAnother" in {head.fault for head in open_incidents(stage.store)}
    assert stage.reconciler.problem == ""


def test_pages_of_the_pager_itself_are_not_looked_for_in_alertmanager(stage: Scene, incident: str) -> None:
    Switch(stage.store, {"heartbeat": Silent()}, Target(name="nobody"), instance="here").round()
    stage.reconciler._once()
    own = [head for head in open_incidents(stage.store) if head.fault == "PagerDeliveryFailing"]
    assert len(own) == 1
    assert stage.head(incident).until is None, "this Alertmanager is the one of our alerts"


class Silent:
    """A source that says nothing."""

    def ask(self) -> Heard:
        return Heard(state=State.SILENT, told="Nothing comes")


def gone(stage: Scene, incident: str) -> Notification:
    """Return the webhook that tells that an incident is over."""
    work = stage.store.incidents.work(incident)
    assert work
    [watched] = [one for one in stage.store.deeds.watched() if one.incident == incident]
    over = tuple(replace(one, firing=False, ends_at=time.time()) for one in work.incident.alerts)
    return Notification(key=watched.key, alerts=over, truncated=0, heartbeat=False)


def regroup(config: Path, address: str, labels: list[str]) -> None:
    """Let Alertmanager make other groups from now on."""
    document = yaml.safe_load(config.read_text())
    document["route"]["group_by"] = labels
    config.write_text(yaml.safe_dump(document))
    ask("POST", f"{address}/-/reload")
