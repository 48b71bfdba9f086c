"""Runs scenarios through rules, several at a time, each in a Prometheus of its own. Called by `atlas_ops.cli.rehearse`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from atlas_ops.catalog import build_catalog
from atlas_ops.rehearsal import rules
from atlas_ops.rehearsal.inhibition import told
from atlas_ops.rehearsal.play import play
from atlas_ops.rehearsal.replay import Replay
from atlas_ops.rehearsal.verdict import Verdict, judge
from atlas_ops.settings import Settings
from atlas_ops.simulator import Scenario


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One scenario with one seed, to be run with these settings."""

    scenario: Scenario
    seed: int
    settings: Settings


def rehearse(runs: Sequence[Run], *, jobs: int) -> Iterator[Verdict]:
    """Yield how each run went, as they end. The same runs give the same verdicts; EnvironmentProblem without Prometheus."""
    if jobs == 1 or len(runs) == 1:
        yield from map(run, runs)
        return
    with ProcessPoolExecutor(min(jobs, len(runs))) as pool:
        pending = [pool.submit(run, one) for one in runs]
        try:
            for done in as_completed(pending):
                yield done.result()
        finally:
            for one in pending:
                one.cancel()


def run(one: Run) -> Verdict:
    """Run one."""
    catalog = build_catalog(one.settings.parameters)
    with (
        tempfile.TemporaryDirectory(prefix="atlas-ops-rehearse-") as folder,
        Replay.started(Path(folder)) as replay,
    ):
        played = play(one.scenario, seed=one.seed, timing=one.settings.parameters.timing)
        replay.load(played.table)
        fired = replay.evaluate(rules.of_catalog(catalog, one.settings), played.evaluations)
    return judge(one.scenario, one.seed, played, told(fired, catalog))
