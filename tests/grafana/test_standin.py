"""The stand-in refuses what Grafana's documentation says that Grafana refuses, so a test against it means something."""

from __future__ import annotations

import json
from typing import Any

import pytest
import urllib3

from tests.grafana.standin import TOKEN, GrafanaStandIn

BOARD: dict[str, Any] = {"id": None, "uid": "one", "title": "One", "tags": [], "schemaVersion": 39}
HEADERS = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}


def post(grafana: GrafanaStandIn, path: str, body: object, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    answer = urllib3.request(
        "POST", grafana.url + path, body=json.dumps(body), headers=headers or HEADERS, retries=False
    )
    return answer.status, answer.json()


def save(grafana: GrafanaStandIn, model: dict[str, Any], **more: object) -> tuple[int, Any]:
    return post(grafana, "/api/dashboards/db", {"dashboard": model, **more})


@pytest.mark.parametrize("value", ["", TOKEN, f"Basic {TOKEN}", f"bearer{TOKEN}", "Bearer wrong"])
def test_a_token_counts_only_as_a_bearer(grafana: GrafanaStandIn, value: str) -> None:
    headers = {**HEADERS, "Authorization": value}
    assert post(grafana, "/api/dashboards/db", {"dashboard": BOARD}, headers)[0] == 401
    assert not grafana.dashboards


@pytest.mark.parametrize(
    ("model", "more", "status", "message"),
    [
        ({"title": ""}, {}, 400, "title cannot be empty"),
        ({"title": None}, {}, 400, "title cannot be empty"),
        ({"title": "x" * 5001}, {}, 400, "more than 5 000"),
        ({"uid": "x" * 41}, {}, 400, "max 40 characters"),
        ({"uid": "a b"}, {}, 400, "illegal characters"),
        ({"id": 77}, {}, 404, "Dashboard not found"),
        ({"id": "1"}, {}, 400, "bad request"),
        ({}, {"folderUid": "nowhere"}, 400, "folder not found"),
        ({}, {"folderUid": "", "folderId": 0}, 400, "only one of"),
        ({}, {"message": "x" * 501}, 400, "max 500 characters"),
        ({}, {"overwrite": "yes"}, 400, "bad request"),
        ({}, {"folder": "ours"}, 400, "bad request"),
    ],
)
def test_a_dashboard_that_is_not_right_is_refused(
    grafana: GrafanaStandIn, model: dict[str, Any], more: dict[str, Any], status: int, message: str
) -> None:
    code, answer = save(grafana, {**BOARD, **model}, **more)
    assert (code, message in answer["message"]) == (status, True), answer
    assert not grafana.dashboards


def test_a_save_has_to_name_the_version_that_it_replaces_or_to_overwrite(grafana: GrafanaStandIn) -> None:
    assert save(grafana, BOARD)[1]["version"] == 1
    code, answer = save(grafana, BOARD)
    assert (code, answer["status"]) == (412, "version-mismatch")
    assert save(grafana, {**BOARD, "version": 1})[1]["version"] == 2
    assert save(grafana, BOARD, overwrite=True)[1]["version"] == 3


def test_a_second_dashboard_of_a_title_is_refused_and_overwriting_takes_the_place_of_the_first(
    grafana: GrafanaStandIn,
) -> None:
    save(grafana, BOARD)
    code, answer = save(grafana, {**BOARD, "uid": "two"})
    assert (code, answer["status"]) == (412, "name-exists")
    assert save(grafana, {**BOARD, "uid": "two"}, overwrite=True)[1]["uid"] == "one"


def test_provisioned_dashboards_and_those_of_plugins_are_not_saved(grafana: GrafanaStandIn) -> None:
    grafana.keep(BOARD, provisioned=True)
    grafana.keep({**BOARD, "uid": "two", "title": "Two"}, plugin="k6-app")
    assert save(grafana, {**BOARD, "version": 1})[0] == 400
    code, answer = save(grafana, {**BOARD, "uid": "two", "title": "Two", "version": 1})
    assert (code, answer["status"]) == (412, "plugin-dashboard")


def test_without_a_folder_a_dashboard_is_moved_to_the_top(grafana: GrafanaStandIn) -> None:
    post(grafana, "/api/folders", {"uid": "ours", "title": "Ours"})
    save(grafana, BOARD, folderUid="ours")
    save(grafana, {**BOARD, "version": 1})
    assert grafana.dashboards["one"].folder_uid == ""


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"title": ""}, 400),
        ({"title": "General"}, 400),
        ({"title": "Ours", "uid": "x" * 41}, 400),
        ({"title": "Ours", "uid": "a/b"}, 400),
        ({"title": "Ours", "uid": "there"}, 409),
        ({"title": "Ours", "name": "ours"}, 400),
    ],
)
def test_a_folder_that_is_not_right_is_refused(grafana: GrafanaStandIn, body: dict[str, Any], status: int) -> None:
    post(grafana, "/api/folders", {"uid": "there", "title": "There"})
    assert post(grafana, "/api/folders", body)[0] == status
    assert list(grafana.folders) == ["there"]


def test_what_is_not_sent_as_json_is_refused(grafana: GrafanaStandIn) -> None:
    headers = {**HEADERS, "Content-Type": "text/plain"}
    assert post(grafana, "/api/dashboards/db", {"dashboard": BOARD}, headers)[0] == 400
