"""Puts our dashboards into a Grafana by its HTTP API: `client` speaks it over `wire`, `push` decides what is to be written.

Called by `atlas_ops.cli.dashboards`. There is a library (grafana-client); it is not used because it brings niquests, whose
urllib3-future takes the place of the urllib3 that everything else here runs on, follows redirects with the token, and neither
retries nor tells a proxy's page from Grafana's answer. Five calls are needed.
"""

from atlas_ops.grafana.client import Grafana
from atlas_ops.grafana.push import Dashboard, Outcome, Verdict, folder, push

__all__ = ["Dashboard", "Grafana", "Outcome", "Verdict", "folder", "push"]
