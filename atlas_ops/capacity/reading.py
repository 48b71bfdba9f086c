"""Asks Prometheus for the windows of every model that fits a pattern. Called by the command.

Rates are taken within windows that do not overlap, by server: counters may start again, servers come and go, scrapes fail. What is no
number, or below 0, is as good as not there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from atlas_ops import promql
from atlas_ops.capacity.observed import LATELY, WINDOW, Floats, Key, Observed, Promise
from atlas_ops.catalog import bounds
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults import completed
from atlas_ops.catalog.model import Signal
from atlas_ops.catalog.parameters import Objective, Parameters
from atlas_ops.errors import DataError
from atlas_ops.prometheus import Prometheus
from atlas_ops.settings.objectives import JUDGED

_DAY = 86_400.0
_SETTLED_SECONDS = 60.0
"""The newest samples are still on their way."""
_NAMES = {
    "time_to_first_token_seconds": "first tokens",
    "request_duration_seconds": "whole answers",
    "inter_token_latency_seconds": "time between tokens",
}
_PLAIN = ("busy", "running", "waiting", "prompt_tokens", "generation_tokens", "slots")
_Labels = tuple[tuple[str, str], ...]
_Courses = dict[_Labels, Floats]
"""Values by the labels of a server."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """The windows that are read, by their ends."""

    times: Floats = field(repr=False)

    @classmethod
    def last(cls, prometheus: Prometheus, days: float) -> Span:
        """Return the windows of the last so many days, by Prometheus's clock."""
        end = math.floor((prometheus.query("vector(time())")[0].value - _SETTLED_SECONDS) / WINDOW) * WINDOW
        return cls(times=end - WINDOW * np.arange(max(1, round(days * _DAY / WINDOW)))[::-1])

    def asked(self, prometheus: Prometheus, expr: str) -> Iterator[tuple[dict[str, str], Floats]]:
        """Yield the labels and values of each series of a query, day by day asked: a month at once may be more than Prometheus holds."""
        found: dict[_Labels, Floats] = {}
        per_day = round(_DAY / WINDOW)
        for first in range(0, len(self.times), per_day):
            times = self.times[first : first + per_day]
            for course in prometheus.query_range(expr, float(times[0]), float(times[-1]), WINDOW):
                labels = tuple(sorted(course.labels.items()))
                values = found.setdefault(labels, np.full(len(self.times), np.nan))
                places = np.rint((np.array(course.times) - self.times[0]) / WINDOW).astype(np.int64)
                values[places] = [value if math.isfinite(value) and value >= 0 else math.nan for value in course.values]
        for labels, values in found.items():
            yield dict(labels), values


def read(prometheus: Prometheus, models: str, span: Span, parameters: Parameters) -> tuple[Observed, ...]:
    """Return what is known of each model; DataError when there is none, EnvironmentProblem when Prometheus does not answer."""
    ask = _Asker(prometheus=prometheus, span=span, models=models, parameters=parameters)
    plain = {name: ask.courses(expr) for name, expr in _expressions(ask.matcher).items()}
    promises = [
        (objective, key, ask.promise(objective, matcher, key))
        for objective, matcher in parameters.by_model()
        for key in JUDGED
    ]
    grouped = _grouped(plain)
    if not grouped:
        raise DataError(
            f"Prometheus at {prometheus.url} has no requests of a model that fits {models!r} in this time",
            next_step="check --model and --days, and that an exporter measures the servers (`atlas-ops check`, dashboard Blindness)",
        )
    most = ask.most_replicas()
    return tuple(
        Observed(
            key=key,
            times=span.times,
            servers=tuple(_server(labels) for labels in mine),
            finished=ask.table(plain["finished"], mine),
            arrived=_arrived(ask.table(plain["ended"], mine), ask.table(plain["inside"], mine)),
            promises=tuple(
                ask.told(mine, *promise) for promise in promises if any(one in promise[2][1] for one in mine)
            ),
            most_replicas=most.get(key.model),
            **{name: ask.table(plain[name], mine) for name in _PLAIN},
        )
        for key, mine in grouped.items()
    )


def _grouped(plain: Mapping[str, _Courses]) -> dict[Key, list[_Labels]]:
    """Return the servers of each model that told of requests."""
    found: dict[Key, list[_Labels]] = {}
    for labels in sorted({*plain["finished"], *plain["running"]}):
        found.setdefault(_key(labels), []).append(labels)
    return found


