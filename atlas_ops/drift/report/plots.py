"""Draws shares of bins as SVG. Called by `report.page`; needs matplotlib, an extra: `atlas-ops[charts]`.

Colours are Okabe and Ito's, told apart by colour-blind people too.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from atlas_ops.detect.statistics import Floats
from atlas_ops.drift import words

_INK = "#57606A"
_REFERENCE, _LIVE = "#0072B2", "#E69F00"
_NAME = 18


def shares(bins: Sequence[str], reference: Floats, live: Floats | None) -> str:
    """Return an SVG element: the share of each bin in the reference and, beside it, in the live rows."""
    with matplotlib.rc_context({"svg.hashsalt": "atlas-ops", "svg.fonttype": "none", "text.parse_math": False}):
        figure = Figure(figsize=(7.0, 2.4))
        figure.subplots_adjust(left=0.08, right=0.99, top=0.9, bottom=0.38)
        figure.patch.set_alpha(0)
        axes = figure.add_subplot()
        axes.patch.set_alpha(0)
        at, width = np.arange(len(bins)), 0.8 if live is None else 0.4
        axes.bar(at - (0 if live is None else width / 2), reference * 100, width, color=_REFERENCE, label="reference")
        if live is not None:
            axes.bar(at + width / 2, live * 100, width, color=_LIVE, label="live")
            axes.legend(
                frameon=False, fontsize=7, labelcolor=_INK, ncols=2, loc="lower right", bbox_to_anchor=(1, 0.98)
            )
        axes.set_xticks(at, [words.short(name, _NAME) for name in bins], rotation=40, ha="right")
        axes.set_ylabel("% of rows", color=_INK, fontsize=8)
        axes.tick_params(colors=_INK, labelsize=7)
        for side in axes.spines.values():
            side.set_visible(False)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
    drawn = file.getvalue()
    return drawn[drawn.index("<svg") :]  # inside of a page there is no place for an XML head
