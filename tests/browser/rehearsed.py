"""The preview of everything that a scenario leaves behind: samples, recordings, and the alerts that fired."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from atlas_ops.catalog import build_catalog
from atlas_ops.rehearsal import rules
from atlas_ops.rehearsal.alerting import Firing
from atlas_ops.rehearsal.play import Course, Play
from atlas_ops.rehearsal.remote_write import bodies
from atlas_ops.rehearsal.replay import Evaluations, Replay
from atlas_ops.rehearsal.rules import Rule
from atlas_ops.rehearsal.samples import Series, Written, ended
from atlas_ops.render import dashboards
from atlas_ops.settings import Settings
from atlas_ops.simulator import scenario_by_name
from atlas_ops.stage.preview import Preview

EVERYTHING = Rule(name="everything", alert=False, expr='{__name__!=""}')
"""Reads every series, so that all of them are loaded."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rehearsed:
    """What there is to look at, and where."""

    url: str
    """Of the preview."""
    prometheus: str
    play: Play
    firings: tuple[Firing, ...]
    """What fired."""


@contextmanager
def rehearsed(scenario_name: str, settings: Settings, page: Path, folder: Path) -> Iterator[Rehearsed]:
    """Play a scenario, and serve the dashboards of it until the end of the block. `page`: the built page."""
    scenario = scenario_by_name(scenario_name)
    play = Course(scenario, seed=1, timing=settings.parameters.timing).finish(scenario)
    catalog = build_catalog(settings.parameters)
    own = rules.of_catalog(catalog, settings)
    with Replay.started(folder) as replay:
        replay.load(play.table, (EVERYTHING,))
        replay.record(own, play.recordings)
        firings = tuple(replay.evaluate(own, play.evaluations))
        for body in bodies(_alerts(firings, play.evaluations)):
            replay.prometheus.write(body)
        texts = dashboards.render(catalog, settings)
        with Preview(texts, settings, page=page, prometheus=replay.prometheus.url) as preview:
            yield Rehearsed(url=preview.url, prometheus=replay.prometheus.url, play=play, firings=firings)


def _alerts(firings: Iterable[Firing], at: Evaluations) -> Iterator[Written]:
    times = np.array([round(time * 1000) for time in at.times], dtype=np.int64)
    for firing in firings:
        fires = np.array([firing.fires_at(time) for time in at.times])
        labels = {**firing.labels, "alertname": firing.name}
        since = np.full(len(times), firing.start)
        yield ended(Series("ALERTS_FOR_STATE", tuple(labels.items())), times, since, fires)
        yield ended(Series("ALERTS", (*labels.items(), ("alertstate", "firing"))), times, np.ones(len(times)), fires)
