"""One run through a real Prometheus: an empty one is started, the samples are loaded, and every rule is asked at every evaluation.

An alert rule's `for` and `keep_firing_for` are `alerting`'s; everything else is Prometheus's own work, so nothing here knows
PromQL. A Prometheus of its own for each run: no window can look into another run. What is left out: rules that read
`ALERTS` see none, and all rules of one evaluation see the recordings of that evaluation, whatever their groups. Groups are
evaluated as often as their files say, all of them at the same moments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise, takewhile
from pathlib import Path

import numpy as np

from atlas_ops.errors import ConfigError
from atlas_ops.prometheus import Course, Prometheus, QueryRefused
from atlas_ops.rehearsal.alerting import Firing, firings
from atlas_ops.rehearsal.remote_write import bodies
from atlas_ops.rehearsal.rules import Rule, in_order
from atlas_ops.rehearsal.samples import STALE_NAN, Series, Table, Times, Written, ended
from atlas_ops.stage.processes import Process, free_port, program

LOOKBACK_SECONDS = 300.0
"""How old the value of a series may be that Prometheus takes as one of now."""
_TIMEOUT_SECONDS = 300.0
_Vector = dict[Series, float]
"""The result of a rule at one moment."""
_BLOCK = "10y"
"""Longer than any run: all of it stays in the head, so recordings may be written long after the samples that they are made of."""


@dataclass(frozen=True, kw_only=True)
class Evaluations:
    """When the rules are asked: from `start` to `end` every `step` seconds (Unix time), but not while Prometheus is away."""

    start: float
    end: float
    step: float
    away: tuple[tuple[float, float], ...] = ()

    @cached_property
    def times(self) -> tuple[float, ...]:
        """Every evaluation."""
        count = int((self.end - self.start) / self.step + 1e-6) + 1
        return tuple(t for t in (round(self.start + n * self.step, 3) for n in range(count)) if self.covers(t))

    @cached_property
    def restarts(self) -> tuple[float, ...]:
        """The first evaluation after each absence."""
        first = (next((time for time in self.times if time >= end), None) for _, end in self.away)
        return tuple(time for time in first if time is not None)

    def of(self, *rules: Rule) -> Evaluations:
        """Return those at which the groups of these rules are evaluated; the quickest of them sets the pace."""
        rounds = round(min(rule.interval_seconds for rule in rules) / self.step)
        return replace(self, step=self.step * max(1, rounds))

    def covers(self, time: float) -> bool:
        """Whether Prometheus is there."""
        return not any(start <= time < end for start, end in self.away)


class Replay:
    """An empty Prometheus that takes samples of any time."""

    def __init__(self, prometheus: Prometheus) -> None:
        self.prometheus = prometheus

    @classmethod
    @contextmanager
    def started(cls, folder: Path) -> Iterator[Replay]:
        """Start one that keeps its data in `folder`, and stop it in the end; EnvironmentProblem when it does not start."""
        address = f"127.0.0.1:{free_port()}"
        (folder / "prometheus.yml").write_text("global: {}\n", encoding="utf-8")
        command = [
            program("prometheus", "prometheus"),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={address}",
            "--web.enable-remote-write-receiver",
            "--storage.tsdb.retention.time=100y",
            f"--storage.tsdb.min-block-duration={_BLOCK}",
            f"--storage.tsdb.max-block-duration={_BLOCK}",
            "--log.level=error",
        ]
        # There is a run on every core, and it is over before there is much garbage.
        environment = {"GOMAXPROCS": "1", "GOGC": "400"}
        with Process("prometheus", command, log=folder / "prometheus.log", environment=environment) as process:
            process.wait_until_ready(f"http://{address}/-/ready")
            prometheus = Prometheus(f"http://{address}", timeout_seconds=_TIMEOUT_SECONDS)
            try:
                yield cls(prometheus)
            finally:
                prometheus.close()

    def check(self, rules: Iterable[Rule]) -> None:
        """Raise ConfigError that lists every rule whose expression Prometheus does not understand."""
        refused = []
        for rule in rules:
            try:
                self.prometheus.check_query(rule.expr)
            except QueryRefused as refusal:
                refused.append(f"{rule.place} ({rule.name}): {refusal.message}")
        if refused:
            raise ConfigError("rules", refused, next_step="mend these expressions")

    def load(
        self, table: Table, rules: Iterable[Rule], kept: Callable[[Series], bool] = lambda _: True
    ) -> frozenset[str]:
        """Write what was scraped and is `kept`, as far as some of the rules read it. Return the names of what was written."""
        read = frozenset().union(*(rule.reads for rule in rules))
        every = "__name__" in read  # then names may be patterns
        chosen = [one for one in table.written() if (every or one.series.name in read) and kept(one.series)]
        self._write(chosen)
        return frozenset(one.series.name for one in chosen)

    def evaluate(self, rules: Sequence[Rule], at: Evaluations) -> list[Firing]:
        """Return everything that fires; what the alerts read has to be recorded before."""
        return [
            firing
            for rule in rules
            if rule.alert
            for asked in (at.of(rule),)
            for firing in firings(rule, self._asked(rule, asked), asked.times, asked.restarts)
        ]

    def record(self, rules: Sequence[Rule], at: Evaluations) -> None:
        """Write the results of those of the rules that record, of each before those that read it."""
        for level in in_order(rule for rule in rules if not rule.alert):
            if level.circular:
                self._record_circle(level.rules, at.of(*level.rules))
            else:
                for rule in level.rules:
                    asked = at.of(rule)
                    self._write(_recorded(rule, self._asked(rule, asked), asked))

    def _record_circle(self, circle: Sequence[Rule], at: Evaluations) -> None:
        """Do each evaluation before the next, as in life: rules that read what they record need their own last value."""
        ahead = int(LOOKBACK_SECONDS / at.step) - 1 if len(circle) == 1 else 1
        before: dict[Rule, _Vector] = {rule: {} for rule in circle}
        place = 0
        while place < len(at.times):
            times = _unbroken(at.times[place : place + max(1, ahead)], at.step)
            for rule in circle:
                vectors = self._vectors(rule, times, at.step)
                # One result is right, and so is each that follows results that changed nothing.
                same = sum(1 for _ in takewhile(lambda vector: vector == before[rule], vectors[:-1]))  # noqa: B023
                times = times[: same + 1]
                self._write(_continued(before[rule], vectors[same], times))
                before[rule] = vectors[same]
            place += len(times)

    def _vectors(self, rule: Rule, times: Sequence[float], step: float) -> list[_Vector]:
        """Return what a rule says at each of these times."""
        found: dict[float, _Vector] = {time: {} for time in times}
        for course in self.prometheus.query_range(rule.expr, times[0], times[-1], step):
            for time, value in zip(course.times, course.values, strict=True):
                found[round(time, 3)][_series(rule, course)] = value
        return list(found.values())

    def _asked(self, rule: Rule, at: Evaluations) -> tuple[Course, ...]:
        return self.prometheus.query_range(rule.expr, at.start, at.end, at.step)

    def _write(self, written: Iterable[Written]) -> None:
        for body in bodies(written):
            self.prometheus.write(body)


def _recorded(rule: Rule, courses: Iterable[Course], at: Evaluations) -> Iterator[Written]:
    """Return what a recording rule writes: its series end when the expression has no result for them any more."""
    times = _milliseconds(at.times)
    for course in courses:
        asked = _milliseconds(course.times)
        places = np.minimum(np.searchsorted(times, asked), len(times) - 1)
        evaluated = times[places] == asked
        column, there = np.zeros(len(times)), np.zeros(len(times), dtype=bool)
        column[places[evaluated]] = np.asarray(course.values)[evaluated]
        there[places[evaluated]] = True
        yield ended(_series(rule, course), times, column, there)


def _series(rule: Rule, course: Course) -> Series:
    labels = {name: value for name, value in course.labels.items() if name != "__name__"} | dict(rule.labels)
    return Series(rule.name, tuple((name, value) for name, value in labels.items() if value))


def _unbroken(times: Sequence[float], step: float) -> Sequence[float]:
    """Return the times up to a gap in them."""
    pairs = takewhile(lambda pair: pair[1] - pair[0] < 1.5 * step, pairwise(times))
    return times[: 1 + sum(1 for _ in pairs)]


def _continued(before: _Vector, last: _Vector, times: Sequence[float]) -> Iterator[Written]:
    """Return what goes on as `before` at all of these times but the last one, at which it is `last`."""
    for series in before.keys() | last.keys():
        values = [before[series]] * (len(times) - 1) if series in before else []
        values.append(last.get(series, STALE_NAN))
        yield Written(series, _milliseconds(times[-len(values) :]), np.array(values))


def _milliseconds(times: Sequence[float]) -> Times:
    return np.array([round(time * 1000) for time in times], dtype=np.int64)
