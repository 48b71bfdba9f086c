"""Compares the runs of two sides metric by metric, and gives the verdict. Called by the command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from atlas_ops.detect.gate import FEWEST_RUNS, Comparison, Levels, Verdict, compare, overall
from atlas_ops.gate import doubts, suspicions
from atlas_ops.gate.metrics import Metric, Tolerances
from atlas_ops.gate.runs import Reading, Run

Readings = tuple[Reading, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What came of one metric. `verdict` is None where it is shown, but not judged; `reason` then says why."""

    metric: Metric
    baseline: Readings
    canary: Readings
    verdict: Verdict | None
    comparison: Comparison | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """What came of all."""

    verdict: Verdict
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    runs: tuple[int, int]
    """That were compared: of the baseline, and of the canary."""
    needed: int | None
    """More runs on each side until there is a verdict; None where too many, or where runs do not help."""
    tolerances: Tolerances
    looks: int
    doubts: tuple[str, ...] = ()
    """Why there can be no pass, whatever the metrics say."""


def judge(
    baseline: Sequence[Run], canary: Sequence[Run], metrics: Sequence[Metric], tolerances: Tolerances, *,
    looks: int = 1, known: Sequence[str] = (),
) -> Judgement:  # fmt: skip
    """Return the verdict; DataError when the sides cannot be compared.

    `tolerances` are those that the metrics were made with; `looks` is how often a verdict may be taken in all; `known` are doubts that
    the runs themselves do not show.
    """
    suspicions.check(baseline, canary)
    short = (*suspicions.incomplete(baseline), *suspicions.incomplete(canary))
    old, new = (tuple(run for run in side if run not in short) for side in (baseline, canary))
    findings = _findings(old, new, metrics, looks)
    against = (*known, *doubts.of(old, new, tolerances.detect))
    verdict = overall([finding.verdict for finding in findings if finding.verdict])
    if (short or against) and verdict is Verdict.PASS:
        verdict = Verdict.CANNOT_TELL
    told = against if verdict is Verdict.FAIL else ()
    return Judgement(
        verdict=verdict,
        findings=findings,
        notes=(*map(_left_out, short), *told, *suspicions.notes(old, new, tolerances)),
        runs=(len(old), len(new)),
        needed=_needed(findings, len(short)) if verdict is Verdict.CANNOT_TELL else 0,
        tolerances=tolerances,
        looks=looks,
        doubts=against,
    )


def _left_out(run: Run) -> str:
    return (
        f"{run.name} is left out: {run.requests} requests, half of what is usual on its side or less; repeat it, for there is no pass "
        "while a run is missing"
    )


def _findings(
    baseline: Sequence[Run], canary: Sequence[Run], metrics: Sequence[Metric], looks: int
) -> tuple[Finding, ...]:
    runs = (*baseline, *canary)
    told = [metric for metric in metrics if any(metric.key in run.readings for run in runs)]
    pairs = [(metric, _of(metric, baseline), _of(metric, canary)) for metric in told]
    levels = Levels.shared(sum(not _unjudged(*pair) for pair in pairs), looks)
    planned = all(run.planned for run in runs)
    return tuple(_finding(*pair, levels, planned=planned) for pair in pairs)


def _of(metric: Metric, runs: Sequence[Run]) -> Readings:
    return tuple(run.readings[metric.key] for run in runs if metric.key in run.readings)


def _unjudged(metric: Metric, baseline: Readings, canary: Readings) -> str:
    """Return why a metric is not judged, if it is not."""
    fewest = min(reading.of for reading in (*baseline, *canary))
    if fewest < metric.fewest:
        return f"needs {metric.fewest} observations in each run, the smallest has {fewest}"
    return ""


def _finding(metric: Metric, baseline: Readings, canary: Readings, levels: Levels, *, planned: bool) -> Finding:
    if reason := _unjudged(metric, baseline, canary):
        # Under the same load only a release that answers fewer requests has fewer observations.
        hidden = planned and baseline and not _unjudged(metric, baseline, ())
        verdict = Verdict.CANNOT_TELL if hidden else None
        return Finding(metric=metric, baseline=baseline, canary=canary, verdict=verdict, reason=reason)
    if min(len(baseline), len(canary)) < 2:
        sides = [side for side, readings in (("baseline", baseline), ("canary", canary)) if not readings]
        reason = f"the {sides[0]} does not tell it" if sides else "one run says nothing of the spread between runs"
        return Finding(metric=metric, baseline=baseline, canary=canary, verdict=Verdict.CANNOT_TELL, reason=reason)
    comparison = compare(metric.sample(baseline), metric.sample(canary), metric.limits, levels)
    return Finding(metric=metric, baseline=baseline, canary=canary, verdict=comparison.verdict, comparison=comparison)


def _needed(findings: Sequence[Finding], short: int) -> int | None:
    """Return how many more runs each side needs, for the metric that needs most."""
    counts: list[int | None] = [short] if short else []
    for finding in findings:
        if finding.verdict is not Verdict.CANNOT_TELL:
            continue
        if finding.comparison:
            counts.append(finding.comparison.needed)
        else:
            few = min(len(finding.baseline), len(finding.canary))
            counts.append(FEWEST_RUNS - few if 0 < few < FEWEST_RUNS else None)
    return None if None in counts or not counts else max(count for count in counts if count is not None)
