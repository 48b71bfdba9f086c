"""Every dashboard is what Grafana's own schemas describe: no unknown key, no wrong choice, nothing required left out."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable

import pytest

from atlas_ops.render.dashboards import grafana
from atlas_ops.render.dashboards.descriptions import describer
from atlas_ops.render.dashboards.panels import (
    Bars,
    Board,
    Chart,
    Column,
    Gauge,
    Heatmap,
    Limit,
    Link,
    Note,
    Number,
    Palette,
    Panel,
    Query,
    Row,
    States,
    Table,
)

from . import grafana_schemas as schemas
from .built import CATALOG, DEFAULT, NAMES, Json, dashboard, objects, panels

_QUERY = Query(expr="up", legend="{{job}}", exemplars=True)
_LINKS = (Link(title="Model", board="model", variables={"model": "job"}), Link(title="Out", url="https://example.org"))
_LIMIT = Limit(value=0.5, below=True)
_COLUMNS = (
    Column(source="job", title="Job", links=_LINKS),
    Column(source="Value #A", title="Up", unit="percentunit", limit=_LIMIT),
)
FULL: tuple[Panel, ...] = (
    Chart(
        key="a", title="a", shows="a", worry="a", queries=(_QUERY,), unit="s", limit=_LIMIT, maximum=1.5, links=_LINKS
    ),
    Chart(key="b", title="b", shows="b", worry="b", queries=(_QUERY,), unit="s", minimum=None, stacked=True),
    Number(key="c", title="c", shows="c", worry="c", query=_QUERY, unit="s", limit=_LIMIT, trend=True, links=_LINKS),
    Gauge(key="d", title="d", shows="d", worry="d", query=_QUERY, unit="s", limit=_LIMIT),
    Bars(key="e", title="e", shows="e", worry="e", query=_QUERY, unit="s", limit=_LIMIT, maximum=1.0, links=_LINKS),
    Heatmap(key="f", title="f", shows="f", worry="f", query=_QUERY, unit="s"),
    States(key="g", title="g", shows="g", worry="g", queries=(_QUERY,), states={0: ("x", Palette.BAD)}, links=_LINKS),
    Table(key="h", title="h", shows="h", worry="h", queries=(_QUERY,), columns=_COLUMNS),
    Note(key="i", title="i", text="i"),
)
"""Each kind of panel with everything that it can have."""


def full() -> Json:
    rows = (Row(key="r", title="R", panels=FULL, repeat="model"),)
    board = Board(name="full", title="Full", question="?", variables=(), rows=rows)
    found: Json = json.loads(grafana.text(board, describer(CATALOG, DEFAULT), DEFAULT))
    return found


def panel(kind: str) -> Json:
    return next(one for one in full()["panels"] if one["type"] == kind)


@pytest.mark.parametrize("name", NAMES)
def test_grafana_has_no_objection_to_a_dashboard(name: str) -> None:
    assert schemas.errors(dashboard(name)) == []


def test_grafana_has_no_objection_to_any_kind_of_panel_with_everything_that_it_can_have() -> None:
    assert {one["type"] for one in panels(full())} == set(schemas.KINDS)
    assert schemas.errors(full()) == []


@pytest.mark.parametrize("name", NAMES)
def test_every_unit_is_one_that_grafana_knows(name: str) -> None:
    found = objects(dashboard(name)["panels"])
    units = {one["unit"] for one in found if "unit" in one}
    units |= {one["value"] for one in objects(dashboard(name)["panels"]) if one.get("id") == "unit"}
    assert units - schemas.UNITS == set()


def _misspelt_option(found: Json) -> None:
    found["options"]["legnd"] = found["options"].pop("legend")


def _no_such_choice(found: Json) -> None:
    found["fieldConfig"]["defaults"]["thresholds"]["mode"] = "absolut"


def _misspelt_style(found: Json) -> None:
    found["fieldConfig"]["defaults"]["custom"]["lineWidht"] = 1


def _text_for_a_number(found: Json) -> None:
    found["fieldConfig"]["defaults"]["custom"]["lineWidth"] = "1"


def _place_by_another_name(found: Json) -> None:
    found["gridPosition"] = found.pop("gridPos")


def _unknown_key_of_a_query(found: Json) -> None:
    found["targets"][0]["expression"] = "up"


def _link_to_nowhere(found: Json) -> None:
    del found["fieldConfig"]["defaults"]["links"][0]["url"]


@pytest.mark.parametrize(
    "spoil",
    [
        _misspelt_option, _no_such_choice, _misspelt_style, _text_for_a_number, _place_by_another_name,
        _unknown_key_of_a_query, _link_to_nowhere,
    ],
)  # fmt: skip
def test_a_mistake_in_a_panel_is_found(spoil: Callable[[Json], None]) -> None:
    found = panel("timeseries")
    assert list(schemas.panel_errors(found)) == []
    spoil(found)
    assert list(schemas.panel_errors(found))


@pytest.mark.parametrize("kind", sorted(schemas.KINDS))
def test_an_option_that_a_kind_of_panel_does_not_have_is_found(kind: str) -> None:
    found = panel(kind)
    found["options"]["shiny"] = True
    assert any("'shiny' was unexpected" in error for error in schemas.panel_errors(found))


def test_a_misspelt_property_of_a_column_is_found() -> None:
    found = panel("table")
    properties = found["fieldConfig"]["overrides"][1]["properties"]
    properties[-1]["id"] = "custom.cellOption"
    assert any("custom.cellOption" in error for error in schemas.panel_errors(found))


def test_a_mistake_above_the_panels_is_found() -> None:
    found = copy.deepcopy(full())
    found["templating"]["list"][0]["type"] = "datasorce"
    found["annotations"]["list"][0]["colour"] = "red"
    found["schemaVersion"] = "39"
    assert len(schemas.errors(found)) == 3
