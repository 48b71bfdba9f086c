"""Prints `alerts/prometheus.yml`: a scrape configuration that works with the rules, for people who have none yet."""

from __future__ import annotations

from urllib.parse import urlsplit

from atlas_ops import promql
from atlas_ops.catalog import conventions
from atlas_ops.catalog.model import Catalog
from atlas_ops.render import yamltext
from atlas_ops.settings import Settings


def render(catalog: Catalog, settings: Settings) -> dict[str, str]:
    """Return Prometheus's configuration; its rule files lie beside it."""
    del catalog
    timing = settings.parameters.timing
    document: dict[str, yamltext.Value] = {
        "global": {
            "scrape_interval": promql.duration(timing.scrape_seconds),
            "scrape_timeout": promql.duration(min(timing.scrape_seconds, 10)),
            "evaluation_interval": promql.duration(timing.evaluation_seconds),
        },
        "rule_files": ["*.yaml", *(["native/*.yaml"] if settings.native else [])],
        "alerting": {"alertmanagers": [_targets(settings.links.alertmanager)]},
        "scrape_configs": [
            {"job_name": conventions.EXPORTER_JOB, **_targets(f"http://{settings.exporter.listen}")},
            {"job_name": conventions.PAGER_JOB, **_targets(settings.links.pager)},
        ],
    }
    return {"alerts/prometheus.yml": yamltext.dump(document)}


def _targets(address: str) -> dict[str, yamltext.Value]:
    parts = urlsplit(address)
    configuration: dict[str, yamltext.Value] = {"static_configs": [{"targets": [parts.netloc]}]}
    return configuration if parts.scheme == "http" else {"scheme": parts.scheme, **configuration}
