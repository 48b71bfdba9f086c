"""Values, changes and verdicts in words. Shared by the reports."""

from __future__ import annotations

import statistics

from atlas_ops import units
from atlas_ops.detect.gate import MOST_RUNS, Verdict
from atlas_ops.gate.judge import Finding, Judgement, Readings
from atlas_ops.gate.metrics import Metric, Scale

COLUMNS = ("metric", "baseline", "canary", "change", "at least, at most", "allowed", "verdict")


def row(finding: Finding) -> tuple[str, ...]:
    """Return the cells of one metric, as COLUMNS names them."""
    metric, compared = finding.metric, finding.comparison
    levels = (level(metric, finding.baseline), level(metric, finding.canary))
    if not compared:
        return (metric.title, *levels, "", "", allowed(metric), f"{finding.verdict or 'not judged'}: {finding.reason}")
    ends = " to ".join(change(metric, end) for end in sorted((compared.lower, compared.upper)))
    return (metric.title, *levels, change(metric, compared.change), ends, allowed(metric), _told(finding))


def level(metric: Metric, readings: Readings) -> str:
    """Return what is usual over the runs of a side: the geometric mean where changes are ratios."""
    if not readings:
        return "-"
    values = [reading.value for reading in readings]
    ratio = metric.scale in (Scale.TIMES, Scale.FEWER_TIMES) and min(values) > 0
    return written(metric.unit, statistics.geometric_mean(values) if ratio else statistics.fmean(values))


def written(unit: str, value: float) -> str:
    """Return a value with its unit, three digits of it."""
    if unit == "seconds":
        return units.seconds(value)
    if unit == "share":
        return units.percent(value)
    return f"{units.number(value)} J" if unit == "joules" else units.number(value)


def change(metric: Metric, difference: float) -> str:
    """Return a change: per cent, or percentage points for shares that may be 0."""
    return _signed(metric, metric.change(difference))


def allowed(metric: Metric) -> str:
    """Return the margin."""
    return metric.limit_words or change(metric, metric.limits.margin)


def _signed(metric: Metric, share: float) -> str:
    text = f"{share * 100:+.3g}" if abs(share) < 1 else f"{share * 100:+,.0f}"
    return f"{'+0' if float(text.replace(',', '')) == 0 else text} {'points' if metric.scale is Scale.POINTS else '%'}"


def _told(finding: Finding) -> str:
    compared = finding.comparison
    if finding.verdict is not Verdict.CANNOT_TELL or compared is None:
        return str(finding.verdict)
    return f"{finding.verdict}: {'too much noise' if compared.needed is None else f'{compared.needed} more runs'}"


def more_runs(needed: int | None) -> str:
    """Return how many runs are missing."""
    if needed is None:
        return f"{MOST_RUNS} runs on each side would be too few"
    return f"{needed} more run{'s are' if needed != 1 else ' is'} needed on each side"


def sentence(judgement: Judgement) -> str:
    """Return the verdict and why, in one sentence."""
    if judgement.verdict is Verdict.FAIL:
        worse = [finding for finding in judgement.findings if finding.verdict is Verdict.FAIL]
        return "fail: " + ", ".join(_worse(finding) for finding in worse)
    if judgement.verdict is Verdict.PASS:  # which takes the share of errors
        limits = judgement.tolerances
        passed = f"pass: nothing is worse by {100 * limits.detect:.3g} % or more, errors by {100 * limits.error_detect:.3g} points"
        unjudged = ", ".join(finding.metric.title for finding in judgement.findings if not finding.verdict)
        return f"{passed} (not judged: {unjudged})" if unjudged else passed
    return f"cannot tell: {'; '.join((*_lacking(judgement), *judgement.doubts)) or 'nothing could be compared'}"


def _lacking(judgement: Judgement) -> list[str]:
    """Return what the metrics lack for a verdict."""
    if judgement.needed is not None:
        return [more_runs(judgement.needed)]
    reasons: dict[str, list[str]] = {}
    for finding in judgement.findings:
        if finding.verdict is Verdict.CANNOT_TELL:
            reason = finding.reason or more_runs(finding.comparison.needed if finding.comparison else None)
            reasons.setdefault(reason, []).append(finding.metric.title)
    return [f"{reason} ({', '.join(titles)})" for reason, titles in reasons.items()]


def _worse(finding: Finding) -> str:
    assert finding.comparison is not None  # of a verdict
    least = change(finding.metric, finding.comparison.lower).lstrip("+-")
    return f"{finding.metric.title} is worse by at least {least}"
