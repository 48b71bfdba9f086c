"""What all charts share: colours, a plain frame, and the way to a file. For `pager.charts` and the reports of drift, gate and capacity.

Needs matplotlib, an extra: `atlas-ops[charts]`. Colours are Okabe and Ito's, told apart by colour-blind people too.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Form = Literal["png", "svg"]
BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00"
RED = "#D1242F"
"""Of limits."""
INK = "#57606A"
"""Of words and marks on a page that may be dark or light."""
DAY = 86_400.0
"""Seconds in what matplotlib counts time in: days since 1970."""
_DPI = 150
_DRAWING = threading.Lock()
"""matplotlib's caches of fonts and texts are not made for threads."""


@contextmanager
def figure(
    width: float, height: float, *, paper: str = "none", text: bool = False, adjusted: bool = False
) -> Iterator[Figure]:
    """Give a figure of so many inches, which has to be made a file inside.

    `paper`: its background; `text`: its words stay text, in the font of the page that it is part of; `adjusted`: whoever
    draws says where the axes are.
    """
    fonts = "none" if text else "path"
    # One hash for one picture: without a salt every SVG has ids of its own. And a dollar sign is one, no mathematics.
    with (
        _DRAWING,
        matplotlib.rc_context({"svg.hashsalt": "atlas-ops", "svg.fonttype": fonts, "text.parse_math": False}),
    ):
        yield Figure(figsize=(width, height), dpi=_DPI, facecolor=paper, layout=None if adjusted else "constrained")


def axes(of: Figure, *, ink: str = INK, grid: Literal["both", "x"] | None = "both") -> Axes:
    """Return axes without a frame."""
    made = of.add_subplot(facecolor="none")
    made.tick_params(colors=ink, labelsize=7)
    if grid:
        made.grid(axis=grid, color=ink, alpha=0.15, linewidth=0.6)
    for side in made.spines.values():
        side.set_visible(False)
    return made


def file(of: Figure, form: Form) -> bytes:
    """Return the figure as a file, the same for the same figure."""
    written = io.BytesIO()
    of.savefig(written, format=form, metadata={"Date": None} if form == "svg" else {"Software": None})
    return written.getvalue()


def element(of: Figure) -> str:
    """Return the figure as an SVG element: inside of a page there is no place for an XML head."""
    drawn = file(of, "svg").decode()
    return drawn[drawn.index("<svg") :]
