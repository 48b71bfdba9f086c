"""Draws a metric over windows, with its intervals, as SVG. Called by `labels.page`; needs matplotlib, an extra: `atlas-ops[charts]`."""

from __future__ import annotations

import io
from collections.abc import Sequence

import matplotlib
from matplotlib.figure import Figure

from atlas_ops.detect.season import DAY
from atlas_ops.drift.labels.quality import Quality, is_share, words

_INK, _NOW, _BASELINE = "#57606A", "#0072B2", "#E69F00"


def course(metric: str, windows: Sequence[Quality], usual: tuple[float, float] | None) -> str:
    """Return an SVG element: the metric of each window, and between which bounds it usually is."""
    known = [(window.start or 0.0, window.metrics[metric].estimate) for window in windows if metric in window.metrics]
    scale = 100.0 if is_share(metric) else 1.0
    with matplotlib.rc_context({"svg.hashsalt": "atlas-ops", "svg.fonttype": "none", "text.parse_math": False}):
        figure = Figure(figsize=(7.0, 2.4))
        figure.subplots_adjust(left=0.1, right=0.99, top=0.93, bottom=0.2)
        figure.patch.set_alpha(0)
        axes = figure.add_subplot()
        axes.patch.set_alpha(0)
        times = [at / DAY for at, _ in known]  # as Matplotlib counts them
        values = [one.value * scale for _, one in known]
        bounds = [one.interval for _, one in known]
        below = [max(value - low * scale, 0.0) for value, (low, _) in zip(values, bounds, strict=True)]
        above = [max(high * scale - value, 0.0) for value, (_, high) in zip(values, bounds, strict=True)]
        axes.errorbar(times, values, yerr=(below, above), fmt="o", markersize=3, color=_NOW, elinewidth=1)
        axes.xaxis_date()
        if usual is not None:
            axes.axhspan(usual[0] * scale, usual[1] * scale, color=_BASELINE, alpha=0.3, linewidth=0)
        unit = " %" if is_share(metric) else ""
        axes.set_ylabel(f"{words(metric)}{unit}", color=_INK, fontsize=8)
        axes.tick_params(colors=_INK, labelsize=7)
        for side in axes.spines.values():
            side.set_visible(False)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
    drawn = file.getvalue()
    return drawn[drawn.index("<svg") :]
