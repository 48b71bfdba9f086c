"""Draws throughput against concurrency, and demand against what is usable, as SVG. Needs matplotlib: `atlas-ops[charts]`.

Called by `report.page`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import ConciseDateFormatter

from atlas_ops import drawing
from atlas_ops.capacity.assess import Assessment
from atlas_ops.capacity.replica import Replica

_DOTS, _CURVE, _LIMIT = drawing.BLUE, drawing.ORANGE, drawing.VERMILION


def saturation(replica: Replica) -> str:
    """Return the levels of load as dots, and the curve with its interval: an SVG element."""

    def draw(axes: Axes) -> None:
        concurrency, throughput = replica.points
        known = np.isfinite(concurrency) & (concurrency > 0)
        at = np.geomspace(concurrency[known].min(), concurrency[known].max() * 1.3, 120)
        curves = np.stack([replica.curve.throughput(np.array(one)) for one in at], axis=1)
        low, high = np.quantile(curves[1:], (0.05, 0.95), axis=0)
        axes.fill_between(at, low, high, color=_CURVE, alpha=0.25, linewidth=0)
        axes.plot(at, curves[0], color=_CURVE, label="fit, and 90 % of its draws")
        axes.scatter(concurrency[known], throughput[known], s=10, color=_DOTS, label="levels of load", zorder=3)
        axes.axhline(replica.usable.value, color=_LIMIT, linestyle="--", linewidth=1, label="usable")
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")  # powers of ten would need its mathematics, which are no text
        axes.xaxis.set_minor_formatter("")
        axes.set_xlabel("requests in a replica at the same time", color=drawing.INK, fontsize=8)
        axes.set_ylabel("requests/s finished", color=drawing.INK, fontsize=8)

    return _drawn(draw)


def demand(of: Assessment) -> str:
    """Return the course of demand, and what the replicas of each window can be used for: an SVG element."""

    def draw(axes: Axes) -> None:
        days = of.seen.times / drawing.DAY
        axes.xaxis_date()
        axes.xaxis.set_major_formatter(ConciseDateFormatter(axes.xaxis.get_major_locator()))  # type: ignore[no-untyped-call]
        axes.plot(days, of.demand.course, color=_DOTS, linewidth=0.8, label="demand")
        if of.replica:
            usable = of.demand.replica_course * of.replica.usable.value
            label = "usable, at least" if of.replica.usable.at_least else "usable"
            axes.plot(days, usable, color=_LIMIT, linestyle="--", linewidth=1, label=label)
        if of.forecast:
            axes.axhline(of.forecast.rate, color=_CURVE, linewidth=1, label="peak that was asked about")
        axes.set_ylim(bottom=0)
        axes.set_ylabel("requests/s, all replicas", color=drawing.INK, fontsize=8)

    return _drawn(draw)


def _drawn(draw: Callable[[Axes], None]) -> str:
    with drawing.figure(7.0, 2.8, text=True) as figure:
        axes = drawing.axes(figure)
        draw(axes)
        axes.legend(
            frameon=False,
            fontsize=7,
            labelcolor=drawing.INK,
            ncols=3,
            loc="lower right",
            bbox_to_anchor=(1, 1),
            borderaxespad=0,
        )
        return drawing.element(figure)
