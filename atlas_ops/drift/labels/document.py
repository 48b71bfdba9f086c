"""What came of labels, as JSON for machines. Called by `cli.drift_labels`.

{"format": "atlas-ops drift labels", "version": 1, "verdict": "worse" | "no worse" | "cannot tell" | "not compared", "why": str,
 "labels_needed", "days_needed", "baseline_labels_needed": int (0: these will do), "margin": float | null, "detect": float | null,
 "now": TIME, "baseline": TIME | number | null, "windows": [TIME],
 "changes": [{"metric": str, "worse": bool, "worse_by_at_least": float, "worse_by_at_most": float (99 %, all together)}],
 "ages": [{"from_seconds": float, "to_seconds": float | null, "predictions": int, "labels": int}],
 "predictions", "labels": {"rows", "identifiers", "repeated", "conflicting", "superseded", "older_than_prediction", "without_partner",
                           "without_identifier", "without_value", "without_time": int},
 "notes": [str]}
TIME is {"start", "end": Unix seconds | null, "predictions": int, "labels": int,
         "metrics" (in windows without those of classes): [{"metric": str, "value": float, "low": float, "high": float (95 %), "labels": int}]}
"""

from __future__ import annotations

from typing import Any

from atlas_ops.drift.labels.join import Identifiers
from atlas_ops.drift.labels.judge import Standing
from atlas_ops.drift.labels.outcome import Outcome
from atlas_ops.drift.labels.quality import Quality
from atlas_ops.drift.labels.side import Side

_VERDICTS = {Standing.WORSE: "worse", Standing.NO_WORSE: "no worse", Standing.CANNOT_TELL: "cannot tell"}


def document(of: Outcome) -> dict[str, Any]:
    """Return the document above."""
    verdict = of.verdict
    predictions, labels = of.joined.sides
    return {
        "format": "atlas-ops drift labels",
        "version": 1,
        "verdict": _VERDICTS[verdict.standing] if verdict else "not compared",
        "why": verdict.why if verdict else "",
        "labels_needed": verdict.needed.labels if verdict else 0,
        "days_needed": verdict.needed.days if verdict else 0,
        "baseline_labels_needed": verdict.needed.baseline if verdict else 0,
        "margin": verdict.tolerances.margin if verdict else None,
        "detect": verdict.tolerances.detect if verdict else None,
        "now": _time(of.live),
        "baseline": _time(of.baseline) if isinstance(of.baseline, Quality) else of.baseline,
        "windows": [_time(one) for one in of.windows],
        "changes": [
            {"metric": one.metric, "worse": one.worse, "worse_by_at_least": one.least, "worse_by_at_most": one.most}
            for one in (verdict.changes if verdict else ())
        ],
        "ages": [
            {"from_seconds": age.least, "to_seconds": age.most, "predictions": age.predictions, "labels": age.labels}
            for age in of.ages
        ],
        "predictions": _side(predictions, of.joined.predictions),
        "labels": _side(labels, of.joined.labels),
        "notes": list(of.notes),
    }


def _time(of: Quality) -> dict[str, Any]:
    metrics = []
    for name, one in of.metrics.items():
        low, high = one.estimate.interval
        metrics.append(
            {"metric": name, "value": one.estimate.value, "low": low, "high": high, "labels": one.estimate.of}
        )
    return {"start": of.start, "end": of.end, "predictions": of.predictions, "labels": of.labels, "metrics": metrics}


def _side(side: Side, identifiers: Identifiers) -> dict[str, int]:
    return {
        "rows": side.rows,
        "identifiers": identifiers.different,
        "repeated": identifiers.repeated,
        "conflicting": identifiers.conflicting,
        "superseded": identifiers.superseded,
        "older_than_prediction": identifiers.early,
        "without_partner": identifiers.alone,
        "without_identifier": side.without_key,
        "without_value": side.without_value,
        "without_time": side.untimed,
    }
