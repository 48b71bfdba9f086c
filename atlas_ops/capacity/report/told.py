"""What is reported of one model. Shared by the reports."""

from __future__ import annotations

from dataclasses import dataclass

from atlas_ops.capacity.cost import Cost
from atlas_ops.capacity.verdict import Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """One model; `cost` is None where no price and no GPU was asked about."""

    verdict: Verdict
    cost: Cost | None
