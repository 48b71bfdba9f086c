"""Prints `dashboards/provisioning/`: what a Grafana reads at its start to have our dashboards and their Prometheus.

The two files lie as in Grafana's own folder `provisioning`, to be copied or mounted there. `FOLDER` is the folder of every way
into Grafana. Called by `render`.
"""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog.model import Catalog
from atlas_ops.render import yamltext
from atlas_ops.settings import Settings

FOLDER = "atlas-ops"
"""Title and uid of the folder."""
PATH = "/var/lib/grafana/dashboards/atlas-ops"
"""Where Grafana finds the JSON files: in its own file system, or mounted into its container."""
_FOLDER = "dashboards/provisioning"
_ABOUT_PROVIDER = f"""\
For Grafana's folder provisioning/dashboards (/etc/grafana/provisioning/dashboards in its packages and images). Put the
files dashboards/*.json of atlas-ops where `path` says: {PATH}
Grafana looks for changes every half minute. Dashboards that come this way cannot be saved in Grafana, nor pushed.
"""
_ABOUT_SOURCE = """\
For Grafana's folder provisioning/datasources (/etc/grafana/provisioning/datasources), where there is no data source for
your Prometheus yet. The address is links.prometheus of atlas-ops.yaml. timeInterval is the scrape interval: Grafana makes
$__rate_interval of it, and with a wrong one charts of counters have gaps.
Exemplars lead to traces where Prometheus keeps them (--enable-feature=exemplar-storage) and there is a data source for
traces. Then add to jsonData, with its uid:
  exemplarTraceIdDestinations:
    - {name: trace_id, datasourceUid: tempo}
"""


def render(catalog: Catalog, settings: Settings) -> dict[str, str]:
    """Return Grafana's provisioning files."""
    del catalog
    return {
        f"{_FOLDER}/dashboards/atlas-ops.yaml": yamltext.dump_all([(_ABOUT_PROVIDER, _provider())]),
        f"{_FOLDER}/datasources/atlas-ops.yaml": yamltext.dump_all([(_ABOUT_SOURCE, _source(settings))]),
    }


def _provider() -> yamltext.Value:
    provider: yamltext.Value = {
        "name": "atlas-ops",
        "orgId": 1,
        "folder": FOLDER,
        "folderUid": FOLDER,
        "type": "file",
        "disableDeletion": False,
        "allowUiUpdates": False,
        "updateIntervalSeconds": 30,
        "options": {"path": PATH},
    }
    return {"apiVersion": 1, "providers": [provider]}


def _source(settings: Settings) -> yamltext.Value:
    # No isDefault: Grafana does not start when two data sources say that they are it.
    source: yamltext.Value = {
        "name": "atlas-ops",
        "uid": f"{c.DASHBOARD_UID_PREFIX}prometheus",
        "orgId": 1,
        "type": "prometheus",
        "access": "proxy",
        "url": settings.links.prometheus.replace("$", "$$"),
        "jsonData": {
            "httpMethod": "POST",
            "prometheusType": "Prometheus",
            "timeInterval": promql.duration(settings.parameters.timing.scrape_seconds),
        },
    }
    return {"apiVersion": 1, "datasources": [source]}
