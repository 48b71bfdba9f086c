"""The page of the preview itself: what is chosen, repeated, refused and not known there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page

from atlas_ops.settings import Settings
from atlas_ops.stage.preview import Preview

from .rehearsed import Rehearsed
from .shown import Shown

Json = dict[str, object]
Serve = Callable[..., AbstractContextManager[Shown]]
SERVERS = ("llama-0:8000", "llama-1:8000")


def panel(number: int, title: str, expr: str, kind: str = "timeseries", **more: object) -> Json:
    target = {"refId": "A", "expr": expr, "legendFormat": "{{server}}", "range": True}
    legend = {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []}
    return {
        "id": number, "type": kind, "title": title, "gridPos": {"x": 0, "y": number * 8, "w": 24, "h": 8}, "targets": [target],
        "fieldConfig": {"defaults": {"noValue": "No data"}, "overrides": []},
        "options": {"legend": legend, "tooltip": {"mode": "multi", "sort": "none"}}, **more,
    }  # fmt: skip


def server() -> Json:
    return {
        "name": "server", "type": "query", "query": "label_values(atlas_server_up, server)", "multi": True, "includeAll": True,
        "allValue": ".*", "current": {"value": ["$__all"], "text": ["All"]}, "refresh": 2, "sort": 1,
    }  # fmt: skip


@pytest.fixture
def served(calm: Rehearsed, settings: Settings, built: Path, page: Page) -> Serve:
    @contextmanager
    def opened(*panels: Json, variable: Json | None = None, **query: str) -> Iterator[Shown]:
        board = {"uid": "own", "title": "Own", "time": {"from": "now-1h", "to": "now"}, "panels": list(panels)}
        text = json.dumps({**board, "templating": {"list": [variable or server()]}})
        with Preview({"dashboards/own.json": text}, settings, page=built, prometheus=calm.prometheus) as preview:
            end = calm.play.fault_to
            yield Shown.opened(page, f"{preview.url}/d/own", {"from": end - 3600, "to": end, **query})

    return opened


UP = 'atlas_server_up{server=~"$server"}'


def test_a_query_that_prometheus_refuses_puts_an_error_on_its_panel_and_on_no_other(served: Serve) -> None:
    with served(panel(1, "broken", "rate("), panel(2, "whole", UP)) as shown:
        assert ["broken" in complaint for complaint in shown.complaints] == [True]


def test_what_the_page_does_not_know_is_named_where_it_is_missing(served: Serve) -> None:
    odd = panel(
        2,
        "odd",
        UP,
        interval="1m",
        options={"legend": {"showLegend": False}, "tooltip": {"mode": "single"}, "stars": 5},
    )
    with served(panel(1, "pie", UP, kind="piechart"), odd, panel(3, "plain", UP)) as shown:
        assert shown.missing == [
            "not shown in the preview: panels of the kind piechart",
            "not shown in the preview: interval, options.stars",
        ]
        assert shown.complaints == []


def test_all_shows_every_value_and_a_choice_in_the_address_only_what_is_chosen(served: Serve) -> None:
    with served(panel(1, "up", UP)) as shown:
        assert all(name in shown.panels["up"].inner_text() for name in SERVERS)
    with served(panel(1, "up", UP), **{"var-server": SERVERS[1]}) as shown:
        text = shown.panels["up"].inner_text()
        assert SERVERS[1] in text
        assert SERVERS[0] not in text


def test_a_variable_without_all_stands_on_its_first_value(served: Serve) -> None:
    alone = {**server(), "includeAll": False, "allValue": None, "current": {"text": [], "value": []}}
    with served(panel(1, "up", UP), variable=alone) as shown:
        assert SERVERS[0] in shown.panels["up"].inner_text()
        assert SERVERS[1] not in shown.panels["up"].inner_text()


def test_a_row_comes_once_for_each_value_and_each_shows_its_own(served: Serve) -> None:
    row = {
        "id": 9,
        "type": "row",
        "title": "of $server",
        "repeat": "server",
        "gridPos": {"x": 0, "y": 0, "w": 24, "h": 1},
    }
    with served(row, panel(1, "up of $server", UP)) as shown:
        assert shown.headings == [f"of {name}" for name in SERVERS]
        for mine, other in (SERVERS, SERVERS[::-1]):
            text = shown.panels[f"up of {mine}"].inner_text()
            assert text.count(mine) == 2, "in its title and in its legend"
            assert other not in text


def test_what_is_not_there_is_no_data_and_what_nobody_asked_for_no_requests(served: Serve) -> None:
    nan = {"type": "special", "options": {"match": "nan", "result": {"text": "No requests"}}}
    field = {"defaults": {"noValue": "No data", "mappings": [nan]}, "overrides": []}
    options = {
        "reduceOptions": {"calcs": ["last"], "fields": "", "values": False},
        "textMode": "auto",
        "colorMode": "value",
        "graphMode": "none",
    }
    stats = [
        panel(number, title, expr, kind="stat", fieldConfig=field, options=options)
        for number, (title, expr) in enumerate(
            {"absent": "nothing", "idle": "vector(0) / 0", "three": "vector(3)"}.items()
        )
    ]
    with served(*stats) as shown:
        words = {title: found.inner_text().split("\n")[-1] for title, found in shown.panels.items()}
        assert words == {"absent": "No data", "idle": "No requests", "three": "3"}
