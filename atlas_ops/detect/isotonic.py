"""Shares that can only rise: up to which level of load a promise is kept. Called by `atlas_ops.capacity`.

Pool adjacent violators (Ayer et al. 1955): neighbours that fall are taken together until none does.
"""

from __future__ import annotations

from collections.abc import Sequence


def rising(bad: Sequence[float], of: Sequence[float]) -> list[float]:
    """Return the shares `bad[i] / of[i]` that rise and fit best; those of nothing take part in their neighbours'."""
    pools: list[list[float]] = []
    for wrong, total in zip(bad, of, strict=True):
        pools.append([wrong, total, 1])
        while len(pools) > 1 and pools[-2][0] * pools[-1][1] >= pools[-1][0] * pools[-2][1]:
            last = pools.pop()
            pools[-1] = [mine + its for mine, its in zip(pools[-1], last, strict=True)]
    return [wrong / total if total else 0.0 for wrong, total, count in pools for _ in range(int(count))]


def kept_up_to(bad: Sequence[float], of: Sequence[float], allowed: float) -> int:
    """Return at how many of the first levels at most a share of `allowed` is bad."""
    return sum(share <= allowed for share in rising(bad, of))
