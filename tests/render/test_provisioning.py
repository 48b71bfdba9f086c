"""Grafana's provisioning files say what Grafana's documentation lets them say, and follow the settings."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import yaml

from atlas_ops import settings
from atlas_ops.catalog import build_catalog
from atlas_ops.render import provisioning
from atlas_ops.settings import Settings

_PROVIDER = {
    "name": str, "orgId": int, "folder": str, "folderUid": str, "type": str, "disableDeletion": bool,
    "updateIntervalSeconds": int, "allowUiUpdates": bool, "options": dict,
}  # fmt: skip
_SOURCE = {"name": str, "uid": str, "orgId": int, "type": str, "access": str, "url": str, "jsonData": dict}
_JSON_DATA = {"httpMethod": str, "prometheusType": str, "timeInterval": str}


def files(config: str = "") -> dict[str, Any]:
    found = settings.parse(config) if config else Settings()
    printed = provisioning.render(build_catalog(found.parameters), found)
    return {PurePosixPath(path).parent.name: yaml.safe_load(text) for path, text in printed.items()}


def source(config: str = "") -> dict[str, Any]:
    document = files(config)["datasources"]
    assert document["apiVersion"] == 1
    (found,) = document["datasources"]
    return dict(found)


def kinds(found: dict[str, Any]) -> dict[str, type]:
    return {key: type(value) for key, value in found.items()}


def test_the_provider_reads_a_folder_of_files_and_lets_nobody_edit_what_a_file_would_undo() -> None:
    document = files()["dashboards"]
    (provider,) = document["providers"]
    assert (document["apiVersion"], kinds(provider)) == (1, _PROVIDER)
    assert (provider["type"], provider["allowUiUpdates"]) == ("file", False)
    assert set(provider["options"]) == {"path"}, "foldersFromFilesStructure does not go with a folder"
    assert PurePosixPath(provider["options"]["path"]).is_absolute()


def test_the_data_source_is_a_prometheus_that_grafana_asks_itself() -> None:
    found = source()
    assert (kinds(found), kinds(found["jsonData"])) == (_SOURCE, _JSON_DATA)
    assert (found["type"], found["access"]) == ("prometheus", "proxy")


def test_it_never_says_that_it_is_the_default_because_grafana_does_not_start_with_two() -> None:
    assert "isDefault" not in source()


def test_the_data_source_follows_the_address_and_the_scrape_interval() -> None:
    found = source("links: {prometheus: 'https://prometheus.example.org/a'}\ntiming: {scrape_seconds: 30}")
    assert (found["url"], found["jsonData"]["timeInterval"]) == ("https://prometheus.example.org/a", "30s")


def test_a_dollar_in_the_address_is_not_taken_for_a_variable_of_the_environment() -> None:
    assert source("links: {prometheus: 'http://127.0.0.1:9090/$a'}")["url"] == "http://127.0.0.1:9090/$$a"
