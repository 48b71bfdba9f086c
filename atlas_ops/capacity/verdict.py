"""Whether the replicas that there are do. Called by the command and the reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from atlas_ops.capacity.assess import Assessment
from atlas_ops.capacity.demand import Forecast
from atlas_ops.units import number


class Standing(StrEnum):
    """What can be said."""

    ENOUGH = "enough"
    TOO_FEW = "too few"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Of one model; `why` says why it cannot be told, empty else."""

    assessment: Assessment
    standing: Standing
    why: str = ""


def judge(assessment: Assessment) -> Verdict:
    """Return the verdict on one model."""
    forecast = assessment.forecast
    if forecast is None:
        why = assessment.why_not or "there was no traffic, and no --forecast is given"
        return Verdict(assessment=assessment, standing=Standing.CANNOT_TELL, why=why)
    if forecast.there == 0:
        why = "no server was seen in the last hour, so nobody knows how many replicas there are"
        return Verdict(assessment=assessment, standing=Standing.CANNOT_TELL, why=why)
    if forecast.enough is None:
        return Verdict(assessment=assessment, standing=Standing.CANNOT_TELL, why=_between(forecast))
    return Verdict(assessment=assessment, standing=Standing.ENOUGH if forecast.enough else Standing.TOO_FEW)


def _between(forecast: Forecast) -> str:
    if forecast.at_most:
        return (
            f"replicas were never full, and {number(forecast.rate)} requests/s are more than they were seen to carry; at most "
            f"{forecast.needed} replicas would do, fewer may (a load test that fills one replica would tell)"
        )
    return (
        f"{number(forecast.rate)} requests/s at the peak take {forecast.low:,} to {forecast.high:,} replicas, and there are {forecast.there}: more "
        "days, or a load test that fills one replica, would tell"
    )


def overall(verdicts: Sequence[Verdict]) -> Standing:
    """Return the worst: too few, then what cannot be told."""
    found = [verdict.standing for verdict in verdicts]
    return next((one for one in (Standing.TOO_FEW, Standing.CANNOT_TELL) if one in found), Standing.ENOUGH)
