"""`atlas-ops dashboards push` brings a Grafana to what it should have, and touches nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from atlas_ops.catalog import build_catalog
from atlas_ops.grafana import Dashboard, Grafana, Verdict
from atlas_ops.grafana import push as bring
from atlas_ops.grafana.wire import Wire
from atlas_ops.render import dashboards
from atlas_ops.settings import Settings
from tests.grafana.conftest import Push
from tests.grafana.rules import Answer, refusal
from tests.grafana.standin import TOKEN, GrafanaStandIn

MODELS: list[dict[str, Any]] = [json.loads(text) for text in dashboards.render(build_catalog(), Settings()).values()]
UIDS = [str(model["uid"]) for model in MODELS]
FIRST = MODELS[0]
UID = UIDS[0]
SAVE, FOLDER = "/api/dashboards/db", "/api/folders"


def counts(said: str) -> str:
    return said.splitlines()[-1]


def test_an_empty_grafana_gets_the_folder_and_every_dashboard(grafana: GrafanaStandIn, push: Push) -> None:
    code, said, _ = push()
    assert code == 0
    assert grafana.folders == {"atlas-ops": "atlas-ops"}
    assert set(grafana.dashboards) == set(UIDS)
    for model in MODELS:
        kept = grafana.dashboards[model["uid"]]
        assert kept.folder_uid == "atlas-ops"
        assert {**model, "id": kept.model["id"], "version": 1} == kept.model
        assert kept.messages[0].startswith("atlas-ops ")
        assert f"created       {model['uid']}" in said
    assert counts(said) == f"{len(UIDS)} created"
    assert said.startswith(f"Grafana 11.6.0 at {grafana.url}, folder atlas-ops (new)\n")


def test_a_second_time_nothing_is_written(grafana: GrafanaStandIn, push: Push) -> None:
    push()
    grafana.calls.clear()
    code, said, _ = push()
    assert (code, grafana.writes) == (0, [])
    assert counts(said) == f"{len(UIDS)} unchanged"


def test_what_somebody_changed_is_changed_back_and_nothing_but_that(grafana: GrafanaStandIn, push: Push) -> None:
    push()
    grafana.dashboards[UID].model |= {"panels": [], "version": 7}
    grafana.calls.clear()
    code, said, _ = push()
    assert (code, grafana.writes) == (0, [("POST", SAVE)])
    assert grafana.dashboards[UID].model == {**FIRST, "id": grafana.dashboards[UID].model["id"], "version": 8}
    assert f"changed       {UID}" in said


def test_a_changed_limit_changes_the_dashboards_that_show_it(
    grafana: GrafanaStandIn, push: Push, tmp_path: Any
) -> None:
    push()
    config = tmp_path / "atlas-ops.yaml"
    config.write_text("limits: {kv_cache_usage_ratio: 0.5}\nlinks: {pager: 'https://pager.example.org'}\n")
    assert push("--config", str(config))[0] == 0
    assert "https://pager.example.org" in json.dumps(grafana.dashboards[UID].model)


def test_a_dashboard_that_somebody_moved_comes_back_to_the_folder(grafana: GrafanaStandIn, push: Push) -> None:
    push()
    grafana.dashboards[UID].folder_uid = ""
    assert push()[0] == 0
    assert grafana.dashboards[UID].folder_uid == "atlas-ops"


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(grafana: GrafanaStandIn, push: Push) -> None:
    code, said, _ = push("--dry-run")
    assert (code, grafana.writes, grafana.dashboards, grafana.folders) == (0, [], {}, {})
    assert f"would create  {UID}" in said
    assert counts(said) == f"{len(UIDS)} would create"
    assert "(would be made)" in said.splitlines()[0]
    push()
    grafana.dashboards[UID].model["panels"] = []
    grafana.calls.clear()
    code, said, _ = push("--dry-run")
    assert (code, grafana.writes) == (0, [])
    assert f"would change  {UID}" in said


@pytest.mark.parametrize("words", [(), ("--dry-run",)])
def test_a_dashboard_of_somebody_else_with_our_uid_is_not_touched_and_the_others_are_written(
    grafana: GrafanaStandIn, push: Push, words: tuple[str, ...]
) -> None:
    grafana.keep({"uid": UID, "title": "Mine", "tags": ["home"]})
    code, said, problems = push(*words)
    assert code == 1
    assert grafana.dashboards[UID].model["title"] == "Mine"
    assert f"refused       {UID}" in said
    assert f"{UID}: the dashboard 'Mine' has this uid and is not ours: it lacks the tag atlas-ops\n  -> " in problems
    assert set(grafana.dashboards) == {UID} if words else set(UIDS)


def test_a_dashboard_of_the_same_title_is_not_taken_the_place_of(grafana: GrafanaStandIn, push: Push) -> None:
    grafana.folders["atlas-ops"] = "atlas-ops"
    grafana.keep({"uid": "mine", "title": FIRST["title"], "tags": []}, "atlas-ops")
    before = dict(grafana.dashboards["mine"].model)
    code, _, problems = push()
    assert code == 1
    assert grafana.dashboards["mine"].model == before
    assert "rename or delete the other dashboard of this title" in problems


def test_a_dashboard_that_comes_from_a_file_is_left_to_the_file(grafana: GrafanaStandIn, push: Push) -> None:
    grafana.folders["atlas-ops"] = "atlas-ops"
    grafana.keep(FIRST, "atlas-ops", provisioned=True)
    assert push()[0] == 0, "it is as it should be, whoever brought it"
    grafana.dashboards[UID].model["panels"] = []
    code, _, problems = push()
    assert code == 1
    assert f"{UID}: it comes from a file that Grafana reads by itself" in problems


def test_what_somebody_saves_in_the_same_moment_is_not_lost(grafana: GrafanaStandIn, push: Push) -> None:
    push()
    grafana.dashboards[UID].model["panels"] = []

    def meddle(method: str, path: str) -> Answer | None:
        if (method, path) == ("POST", SAVE):
            grafana.dashboards[UID].model |= {"title": "theirs", "version": 9}
        return None

    grafana.intercept = meddle
    code, _, problems = push()
    assert code == 1
    assert grafana.dashboards[UID].model["title"] == "theirs"
    assert (
        f"{UID}: it cannot be saved: The dashboard has been changed by someone else (HTTP 412)\n  -> run the command again"
        in problems
    )


def test_a_grafana_that_raises_the_refresh_interval_is_not_written_to_every_time(
    grafana: GrafanaStandIn, push: Push
) -> None:
    grafana.minimum_refresh = "1m"
    push()
    assert grafana.dashboards[UID].model["refresh"] == "1m"
    grafana.calls.clear()
    assert push()[0] == 0
    assert grafana.writes == []


def test_a_folder_that_has_the_title_is_used_whatever_its_uid(grafana: GrafanaStandIn, push: Push) -> None:
    grafana.folders |= {"fe3x9": "ML serving", "other": "ML serving, old"}
    assert push("--folder", "ML serving")[0] == 0
    assert {kept.folder_uid for kept in grafana.dashboards.values()} == {"fe3x9"}
    assert ("POST", FOLDER) not in grafana.calls


def test_a_folder_that_was_made_and_then_renamed_is_still_found(grafana: GrafanaStandIn, push: Push) -> None:
    push()
    grafana.folders["atlas-ops"] = "Serving"
    code, said, _ = push()
    assert (code, "folder Serving" in said.splitlines()[0]) == (0, True)
    assert grafana.folders == {"atlas-ops": "Serving"}


def test_a_folder_that_the_search_does_not_find_yet_is_used_all_the_same(grafana: GrafanaStandIn, push: Push) -> None:
    push()
    grafana.unindexed.add("atlas-ops")
    code, said, _ = push()
    assert (code, counts(said)) == (0, f"{len(UIDS)} unchanged")


def test_a_folder_of_the_title_that_the_account_may_not_see_is_told(grafana: GrafanaStandIn, push: Push) -> None:
    grafana.folders["fe3x9"] = "ML serving"
    grafana.unindexed.add("fe3x9")
    code, _, problems = push("--folder", "ML serving")
    assert code == 1
    assert "the folder 'ML serving' cannot be made: a folder with the same name already exists" in problems
    assert "let the service account see that folder" in problems


def test_a_folder_is_found_among_many(grafana: GrafanaStandIn, push: Push) -> None:
    grafana.folders |= {f"f{number}": f"Team {number}" for number in range(5001)}
    assert push("--folder", "Team 5000")[0] == 0
    assert {kept.folder_uid for kept in grafana.dashboards.values()} == {"f5000"}


def test_two_folders_of_the_title_are_a_question_that_only_a_person_can_answer(
    grafana: GrafanaStandIn, push: Push
) -> None:
    grafana.folders |= {"one": "ML serving", "two": "ML serving"}
    code, _, problems = push("--folder", "ML serving")
    assert (code, grafana.writes) == (1, [])
    assert "2 folders are called 'ML serving' (uids one, two)" in problems


@pytest.mark.parametrize(
    "titles", [("ML serving", "ml-serving"), ("Ünïcode/☃", "nicode"), ("x" * 90, "x" * 91), ("☃", "❄")]
)
def test_any_title_makes_a_folder_and_no_two_titles_the_same(
    grafana: GrafanaStandIn, push: Push, titles: tuple[str, str]
) -> None:
    for title in titles:
        assert push("--folder", title)[0] == 0
    assert list(grafana.folders.values()) == list(titles)
    assert all(uid[0].isalnum() for uid in grafana.folders)


def test_no_folder_can_be_called_general(grafana: GrafanaStandIn, push: Push) -> None:
    code, _, problems = push("--folder", "General")
    assert (code, grafana.dashboards) == (1, {})
    assert "the folder 'General' cannot be made: A folder with that name already exists (HTTP 400)" in problems


def test_the_id_that_a_dashboard_had_in_another_grafana_is_not_sent(grafana: GrafanaStandIn) -> None:
    wire = Wire(grafana.url, TOKEN)
    one = Dashboard(uid="one", title="One", tag="t", model={"id": 77, "uid": "one", "title": "One", "tags": ["t"]})
    (outcome,) = bring(Grafana(wire), [one], "", message="", dry_run=False)
    assert (outcome.verdict, outcome.problem) == (Verdict.CREATED, None)
    wire.close()


def test_every_refusal_of_a_run_is_told_at_its_end(grafana: GrafanaStandIn, push: Push) -> None:
    grafana.intercept = lambda _method, path: refusal(422, "alert validation error") if path == SAVE else None
    code, said, problems = push()
    assert code == 1
    assert problems.count("it cannot be saved: alert validation error (HTTP 422)") == len(UIDS)
    assert counts(said) == f"{len(UIDS)} refused"
