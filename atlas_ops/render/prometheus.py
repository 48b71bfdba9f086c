"""Prints `alerts/prometheus.yml`: a scrape configuration that works with the rules, for people who have none yet."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from atlas_ops import promql
from atlas_ops.catalog import conventions
from atlas_ops.catalog.model import Catalog
from atlas_ops.render import yamltext
from atlas_ops.settings import Settings

_ABOUT = """\
Start Prometheus with --storage.tsdb.retention.time=35d or more: rules that compare with earlier weeks look back four of
them, and do with less what a day of history allows.
Leave --rules.alert.for-grace-period and --rules.alert.resend-delay alone. After a restart, Prometheus takes up no alert
whose `for` is shorter than the grace period (10 minutes): it waits for its `for` anew, while Alertmanager holds the
alert for four times the resend delay (4 minutes). So every `for` here is below 4 minutes, and a restart neither resolves
an alert nor tells it twice. For rules of your own with a longer `for`, set a grace period below it.
A target that does not answer for two minutes is a page (ExporterDown). Where targets come from kubernetes_sd_configs,
drop pods that have ended, or each node that an autoscaler takes away may page until its pod is collected:
  relabel_configs:
    - {source_labels: [__meta_kubernetes_pod_phase], regex: Succeeded|Failed, action: drop}
"""


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
        "scrape_configs": list(_jobs(settings)),
    }
    return {"alerts/prometheus.yml": yamltext.dump_all([(_ABOUT, document)])}


def _jobs(settings: Settings) -> Iterator[yamltext.Value]:
    if settings.parameters.exporters:
        yield {"job_name": conventions.EXPORTER_JOB, **_targets(f"http://{settings.exporter.listen}")}
    yield {"job_name": conventions.PAGER_JOB, **_targets(settings.links.pager)}


def _targets(address: str) -> dict[str, yamltext.Value]:
    parts = urlsplit(address)
    configuration: dict[str, yamltext.Value] = {"static_configs": [{"targets": [parts.netloc]}]}
    return configuration if parts.scheme == "http" else {"scheme": parts.scheme, **configuration}
