"""What moved, how and since when, in words; times and bins for people. Called by `drift.fit`, the reports and `atlas-ops watch`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from atlas_ops.detect.features import ABOVE, BELOW, MISSING, OTHER, UNSEEN, Feature, Numeric
from atlas_ops.detect.move import Move

_OUTSIDE = {
    MISSING: "are missing",
    BELOW: "lie below the reference's range",
    ABOVE: "lie above the reference's range",
    OTHER: "are of the rarer categories",
    UNSEEN: "are of categories that the reference never had",
}


def told(feature: Feature, moves: Sequence[Move]) -> list[str]:
    """Return sentences without full stops: what moved of a feature, and since when."""
    since = min((move.since for move in moves if move.since is not None), default=None)
    return [*(moved(feature, move) for move in moves), *([f"since {moment(since)}"] if since is not None else [])]


def moment(seconds: float) -> str:
    """Return a Unix time for people, in UTC."""
    try:
        return f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds):%Y-%m-%d %H:%M} UTC"
    except OverflowError:
        return f"{seconds:g} seconds after 1970"


def moved(feature: Feature, move: Move) -> str:
    """Return a sentence without a full stop: what moved of a feature, and how."""
    if move.statistic.name == "location":
        way = "higher" if move.value > move.usual else "lower"
        return f"values are {way} by {abs(move.value - move.usual):.2f} standard deviations"
    if move.statistic.name == "scale":
        return "values are spread wider" if move.value > move.usual else "values are spread less"
    if move.statistic.name.startswith("p-value"):
        return f"{move.statistic.name}: {move.value:.2g}, below {move.usual:.2g}"
    name = move.statistic.name.removeprefix("share of ")
    return f"{percent(move.value)} {_of_bin(feature, name)}, {percent(move.usual)} are usual"


def bin_names(feature: Feature) -> tuple[str, ...]:
    """Return what each bin is called for people: a range of numbers, or a category."""
    if not isinstance(feature, Numeric):
        return tuple(feature.bins)
    edges = feature.edges
    inside = [f"{low:.4g} to {high:.4g}" for low, high in pairwise(edges)]
    return (*inside, f"below {edges[0]:.4g}", f"above {edges[-1]:.4g}", MISSING)


def percent(share: float) -> str:
    """Return a share for people; small ones with more digits."""
    points = 100 * max(share, 0.0)
    return (
        f"{points:.0f} %" if points >= 10 or points == 0 else f"{points:.1f} %" if points >= 0.1 else f"{points:.3f} %"
    )


def counted(number: int, one: str) -> str:
    """Return a number and its noun."""
    return f"{number:,} {one}{'' if number == 1 else 's'}"


def short(name: str, most: int) -> str:
    """Return a name in at most so many characters."""
    return name if len(name) <= most else f"{name[: most - 1]}…"


def bars(shares: Sequence[float], width: int) -> list[str]:
    """Return a bar of text for each share; the greatest fills the width."""
    most = max(shares, default=0.0) or 1.0
    return ["█" * round(width * share / most) or ("▏" if share > 0 else "") for share in shares]


def _of_bin(feature: Feature, name: str) -> str:
    if name in _OUTSIDE:
        return _OUTSIDE[name]
    if isinstance(feature, Numeric):
        place = int(name)
        if place == 0:
            return f"lie at the low end (below {feature.edges[1]:.4g})"
        return f"lie at the high end ({feature.edges[place]:.4g} and more)"
    return f"are {name!r}"