def _expressions(matcher: str) -> dict[str, str]:
    """Return PromQL for each array, by server."""
    window, by = promql.duration(WINDOW), c.SERVER_LABELS
    ended = ", ".join(part for part in ('outcome!="rejected"', matcher) if part)

    def mean(signal: Signal) -> str:
        return promql.sum_by(by, f"avg_over_time({promql.select(signal, matcher)}[{window}])")

    def rate(name: object) -> str:
        return promql.sum_by(by, promql.rate(name, window, matcher))

    return {
        "finished": completed.rate(window, ended),
        "ended": completed.rate(window, matcher),
        "inside": promql.sum_by(
            by,
            promql.together(promql.select(s.REQUESTS_RUNNING, matcher), promql.select(s.REQUESTS_WAITING, matcher)),
        ),
        "busy": rate(f"{s.REQUEST_DURATION}_sum"),
        "running": mean(s.REQUESTS_RUNNING),
        "waiting": mean(s.REQUESTS_WAITING),
        "prompt_tokens": rate(s.PROMPT_TOKENS),
        "generation_tokens": rate(s.GENERATION_TOKENS),
        "slots": mean(s.REQUESTS_CAPACITY),
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asker:
    prometheus: Prometheus
    span: Span
    models: str
    parameters: Parameters

    @property
    def matcher(self) -> str:
        return promql.glob_matcher(c.MODEL, self.models)

    def courses(self, expr: str) -> _Courses:
        """Return a query's values by server, of the models that were asked for."""
        found: _Courses = {}
        for labels, values in self.span.asked(self.prometheus, expr):
            told = tuple((name, labels.get(name, "")) for name in c.SERVER_LABELS)
            found[told] = values
        return {labels: values for labels, values in found.items() if fits(self.models, dict(labels)[c.MODEL])}

    def promise(self, objective: Objective, matcher: str, key: str) -> tuple[_Courses, _Courses]:
        """Return observations that were in time, and all of them, of the models of an objective."""
        signal, window = JUDGED[key], promql.duration(WINDOW)
        judged = bounds.in_force(signal, getattr(objective, key), self.parameters.bounds)
        if not judged.by_runtime:
            return {}, {}
        bucket = promql.rate(signal.series[0], window, *judged.matchers, matcher, self.matcher)
        every = promql.rate(f"{signal}_count", window, matcher, self.matcher)
        within = promql.sum_by(c.SERVER_LABELS, f"min without (le) ({bucket})")
        return self.courses(within), self.courses(promql.sum_by(c.SERVER_LABELS, every))

    def told(self, servers: list[_Labels], objective: Objective, key: str, found: tuple[_Courses, _Courses]) -> Promise:
        within, every = (self.table(courses, servers) for courses in found)
        return Promise(
            name=_NAMES[key],
            seconds=getattr(objective, key),
            target=getattr(objective, f"{key.removesuffix('_seconds')}_target"),
            slow=np.maximum(every - within, 0.0),
            all=np.where(np.isfinite(within), every, np.nan),
        )

    def table(self, courses: _Courses, servers: Iterable[_Labels]) -> Floats:
        empty = np.full(len(self.span.times), np.nan)
        return np.stack([courses.get(labels, empty) for labels in servers])

    def most_replicas(self) -> dict[str, int]:
        """Return how many replicas autoscalers may ask for, by model: they tell of no runtime."""
        lately = f"{promql.select(s.REPLICAS_MAXIMUM, self.matcher)}[{promql.duration(LATELY * WINDOW)}]"
        expr = f"max by ({c.MODEL}) (last_over_time({lately}))"
        points = self.prometheus.query(expr, at=float(self.span.times[-1]))
        return {point.labels.get(c.MODEL, ""): int(point.value) for point in points if math.isfinite(point.value)}


def _arrived(ended: Floats, inside: Floats) -> Floats:
    """Return arrivals per second: what ended, and by how much the requests inside grew, where that is known.

    Without it, the demand on servers that are full would be what they manage.
    """
    grown = np.diff(inside, axis=1, prepend=inside[:, :1]) / WINDOW
    return np.asarray(np.maximum(ended + np.where(np.isfinite(grown), grown, 0.0), 0.0))


def fits(pattern: str, name: str) -> bool:
    """Say whether a glob pattern fits the whole name."""
    return re.fullmatch(promql.glob_regex(pattern), name, re.DOTALL) is not None


def _key(labels: _Labels) -> Key:
    told = dict(labels)
    return Key(runtime=told[c.RUNTIME], model=told[c.MODEL], namespace=told[c.K8S_NAMESPACE])


def _server(labels: _Labels) -> str:
    told = dict(labels)
    return told[c.K8S_POD] or told[c.SERVER]
