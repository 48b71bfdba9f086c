"""The judgement as JSON, for machines."""

from __future__ import annotations

import json
from typing import Any

from atlas_ops.gate.judge import Finding, Judgement
from atlas_ops.gate.report import words


def text(judgement: Judgement) -> str:
    """Return it.

    Keys: `verdict` (pass, fail, cannot tell), `sentence`, `runs` (baseline, canary), `needed` (more runs on each side; null when
    they would be too many or do not help), `looks`, `doubts` (why there can be no pass), `notes`, `metrics`. Of a metric: `key`, `title`, `unit`, `verdict` (null where
    it is not judged, then `reason` says why), `baseline` and `canary` (a value for each run, in the unit), and where it was
    compared `change`, `between` (lower bound at the level of a fail and upper bound at that of a pass, the smaller first),
    `margin` and `detect`: ratios minus 1, for `error_share` differences; `needed`.
    """
    told = {
        "verdict": judgement.verdict.value,
        "sentence": words.sentence(judgement),
        "runs": {"baseline": judgement.runs[0], "canary": judgement.runs[1]},
        "needed": judgement.needed,
        "looks": judgement.looks,
        "doubts": list(judgement.doubts),
        "notes": list(judgement.notes),
        "metrics": [_metric(finding) for finding in judgement.findings],
    }
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def _metric(finding: Finding) -> dict[str, Any]:
    metric, compared = finding.metric, finding.comparison
    told: dict[str, Any] = {
        "key": metric.key,
        "title": metric.title,
        "unit": metric.unit,
        "verdict": finding.verdict.value if finding.verdict else None,
        "reason": finding.reason,
        "baseline": [reading.value for reading in finding.baseline],
        "canary": [reading.value for reading in finding.canary],
    }
    if compared:
        told |= {
            "change": metric.change(compared.change),
            "between": sorted((metric.change(compared.lower), metric.change(compared.upper))),
            "margin": metric.change(metric.limits.margin),
            "detect": metric.change(metric.limits.detect),
            "needed": compared.needed,
        }
    return told
