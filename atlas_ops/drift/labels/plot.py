"""Draws a metric over windows, with its intervals, as SVG. Called by `labels.page`; needs matplotlib, an extra: `atlas-ops[charts]`."""

from __future__ import annotations

from collections.abc import Sequence

from atlas_ops import drawing
from atlas_ops.drift.labels.quality import Quality, is_share, words

_NOW, _BASELINE = drawing.BLUE, drawing.ORANGE


def course(metric: str, windows: Sequence[Quality], usual: tuple[float, float] | None) -> str:
    """Return an SVG element: the metric of each window, and between which bounds it usually is."""
    known = [(window.start or 0.0, window.metrics[metric].estimate) for window in windows if metric in window.metrics]
    scale = 100.0 if is_share(metric) else 1.0
    with drawing.figure(7.0, 2.4, text=True, adjusted=True) as figure:
        figure.subplots_adjust(left=0.1, right=0.99, top=0.93, bottom=0.2)
        axes = drawing.axes(figure, grid=None)
        times = [at / drawing.DAY for at, _ in known]
        values = [one.value * scale for _, one in known]
        bounds = [one.interval for _, one in known]
        below = [max(value - low * scale, 0.0) for value, (low, _) in zip(values, bounds, strict=True)]
        above = [max(high * scale - value, 0.0) for value, (_, high) in zip(values, bounds, strict=True)]
        axes.errorbar(times, values, yerr=(below, above), fmt="o", markersize=3, color=_NOW, elinewidth=1)
        axes.xaxis_date()
        if usual is not None:
            axes.axhspan(usual[0] * scale, usual[1] * scale, color=_BASELINE, alpha=0.3, linewidth=0)
        unit = " %" if is_share(metric) else ""
        axes.set_ylabel(f"{words(metric)}{unit}", color=drawing.INK, fontsize=8)
        return drawing.element(figure)
