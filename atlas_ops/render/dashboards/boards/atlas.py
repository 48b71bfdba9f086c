"""`atlas`: whether those who watch see, and whether what they see reaches people."""

from __future__ import annotations

from atlas_ops.catalog.model import Catalog, Family
from atlas_ops.render.dashboards import variables as v
from atlas_ops.render.dashboards.panels import Board, Row
from atlas_ops.render.dashboards.parts import drift, evaluation, exporters, faults, pager, scrapes
from atlas_ops.settings import Settings


def board(catalog: Catalog, settings: Settings) -> Board:
    """Return the dashboard."""
    parameters, watchers = settings.parameters, v.picked(*v.OF_WATCHERS)
    cluster = v.picked(v.CLUSTER)
    return Board(
        name="atlas",
        title="Watching",
        question="Do exporters, rules, pager and detectors work, so that silence means that all is well?",
        variables=v.of_watchers(),
        rows=(
            Row(
                key="watch-now",
                title="Is anybody blind?",
                panels=(
                    scrapes.exporters_silent(*watchers),
                    scrapes.servers_answering(*cluster),
                    scrapes.servers_silent(*cluster),
                    exporters.reloads_failed(*watchers),
                    pager.heartbeat_age(parameters),
                    drift.last_round(parameters, width=4),
                ),
            ),
            Row(
                key="watch-exporters",
                title="Exporters",
                panels=(
                    scrapes.exporters(*watchers),
                    exporters.failing_collectors(*watchers),
                    scrapes.scrape_duration(parameters.timing, *watchers),
                    exporters.snapshot_age(*watchers),
                    exporters.refused_requests(*watchers),
                    exporters.driver_calls(parameters, *watchers),
                    exporters.sampler_gap(*watchers),
                    exporters.samples_left_out(*watchers),
                    exporters.memory(*watchers),
                    exporters.processor(*watchers),
                    exporters.versions(),
                ),
            ),
            Row(
                key="watch-servers",
                title="Model servers",
                panels=(scrapes.servers_by_state(*watchers), scrapes.discovered_servers(*watchers)),
            ),
            Row(
                key="watch-rules",
                title="Rules, as Prometheus evaluates them",
                panels=(evaluation.time_used(), evaluation.failures(), evaluation.notifications()),
            ),
            Row(
                key="watch-pager",
                title="Pager",
                panels=(pager.received(), pager.delivered(), pager.queue(), pager.delivery_time()),
            ),
            faults.row(Family.BLINDNESS, catalog),
        ),
    )
