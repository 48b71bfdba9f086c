"""Assessments as JSON for machines. Called by the command."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from atlas_ops.capacity.cost import Cost
from atlas_ops.capacity.estimate import Estimate
from atlas_ops.capacity.replica import Kept, Replica
from atlas_ops.capacity.report import words
from atlas_ops.capacity.report.told import Told


def text(models: Sequence[Told]) -> str:
    """Return them.

    {"format": "atlas-ops capacity", "version": 1, "assumptions": [str], "models": [{"runtime", "model", "namespace",
     "verdict": "enough" | "too few" | "cannot tell", "why": str, "start", "end": Unix seconds,
     "traffic": {"mean", "peak" (requests per second), "replicas": int, "busiest_replica": ratio to the mean},
     "littles_law": {"counted", "gauged", "ratio": ESTIMATE, "agree": bool} | null,
     "replica": {"most": ESTIMATE, "concurrency_when_full", "concurrency_seen", "usable": ESTIMATE, "limited_by": str,
                 "curve": {"slope", "most", "variability"},
                 "objectives": [{"name", "seconds", "target", "slow_share", "rate": ESTIMATE | null}]} | null,
     "forecast": {"rate", "replicas": int, "low": int, "high": int, "at_most": bool, "there": int, "use": ESTIMATE} | null,
     "cost": {"gpu_hours": {GPU name: hours}, "known_share": share of the requests whose GPUs are known, and all that follows is of them,
              "kilowatt_hours": float | null, "requests", "prompt_tokens", "generation_tokens",
              "money": {"currency", "amount", "per_million_generation_tokens", "per_request" (null where unpriced), "unpriced": [str]}
                       | null} | null,
     "notes": [str]}]}; ESTIMATE: {"value", "low", "high" (90 % interval), "at_least": bool}. What is not known is null.
    """
    told = {
        "format": "atlas-ops capacity",
        "version": 1,
        "assumptions": list(words.ASSUMPTIONS),
        "models": [_model(model) for model in models],
    }
    return json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _model(told: Told) -> dict[str, Any]:
    of = told.verdict.assessment
    key, law, forecast = of.seen.key, of.law, of.forecast
    return {
        "runtime": key.runtime,
        "model": key.model,
        "namespace": key.namespace,
        "verdict": told.verdict.standing.value,
        "why": told.verdict.why,
        "start": float(of.seen.times[0]),
        "end": float(of.seen.times[-1]),
        "traffic": {
            "mean": of.demand.mean,
            "peak": of.demand.peak,
            "replicas": of.demand.replicas,
            "busiest_replica": of.demand.uneven,
        },
        "littles_law": law
        and {"counted": law.counted, "gauged": law.gauged, "ratio": _estimate(law.ratio), "agree": law.agree},
        "replica": of.replica and _replica(of.replica),
        "forecast": forecast
        and {
            "rate": forecast.rate,
            "replicas": forecast.needed,
            "low": forecast.low,
            "high": forecast.high,
            "at_most": forecast.at_most,
            "there": forecast.there,
            "use": _estimate(forecast.use),
        },
        "cost": told.cost and _cost(told.cost),
        "notes": list(of.notes),
    }


def _replica(replica: Replica) -> dict[str, Any]:
    curve = replica.curve
    return {
        "most": _estimate(replica.most),
        "concurrency_when_full": None if replica.most.at_least else replica.places,
        "concurrency_seen": replica.seen,
        "usable": _estimate(replica.usable),
        "limited_by": replica.limited_by,
        "curve": {
            "slope": float(curve.slope[0]),
            "most": float(curve.most[0]),
            "variability": float(curve.variability[0]),
        },
        "objectives": [_kept(kept) for kept in replica.kept],
    }


def _kept(kept: Kept) -> dict[str, Any]:
    return {
        "name": kept.promise.name,
        "seconds": kept.promise.seconds,
        "target": kept.promise.target,
        "slow_share": None if math.isnan(kept.slow_share) else kept.slow_share,
        "rate": kept.rate and _estimate(kept.rate),
    }


def _estimate(of: Estimate) -> dict[str, Any]:
    return {"value": of.value, "low": of.low, "high": of.high, "at_least": of.at_least}


def _cost(cost: Cost) -> dict[str, Any]:
    money, energy = cost.money, cost.energy
    told = money and not money.unpriced
    return {
        "gpu_hours": dict(cost.hours),
        "known_share": cost.known,
        "kilowatt_hours": energy and energy.joules / words.JOULES_PER_KWH,
        **asdict(cost.made),
        "money": money
        and {
            "currency": money.currency,
            "amount": money.amount,
            "per_million_generation_tokens": cost.made.per_million_tokens(money.amount) if told else None,
            "per_request": cost.made.per_request(money.amount) if told else None,
            "unpriced": list(money.unpriced),
        },
    }
