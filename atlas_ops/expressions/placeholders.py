"""Grafana's variables in PromQL: an expression of a dashboard is judged as Prometheus gets it when `All` is chosen everywhere.

Called by `check.dashboards` and `render.dashboards.coverage`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

RATE_INTERVAL, RANGE = timedelta(seconds=299), timedelta(seconds=3599)
"""What `$__rate_interval` and `$__range` become: nobody writes these by hand, so that a tree tells where they stood."""

_VARIABLE = re.compile(r"\$\{(\w+)[^}]*\}|\$([A-Za-z_]\w*)|\[\[(\w+)[^\]]*\]\]")
_BY_GRAFANA = {
    "__rate_interval": f"{RATE_INTERVAL.seconds}s",
    "__range": f"{RANGE.seconds}s",
    "__range_s": str(RANGE.seconds),
    "__range_ms": str(RANGE.seconds * 1000),
    "__interval": "60s",
    "__interval_ms": "60000",
}


def filled(text: str) -> str:
    """Return an expression with every variable filled in: those of the dashboard with `.*`, Grafana's own with a number."""
    return _VARIABLE.sub(lambda found: _BY_GRAFANA.get(_name(found), ".*"), text)


def variables(text: str) -> Iterator[str]:
    """Yield the names of the variables in any text of a dashboard; Grafana's own begin with `__`."""
    return map(_name, _VARIABLE.finditer(text))


def _name(found: re.Match[str]) -> str:
    return next(name for name in found.groups() if name)
