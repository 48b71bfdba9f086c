"""`server`: how one replica is doing, where it runs, and what it tells; with the charts of the faults of availability."""

from __future__ import annotations

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog.model import Catalog, Family
from atlas_ops.render.dashboards import variables
from atlas_ops.render.dashboards.panels import Board, Row
from atlas_ops.render.dashboards.parts import (
    cache,
    extras,
    faults,
    placement,
    probes,
    quality,
    queue,
    requests,
    servers,
    serving,
    starts,
    tokens,
)  # fmt: skip
from atlas_ops.settings import Settings

_BY = (c.SERVER, c.HOST_NAME, c.MODEL)
_PICKED = variables.picked(*variables.OF_SERVERS)


def board(catalog: Catalog, settings: Settings) -> Board:
    """Return the dashboard."""
    return Board(
        name="server",
        title="Server",
        question="How is this replica doing: is it there, what does it work on, where does it run, and what does it tell?",
        variables=variables.opening_on_one(variables.SERVER, variables.of_servers()),
        rows=(
            _there(settings),
            _glance(settings),
            *serving.rows(settings.parameters, _BY, *_PICKED),
            _around(settings),
            _extras(),
            faults.row(Family.AVAILABILITY, catalog),
        ),
    )


def _there(settings: Settings) -> Row:
    parameters, timing = settings.parameters, settings.parameters.timing
    return Row(
        key="there",
        title="Is it there?",
        panels=(
            servers.up(timing, *_PICKED),
            servers.ready(timing, *_PICKED),
            starts.age(timing, *_PICKED),
            starts.load_time(parameters, _BY, *_PICKED),
            starts.restarts(timing, *_PICKED),
            placement.held(_BY, *_PICKED),
            servers.scrape_states(timing, *_PICKED),
            servers.ready_states(timing, *_PICKED),
        ),
    )


def _glance(settings: Settings) -> Row:
    return Row(
        key="glance",
        title="What it does now",
        panels=(
            requests.per_second(_BY, *_PICKED),
            requests.answered(settings.parameters, _BY, *_PICKED),
            tokens.first_in_time(settings.parameters, _BY, *_PICKED),
            queue.waiting(_BY, *_PICKED),
            tokens.produced(_BY, *_PICKED),
            cache.fullest(_BY, *_PICKED),
        ),
    )


def _extras() -> Row:
    return Row(
        key="extras",
        title="Speculation, adapters, black-box requests",
        panels=(
            extras.accepted(_BY, *_PICKED),
            extras.adapters(_BY, *_PICKED),
            probes.answered(*_PICKED),
            probes.results(_BY, *_PICKED),
        ),
    )


def _around(settings: Settings) -> Row:
    timing = settings.parameters.timing
    return Row(
        key="around",
        title="Where it runs, and what it tells",
        panels=(
            placement.gpus(timing, *_PICKED),
            placement.memory(timing, _BY, *_PICKED),
            starts.identity(timing, *_PICKED),
            quality.unresolved(timing, *_PICKED),
            quality.told(timing, *_PICKED),
        ),
    )
