"""Which colour stands for which word: the same on every chart, table and timeline, whatever else is drawn beside it.

Grafana hands out colours in the order of the series, so `error` would be green wherever it comes first. What has no word here
has Grafana's colours. Used by `shapes`, for legends and columns with one of these labels, and by `parts`, for timelines.
"""

from __future__ import annotations

from collections.abc import Mapping

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog.model import Severity
from atlas_ops.render.dashboards.panels import Palette

SEVERITIES = {
    Severity.PAGE.value: Palette.BAD,
    Severity.TICKET.value: Palette.WARNING,
    Severity.INFO.value: Palette.QUIET,
}
SCRAPE_STATES = {
    "ok": Palette.GOOD,
    "starting": Palette.QUIET,
    "empty": Palette.WARNING,
    "unauthorized": Palette.BARRED,
    "disabled": Palette.OFF,
    "unreachable": Palette.BAD,
    "unparsable": Palette.SPOILT,
    "timeout": Palette.LATE,
}
_OUTCOMES = {
    "ok": Palette.GOOD,
    "error": Palette.BAD,
    "rejected": Palette.WARNING,
    "cancelled": Palette.OFF,
    "timeout": Palette.LATE,
}
_ADAPTERS = {"running": Palette.QUIET, "waiting": Palette.WARNING}
_RESULTS = {
    # Of black-box requests.
    "ok": Palette.GOOD,
    "refused": Palette.WARNING,
    "unreachable": Palette.BAD,
    "error_status": Palette.BAD,
    "unauthorized": Palette.BARRED,
    **dict.fromkeys(("error_in_answer", "truncated", "empty", "garbage"), Palette.SPOILT),
    "timeout": Palette.LATE,
    "not_sent": Palette.OFF,
    # Of webhooks.
    "accepted": Palette.GOOD,
    "heartbeat": Palette.QUIET,
    "unchanged": Palette.OFF,
    "too_large": Palette.SPOILT,
    "failed": Palette.BAD,
}
_REASONS = {
    # Of clocks that are held down.
    "gpu_idle": Palette.OFF,
    **dict.fromkeys(("sw_power_cap", "sync_boost", "display_clocks", "applications_clocks"), Palette.QUIET),
    **dict.fromkeys(("hw_slowdown", "hw_thermal", "sw_thermal", "hw_power_brake"), Palette.BAD),
    # Of requests to the exporter that got no page.
    "busy": Palette.WARNING,
    "unauthorized": Palette.BARRED,
    "tls": Palette.BARRED,
    "timeout": Palette.LATE,
    "bad_request": Palette.SPOILT,
    "failed": Palette.BAD,
}
OF_LABEL: Mapping[str, Mapping[str, Palette]] = {
    "outcome": _OUTCOMES,
    "state": {**SCRAPE_STATES, **_ADAPTERS},
    "result": _RESULTS,
    "reason": _REASONS,
    "type": {"corrected": Palette.WARNING, "uncorrected": Palette.BAD},
    c.SEVERITY: SEVERITIES,
}
"""{label: {its value: colour}}."""
