"""Draws shares of bins as SVG. Called by `report.page`; needs matplotlib, an extra: `atlas-ops[charts]`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from atlas_ops import drawing
from atlas_ops.detect.statistics import Floats
from atlas_ops.drift import words

_REFERENCE, _LIVE = drawing.BLUE, drawing.ORANGE
_NAME = 18


def shares(bins: Sequence[str], reference: Floats, live: Floats | None) -> str:
    """Return an SVG element: the share of each bin in the reference and, beside it, in the live rows."""
    with drawing.figure(7.0, 2.4, text=True, adjusted=True) as figure:
        figure.subplots_adjust(left=0.08, right=0.99, top=0.9, bottom=0.38)
        axes = drawing.axes(figure, grid=None)
        at, width = np.arange(len(bins)), 0.8 if live is None else 0.4
        axes.bar(at - (0 if live is None else width / 2), reference * 100, width, color=_REFERENCE, label="reference")
        if live is not None:
            axes.bar(at + width / 2, live * 100, width, color=_LIVE, label="live")
            axes.legend(
                frameon=False, fontsize=7, labelcolor=drawing.INK, ncols=2, loc="lower right", bbox_to_anchor=(1, 0.98)
            )
        axes.set_xticks(at, [words.short(name, _NAME) for name in bins], rotation=40, ha="right")
        axes.set_ylabel("% of rows", color=drawing.INK, fontsize=8)
        return drawing.element(figure)
