"""What Prometheus itself tells, with the labels that each has beside `job` and `instance`: nobody has to publish it.

The first two it makes for every target; the others are on its own page, which dashboards read where it is scraped. Used by
`expressions` and `check`, which refuse every name that nobody publishes.
"""

from __future__ import annotations

from collections.abc import Mapping

ALERTS = ("ALERTS", "ALERTS_FOR_STATE")
"""The alerts of rules, which carry whatever labels the rules leave."""
SERIES: Mapping[str, tuple[str, ...]] = {
    "up": (),
    "scrape_duration_seconds": (),
    "prometheus_rule_group_last_duration_seconds": ("rule_group",),
    "prometheus_rule_group_interval_seconds": ("rule_group",),
    "prometheus_rule_evaluation_failures_total": ("rule_group",),
    "prometheus_rule_group_iterations_missed_total": ("rule_group",),
    "prometheus_notifications_errors_total": ("alertmanager",),
    "prometheus_notifications_dropped_total": (),
}
