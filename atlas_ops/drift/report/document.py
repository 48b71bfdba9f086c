"""A verdict as JSON for machines. Called by `cli.drift_check`.

{"format": "atlas-ops drift check", "version": 1, "model": str, "verdict": "drift" | "no drift" | "cannot tell", "why": str,
 "rows": int, "rows_needed": int (0: these are enough; where the hours of the week are known: in the time from `start` to `end`, more time adds none),
     "hours_needed": float (of history, 0: it is enough), "start": Unix seconds | null, "end": Unix seconds | null,
 "features": [{"name": str, "kind": "number" | "category", "drifted": bool, "of_limit": float (1 and above is drift),
               "psi": float, "ks": float | null (of numbers alone), "js": float, "chi2": float, "rows": int,
               "bins": [str], "reference": [int], "live": [int],
               "moves": [{"statistic": str, "words": str, "value": float, "usual": float, "score": float, "limit": float,
                          "since": Unix seconds | null}]}],
 "notes": [str]}
"""

from __future__ import annotations

from typing import Any

from atlas_ops.detect.features import Category
from atlas_ops.detect.move import Move
from atlas_ops.drift import words
from atlas_ops.drift.check import Compared, Verdict
from atlas_ops.drift.reference import Reference
from atlas_ops.drift.standing import Standing

VERDICTS = {Standing.DRIFT: "drift", Standing.NO_DRIFT: "no drift", Standing.CANNOT_TELL: "cannot tell"}


def document(reference: Reference, verdict: Verdict) -> dict[str, Any]:
    """Return the verdict as the document above."""
    return {
        "format": "atlas-ops drift check",
        "version": 1,
        "model": reference.model,
        "verdict": VERDICTS[verdict.standing],
        "why": verdict.why,
        "rows": verdict.rows,
        "rows_needed": verdict.needed,
        "hours_needed": verdict.needed_hours,
        "start": verdict.start,
        "end": verdict.end,
        "features": [_compared(one) for one in verdict.features],
        "notes": list(verdict.notes),
    }


def _compared(one: Compared) -> dict[str, Any]:
    category = isinstance(one.feature, Category)
    return {
        "name": one.feature.name,
        "kind": "category" if category else "number",
        "drifted": bool(one.moves),
        "of_limit": one.nearness,
        "psi": one.distances.psi,
        "ks": None if category else one.distances.ks,
        "js": one.distances.js,
        "chi2": one.distances.chi2,
        "rows": one.distances.rows,
        "bins": list(one.feature.bins),
        "reference": one.reference.tolist(),
        "live": one.live.tolist(),
        "moves": [_move(one, move) for move in one.moves],
    }


def _move(one: Compared, move: Move) -> dict[str, Any]:
    return {
        "statistic": move.statistic.name,
        "words": words.moved(one.feature, move),
        "value": move.value,
        "usual": move.usual,
        "score": move.score,
        "limit": move.limit,
        "since": move.since,
    }
