"""Whether diagnoses name the cause: each fault is played in several ways, and its alert diagnosed at the moment it fires.

Run by hand (`python -m benchmarks.diagnosis`, some twenty minutes of one core; names of faults for fewer), never by the test command.
What is played is known (`diagnosis_cases`), so the rank of that cause among the likely ones can be told. Samples, rules
and queries go through a real Prometheus, as in a rehearsal.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from atlas_ops.catalog import build_catalog, conventions
from atlas_ops.catalog.model import Catalog, Fault
from atlas_ops.pager.diagnosis import checks
from atlas_ops.pager.diagnosis.ask import diagnose
from atlas_ops.pager.diagnosis.verdict import Diagnosis, Standing
from atlas_ops.rehearsal import rules
from atlas_ops.rehearsal.alerting import Firing
from atlas_ops.rehearsal.play import Course
from atlas_ops.rehearsal.remote_write import bodies
from atlas_ops.rehearsal.replay import Replay
from atlas_ops.rehearsal.rules import Rule
from atlas_ops.rehearsal.samples import Series, Written
from atlas_ops.settings import Settings
from benchmarks.diagnosis_case import Case
from benchmarks.diagnosis_cases import CASES

_EVERYTHING = Rule(name="everything", alert=False, expr='{__name__!=""}')
_PATIENCE_SECONDS = 60.0
"""Longer than a page waits: the questions count here, not the speed of this machine."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """What came of one fault."""

    case: Case
    told: str
    """The likely cause that is told first; empty: none was found."""
    rank: int | None
    """Of the cause that is played, among the likely ones; None: it is not among them, or no check could tell it."""
    likely: int
    unknown: int
    unlikely: int

    def printed(self) -> str:
        """Return it as a row of the table."""
        rank = "-" if self.rank is None else str(self.rank)
        counts = f"{self.likely} / {self.unknown} / {self.unlikely}"
        played = self.case.cause or "(no check could tell)"
        return f"| {self.case.fault} | {played} | {self.told or '(none)'} | {rank} | {counts} |"


def row(case: Case, fault: Fault, catalog: Catalog, settings: Settings) -> Row:
    """Play a case of a fault, and diagnose its first alert. LookupError when it raises none."""
    play = Course(case.scenario, seed=1, timing=settings.parameters.timing).finish(case.scenario)
    for amend in case.amendments:
        amend(play.table, play.fault_from)
    wanted = rules.of_catalog(catalog, settings)
    with TemporaryDirectory() as folder, Replay.started(Path(folder)) as replay:
        replay.load(play.table, (_EVERYTHING,))
        replay.record(wanted, play.recordings)
        fired = replay.evaluate(wanted, play.evaluations)
        first = min((one for one in fired if one.name == fault.name), key=lambda one: one.start, default=None)
        if first is None:
            raise LookupError(f"{fault.name} does not fire: {case.cause}")
        at = first.start + settings.parameters.timing.evaluation_seconds
        for body in bodies(_alerts(fired, at)):
            replay.prometheus.write(body)
        found = checks.read(Path(fault.runbook).read_text(encoding="utf-8"), fault.runbook)
        diagnosis = diagnose(
            found, _values(first), lambda text: replay.prometheus.query(text, at=at), seconds=_PATIENCE_SECONDS
        )
    return _judged(case, diagnosis)


def _alerts(fired: Sequence[Firing], at: float) -> Iterator[Written]:
    """Return what Prometheus writes down of the alerts that fire at a time: checks ask for it."""
    for one in fired:
        if one.start <= at and (one.end is None or one.end > at):
            times = np.arange(one.start, at + 1.0, 15.0)
            labels = tuple(sorted({**dict(one.labels), "alertstate": "firing"}.items()))
            yield Written(Series("ALERTS", labels), (times * 1000).astype(np.int64), np.ones(len(times)))


def _values(alert: Firing) -> dict[str, str]:
    """Return the labels of an alert, by the words of people as well."""
    labels = dict(alert.labels)
    words = {word: labels[label] for word, label in conventions.ALERT_LABELS.items() if label in labels}
    return {**words, **labels}


def _judged(case: Case, diagnosis: Diagnosis) -> Row:
    causes = [finding.cause for finding in diagnosis.likely]
    counts = {standing: sum(one.standing is standing for one in diagnosis.findings) for standing in Standing}
    return Row(
        case=case,
        told=causes[0] if causes else "",
        rank=causes.index(case.cause) + 1 if case.cause in causes else None,
        likely=counts[Standing.LIKELY],
        unknown=counts[Standing.UNKNOWN],
        unlikely=counts[Standing.UNLIKELY],
    )


def _sum(rows: Sequence[Row]) -> str:
    judged = [one for one in rows if one.case.cause]
    return (
        f"a likely cause in {sum(bool(one.told) for one in rows)} of {len(rows)}. Where a check could tell what is played "
        f"({len(judged)}): it is likely in {sum(one.rank is not None for one in judged)}, "
        f"and told first in {sum(one.rank == 1 for one in judged)}."
    )


def main() -> None:
    """Print a table, and in how many cases the cause was named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faults", nargs="*", metavar="FAULT", help="default: all that have a scenario")
    args = parser.parse_args()
    settings = Settings()
    catalog = build_catalog(settings.parameters)
    faults = {fault.name: fault for fault in catalog.faults}
    rows: list[Row] = []
    print("| fault | what is played | told first | rank | likely / unknown / unlikely |\n|---|---|---|---|---|")
    for case in CASES:
        if not args.faults or case.fault in args.faults:
            try:
                rows.append(row(case, faults[case.fault], catalog, settings))
            except LookupError as error:
                print(error, file=sys.stderr)
                continue
            print(rows[-1].printed(), flush=True)
    own = [one for one in rows if one.case.scenario.name == faults[one.case.fault].scenario and one.case.own]
    print(f"\nScenarios of the catalog: {_sum(own)}\nAll cases: {_sum(rows)}")


if __name__ == "__main__":
    main()
