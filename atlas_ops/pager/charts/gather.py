"""Asks Prometheus for what the chart of an alert shows. Called by `charts.charts`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from atlas_ops import promql
from atlas_ops.catalog import conventions
from atlas_ops.catalog.model import Panel
from atlas_ops.pager.charts.picture import Line, Picture
from atlas_ops.pager.incident import Alert
from atlas_ops.pager.scrub import scrub_labels
from atlas_ops.prometheus import Course, Prometheus

BEFORE_SECONDS = 1800.0
"""Half an hour before the alert tells what was usual."""
MOST_LINES = 6
_POINTS = 240
_LEAST_STEP = 15.0
_RATE_INTERVAL = "5m"
"""What `$__rate_interval` becomes: rates of the rules look over two to five minutes."""
_VARIABLE = re.compile(r'(=~)"\$(\w+)"')
_LEGEND = re.compile(r"\{\{\s*(\w+)\s*\}\}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """From when to when a chart goes. Unix seconds; `over` is None while the alert fires."""

    began: float
    over: float | None
    now: float

    @property
    def end(self) -> float:
        """Its right edge: a little after the end of the alert, or now."""
        return self.now if self.over is None else min(self.now, self.over + BEFORE_SECONDS / 2)


def gather(panel: Panel, alert: Alert, span: Span, prometheus: Prometheus) -> Picture | None:
    """Return the chart of an alert; None when Prometheus has nothing for it. Raises what `Prometheus` does."""
    start = span.began - BEFORE_SECONDS
    step = max(_LEAST_STEP, (span.end - start) / _POINTS)
    lines: list[Line] = []
    for expr, legend in panel.queries:
        courses = prometheus.query_range(filled(expr, alert), start, span.end, step)
        lines += [_line(legend, course) for course in courses if about(alert, course.labels)]
    lines = sorted((line for line in lines if line.values), key=lambda line: max(line.values), reverse=True)
    if not lines:
        return None
    return Picture(
        title=panel.title,
        unit=panel.unit,
        limit=panel.limit,
        lines=tuple(lines[:MOST_LINES]),
        more=max(0, len(lines) - MOST_LINES),
        start=start,
        end=span.end,
        began=span.began,
        over=span.over,
    )


def filled(expr: str, alert: Alert) -> str:
    """Return a query of a panel for what an alert is about."""

    def fill(found: re.Match[str]) -> str:
        return f"{found[1]}{promql.quote(re.escape(alert.word(found[2])) or '.*')}"

    return _VARIABLE.sub(fill, expr.replace("$__rate_interval", _RATE_INTERVAL))


def about(alert: Alert, labels: Mapping[str, str]) -> bool:
    """Say whether a series is about what the alert is about: no label of one contradicts the other."""
    pairs = ((alert.word(word), labels.get(label, "")) for word, label in conventions.ALERT_LABELS.items())
    details = ((alert.labels.get(name, ""), labels.get(name, "")) for name in conventions.DETAIL_LABELS)
    return all(ours == theirs for ours, theirs in (*pairs, *details) if ours and theirs)


def named(legend: str, labels: Mapping[str, str]) -> str:
    """Return the name of a series: its panel's legend filled in, scrubbed."""
    clean = scrub_labels(labels)
    name = " ".join(_LEGEND.sub(lambda found: clean.get(found[1], ""), legend).split())
    return name[:80] or "value"


def _line(legend: str, course: Course) -> Line:
    kept = [pair for pair in zip(course.times, course.values, strict=True) if math.isfinite(pair[1])]
    name = named(legend, course.labels)
    return Line(name=name, at=tuple(at for at, _ in kept), values=tuple(value for _, value in kept))
