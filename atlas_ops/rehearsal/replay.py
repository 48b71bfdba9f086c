"""One run through a real Prometheus: an empty one is started, the samples are loaded, and every rule is asked at every evaluation.

An alert rule's `for` and `keep_firing_for` are `alerting`'s; everything else is Prometheus's own work, so nothing here knows
PromQL. A Prometheus of its own for each run: no window can look into another run. What is left out: rules that read
`ALERTS` see none, and all rules of one evaluation see the recordings of that evaluation, whatever their groups.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from atlas_ops.errors import ConfigError
from atlas_ops.prometheus import Course, Prometheus, QueryRefused
from atlas_ops.rehearsal.alerting import Firing, firings
from atlas_ops.rehearsal.remote_write import bodies
from atlas_ops.rehearsal.rules import Rule, in_order
from atlas_ops.rehearsal.samples import STALE_NAN, Series, Table, Times, Written, ended
from atlas_ops.stage.processes import Process, free_port, program

_TIMEOUT_SECONDS = 300.0
_BLOCK = "10y"
"""Longer than any run: all of it stays in the head, so recordings may be written long after the samples that they are made of."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluations:
    """When the rules are asked: from `start` to `end` every `step` seconds (Unix time), but not while Prometheus is away."""

    start: float
    end: float
    step: float
    away: tuple[tuple[float, float], ...] = ()

    @property
    def times(self) -> tuple[float, ...]:
        """Every evaluation."""
        count = int((self.end - self.start) / self.step + 1e-6) + 1
        return tuple(t for t in (round(self.start + n * self.step, 3) for n in range(count)) if self.covers(t))

    @property
    def restarts(self) -> tuple[float, ...]:
        """The first evaluation after each absence."""
        times = self.times
        return tuple(t for _, end in self.away for t in itertools.islice((t for t in times if t >= end), 1))

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
        environment = {"GOMAXPROCS": "1"}  # there is a run on every core
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

    def load(self, table: Table) -> None:
        """Write what was scraped."""
        self._write(table.written())

    def evaluate(self, rules: Sequence[Rule], at: Evaluations) -> list[Firing]:
        """Return everything that fires."""
        self.record([rule for rule in rules if not rule.alert], at)
        return [
            firing
            for rule in rules
            if rule.alert
            for firing in firings(rule, self._asked(rule, at), at.times, at.restarts)
        ]

    def record(self, recordings: Sequence[Rule], at: Evaluations) -> None:
        """Write the results of recording rules, of each before those that read it."""
        for circle in in_order(recordings):
            if len(circle) == 1 and circle[0].name not in circle[0].reads:
                self._write(_recorded(circle[0], self._asked(circle[0], at), at))
            else:
                self._record_step_by_step(circle, at)

    def _record_step_by_step(self, circle: Sequence[Rule], at: Evaluations) -> None:
        """Do each evaluation before the next, as in life: rules that read what they record need their own last value."""
        before: dict[int, dict[Series, float]] = {}
        for time in at.times:
            for number, rule in enumerate(circle):
                found = self.prometheus.query_range(rule.expr, time, time, at.step)
                values = {_series(rule, course): course.values[0] for course in found}
                gone = dict.fromkeys(before.get(number, {}).keys() - values.keys(), STALE_NAN)
                self._write(_at(time, values | gone))
                before[number] = values

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


def _at(time: float, values: Mapping[Series, float]) -> list[Written]:
    return [Written(series, _milliseconds((time,)), np.array([value])) for series, value in values.items()]


def _milliseconds(times: Sequence[float]) -> Times:
    return np.array([round(time * 1000) for time in times], dtype=np.int64)
