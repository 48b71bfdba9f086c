"""Runs scenarios through rules, several at a time, each in a Prometheus of its own. Called by `atlas_ops.cli.rehearse`.

Simulating is most of the work, and most scenarios begin with the same calm. So it is played once for several of them: each
goes on from there in a process that is forked off.
"""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

from atlas_ops.catalog import build_catalog
from atlas_ops.catalog.model import Catalog, Severity
from atlas_ops.errors import AtlasError
from atlas_ops.rehearsal import rules
from atlas_ops.rehearsal.alerting import Firing
from atlas_ops.rehearsal.foreign import ALL, STOCK, Heard, hear
from atlas_ops.rehearsal.inhibition import told
from atlas_ops.rehearsal.native import is_stock
from atlas_ops.rehearsal.play import Course, Play, begins_like
from atlas_ops.rehearsal.replay import Replay
from atlas_ops.rehearsal.rules import Rule
from atlas_ops.rehearsal.samples import Series
from atlas_ops.rehearsal.verdict import Verdict, judge
from atlas_ops.settings import Settings
from atlas_ops.simulator import Scenario
from atlas_ops.simulator.trace import Trace

_TOGETHER = 5
"""Scenarios that share one calm; more of them at once would leave a core without work at the end."""
_FORK = multiprocessing.get_context("fork")


Result = Verdict | tuple[Heard, ...]
"""How our rules did in a run; or how those of others did, with each kind of installation."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What is rehearsed besides scenarios and seeds."""

    settings: Settings
    traces: tuple[Trace, ...] = ()
    against: tuple[Rule, ...] = ()
    """The rules of others that are scored in place of ours; none: ours are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One scenario with one seed."""

    scenario: Scenario
    seed: int


def rehearse(runs: Sequence[Run], plan: Plan, *, jobs: int) -> Iterator[Result]:
    """Yield how each run went, as they end. The same runs give the same verdicts; EnvironmentProblem without Prometheus."""
    with ProcessPoolExecutor(jobs, mp_context=_FORK) as pool:
        pending = [pool.submit(_together, group, plan) for group in _groups(runs)]
        try:
            for done in as_completed(pending):
                yield from done.result()
        finally:
            for one in pending:
                one.cancel()


def _groups(runs: Sequence[Run]) -> list[list[Run]]:
    """Return runs that begin alike together, those that take longest first."""
    groups: list[list[Run]] = []
    for run in runs:
        fitting = (group for group in groups if len(group) < _TOGETHER and _alike(group[0], run))
        group = next(fitting, None)
        if group is None:
            groups.append([run])
        else:
            group.append(run)
    return sorted(groups, key=lambda group: sum(_minutes(run.scenario) for run in group), reverse=True)


def _minutes(scenario: Scenario) -> float:
    return scenario.history_days * 1440 + scenario.active_minutes + scenario.after_minutes


def _alike(one: Run, other: Run) -> bool:
    return one.seed == other.seed and begins_like(one.scenario, other.scenario)


def _together(group: Sequence[Run], plan: Plan) -> list[Result]:
    first = group[0]
    course = Course(
        first.scenario,
        seed=first.seed,
        timing=plan.settings.parameters.timing,
        traces=plan.traces,
        native=bool(plan.against),
    )
    catalog = build_catalog(plan.settings.parameters)
    wanted = plan.against or rules.of_catalog(catalog, plan.settings)
    return [_forked(partial(_finish, course, run, wanted, None if plan.against else catalog), run) for run in group]


def _forked(finish: Callable[[], Result], run: Run) -> Result:
    """Finish a run in a process of its own, so that the course is left as it was."""
    here, there = _FORK.Pipe(duplex=False)
    process = _FORK.Process(target=_send, args=(there, finish))
    process.start()
    there.close()
    try:
        found = here.recv()
    except EOFError:
        process.join()
        raise AtlasError(
            f"{run.scenario.name} (seed {run.seed}): its process ended with exit code {process.exitcode}",
            next_step="see whether the kernel killed it for want of memory; fewer --jobs need less",
        ) from None
    process.join()
    if isinstance(found, BaseException):
        raise found
    return found  # type: ignore[no-any-return]


def _send(there: Connection, finish: Callable[[], Result]) -> None:
    try:
        there.send(finish())
    except Exception as error:  # noqa: BLE001 - it is raised in the process that waits for it
        there.send(error)


def _finish(course: Course, run: Run, wanted: Sequence[Rule], catalog: Catalog | None) -> Result:
    """Go on from the calm, and judge our own rules (then `catalog` is theirs), or those of others."""
    play = course.finish(run.scenario)
    if catalog is None:
        installations = ((STOCK, is_stock), (ALL, lambda _: True))
        return tuple(_heard(run, play, wanted, name, kept) for name, kept in installations)
    fired, _ = _replayed(play, wanted, lambda _: True)
    gravest = next((one.severity for one in catalog.faults if one.name == run.scenario.expected_fault), Severity.PAGE)
    return judge(run.scenario, run.seed, play, told(fired, catalog), gravest)


def _heard(run: Run, play: Play, wanted: Sequence[Rule], name: str, kept: Callable[[Series], bool]) -> Heard:
    fired, present = _replayed(play, wanted, kept)
    return hear(run.scenario, run.seed, play, fired, name, present)


def _replayed(
    play: Play, wanted: Sequence[Rule], kept: Callable[[Series], bool]
) -> tuple[list[Firing], frozenset[str]]:
    with tempfile.TemporaryDirectory(prefix="atlas-ops-rehearse-") as folder, Replay.started(Path(folder)) as replay:
        present = replay.load(play.table, wanted, kept)
        replay.record(wanted, play.recordings)
        return replay.evaluate(wanted, play.evaluations), present


def check(against: Sequence[Rule]) -> None:
    """Raise ConfigError that lists every rule whose expression Prometheus does not understand."""
    if not against:
        return
    with tempfile.TemporaryDirectory(prefix="atlas-ops-rehearse-") as folder, Replay.started(Path(folder)) as replay:
        replay.check(against)
