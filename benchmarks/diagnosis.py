"""Whether diagnoses name the cause: each fault's scenario is played, and its alert diagnosed at the moment it fires.

Run by hand (`python -m benchmarks.diagnosis`, some six minutes of one core; names of faults for fewer), never by the test command.
What the scenario does is known (`PLAYED`), so the rank of that cause among the likely ones can be told. Samples, rules
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
from atlas_ops.simulator import scenario_by_name

PLAYED = {
    "TimeToFirstTokenSloBurn": "Prompts of the same length take longer to compute",
    "RequestLatencySloBurn": "Answers have become longer",
    "P99Regression": "Every step takes longer: the GPUs, the driver or the release are slower",
    "CanaryRegression": "The release itself is slower: all of its servers are",
    "MeanLatencyRegression": "The model itself takes longer to compute",
    "QueueBacklog": "More requests arrive",
    "KvCachePressure": "Prompts have become longer",
    "PreemptionStorm": "Answers have become longer",
    "PrefixCacheCollapse": "All servers find less: the prompts or the routing changed",
    "RequestsRejected": "More requests arrive",
    "CapacityHeadroomLow": "Answers have become longer",
    "AutoscalingCascade": "New replicas do not even begin to load: no GPU, no node or no image",
    "AutoscalerAtMaximum": "More requests arrive",
    "SpeculationCollapse": "Speculation now costs more than it saves",
    "LoraThrashing": "The balancer spreads every adapter over every server",
    "EngineStalled": "The engine is stuck in its own process: the GPU has nothing to do",
    "ModelServerDown": "The process is gone, or fails each request",
    "CrashLooping": "The process ends by itself: a flag, a bug or a request that kills it",
    "ProbeFailing": "The server answers with errors, or breaks off",
    "AvailabilitySloBurn": "The servers themselves fail: a shared part, a client or a bug",
    "GpuThermalThrottling": "Heat sink, fan or place of this GPU alone",
    "GpuPowerBrake": "A power supply or the power limit of the node",
    "GpuClockDeficit": "A lock or a defect of this GPU alone",
    "GpuXidHardware": "The GPU's own processor (GSP) hangs",
    "GpuXidApplication": "What only this program was asked, or this GPU",
    "GpuMemoryErrors": "A single error, as happens in the life of a board",
    "GpuRowRemapPending": "A single row, as happens in the life of a board",
    "GpuLost": "This GPU alone, its board or its seat",
    "GpuRecoveryRequired": "A fault that a reset of the GPU clears",
    "NvlinkErrors": "A single link, its bridge or its contacts",
    "PcieDegraded": "Lanes that make no contact",
    "GpuMemoryLeak": "What only this server is asked for",
    "InputDrift": "Whatever fills this one feature",
    "PredictionDrift": "The model, its settings or what is done to its answers",
    "WorkloadMixShift": "Whole documents or other prompts that have nothing in common",
    "GpuIdleAllocated": "A replica that nobody asks",
    "CostPerTokenSpike": "Somebody else who computes on the GPUs",
    "ServerMetricsDisabled": "The metrics page is switched off",
    "SignalUnresolved": "The runtime renamed or dropped it",
    "GaugesFrozen": "A proxy, a sidecar or the server repeats an old page",
    "DriftMonitorStale": "Its rounds fail, hang or take too long",
    "PagerDeliveryFailing": "Slack or the network to it is down",
}
"""The check that names what the scenario of a fault does. Of the faults that are left out, no check could tell it."""
_EVERYTHING = Rule(name="everything", alert=False, expr='{__name__!=""}')
_PATIENCE_SECONDS = 60.0
"""Longer than a page waits: the questions count here, not the speed of this machine."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """What came of one fault."""

    fault: str
    told: str
    """The likely cause that is told first; empty: none was found."""
    rank: int | None
    """Of the cause that is played, among the likely ones; None: it is not among them, or no check could tell it."""
    likely: int
    unknown: int
    unlikely: int

    @property
    def judged(self) -> bool:
        """Whether a check could tell what is played."""
        return self.fault in PLAYED

    def printed(self) -> str:
        """Return it as a row of the table."""
        played = PLAYED.get(self.fault, "(no check could tell)")
        rank = "-" if self.rank is None else str(self.rank)
        counts = f"{self.likely} / {self.unknown} / {self.unlikely}"
        return f"| {self.fault} | {played} | {self.told or '(none)'} | {rank} | {counts} |"


def row(fault: Fault, catalog: Catalog, settings: Settings) -> Row:
    """Play the scenario of a fault, and diagnose its first alert. LookupError when it raises none."""
    scenario = scenario_by_name(fault.scenario)
    play = Course(scenario, seed=1, timing=settings.parameters.timing).finish(scenario)
    wanted = rules.of_catalog(catalog, settings)
    with TemporaryDirectory() as folder, Replay.started(Path(folder)) as replay:
        replay.load(play.table, (_EVERYTHING,))
        replay.record(wanted, play.recordings)
        fired = replay.evaluate(wanted, play.evaluations)
        first = min((one for one in fired if one.name == fault.name), key=lambda one: one.start, default=None)
        if first is None:
            raise LookupError(f"{fault.name} does not fire")
        at = first.start + settings.parameters.timing.evaluation_seconds
        for body in bodies(_alerts(fired, at)):
            replay.prometheus.write(body)
        found = checks.read(Path(fault.runbook).read_text(encoding="utf-8"), fault.runbook)
        diagnosis = diagnose(
            found, _values(first), lambda text: replay.prometheus.query(text, at=at), seconds=_PATIENCE_SECONDS
        )
    return _judged(fault.name, diagnosis)


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


def _judged(fault: str, diagnosis: Diagnosis) -> Row:
    causes = [finding.cause for finding in diagnosis.likely]
    counts = {standing: sum(one.standing is standing for one in diagnosis.findings) for standing in Standing}
    played = PLAYED.get(fault, "")
    return Row(
        fault=fault,
        told=causes[0] if causes else "",
        rank=causes.index(played) + 1 if played in causes else None,
        likely=counts[Standing.LIKELY],
        unknown=counts[Standing.UNKNOWN],
        unlikely=counts[Standing.UNLIKELY],
    )


def main() -> None:
    """Print a table, and in how many scenarios the cause was named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faults", nargs="*", metavar="FAULT", help="default: all that have a scenario")
    args = parser.parse_args()
    settings = Settings()
    catalog = build_catalog(settings.parameters)
    rows: list[Row] = []
    print("| fault | what its scenario does | told first | rank | likely / unknown / unlikely |\n|---|---|---|---|---|")
    for fault in catalog.faults:
        if fault.scenario and (not args.faults or fault.name in args.faults):
            try:
                rows.append(row(fault, catalog, settings))
            except LookupError as error:
                print(error, file=sys.stderr)
                continue
            print(rows[-1].printed(), flush=True)
    judged = [one for one in rows if one.judged]
    print(
        f"\nA likely cause in {sum(bool(one.told) for one in rows)} of {len(rows)} scenarios. Where a check could tell what "
        f"is played ({len(judged)}): it is likely in {sum(one.rank is not None for one in judged)}, "
        f"and told first in {sum(one.rank == 1 for one in judged)}."
    )


if __name__ == "__main__":
    main()
