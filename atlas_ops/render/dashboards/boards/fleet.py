"""`fleet`: whether anything is wrong, and where. Where people begin."""

from __future__ import annotations

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog.model import Catalog, Severity
from atlas_ops.render.dashboards import variables as v
from atlas_ops.render.dashboards.panels import Board, Row
from atlas_ops.render.dashboards.parts import alerts, inventory, latency, pager, requests, scrapes
from atlas_ops.settings import Settings

_BY = (c.MODEL,)
_PICKED = v.picked(v.CLUSTER)


def board(catalog: Catalog, settings: Settings) -> Board:
    """Return the dashboard."""
    del catalog  # no fault is judged here
    return Board(
        name="fleet",
        title="Fleet",
        question="Is anything wrong, and where?",
        variables=v.of_fleet(),
        rows=(_wrong(settings), _models(settings), _nodes(settings)),
    )


def _wrong(settings: Settings) -> Row:
    firing = alerts.firing(*_PICKED)
    return Row(
        key="wrong",
        title="Is anything wrong?",
        panels=(
            alerts.count(Severity.PAGE, *_PICKED),
            alerts.count(Severity.TICKET, *_PICKED),
            scrapes.servers_answering(*_PICKED),
            scrapes.servers_silent(*_PICKED),
            scrapes.exporters_silent(*_PICKED),
            pager.heartbeat_age(settings.parameters),
            alerts.by_fault(firing),
            alerts.table(firing, "Alerts that fire"),
        ),
    )


def _models(settings: Settings) -> Row:
    parameters = settings.parameters
    return Row(
        key="models-row",
        title="Models",
        panels=(
            inventory.models(parameters, *_PICKED),
            requests.by_outcome(*_PICKED),
            requests.present(_BY, *_PICKED),
            latency.within_of_models(latency.FIRST_TOKEN, parameters, _BY, *_PICKED),
        ),
    )


def _nodes(settings: Settings) -> Row:
    return Row(key="nodes-row", title="Nodes", panels=(inventory.nodes(settings.parameters, *_PICKED),))
