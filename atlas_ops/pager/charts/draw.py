"""Draws a chart as PNG or SVG. The only importer of matplotlib, which is an extra: `atlas-ops[charts]`.

Called by `charts.charts`. Colours are Okabe and Ito's, told apart by colour-blind people too.
"""

from __future__ import annotations

import io
import threading
from datetime import UTC
from typing import Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, DateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from atlas_ops.pager.charts.picture import Picture

Form = Literal["png", "svg"]
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
_DAY = 86_400.0
"""What matplotlib counts time in: days since 1970."""
_RED = "#D1242F"
_DRAWING = threading.Lock()
"""matplotlib's caches of fonts and texts are not made for threads."""
_WIDTH, _HEIGHT, _DPI = 7.2, 3.0, 150
_NAME = 60
"""Characters of a line's name that are shown: two names beside each other fill the width."""


def draw(picture: Picture, form: Form, *, dark: bool = False) -> bytes:
    """Return the picture as a file, 1080 by 450 pixels."""
    with _DRAWING:
        ink, paper = ("#E6E6E6", "#1B1F24") if dark else ("#24292F", "#FFFFFF")
        # One hash for one picture: without a salt every SVG has ids of its own.
        with matplotlib.rc_context({"svg.hashsalt": "atlas-ops", "text.parse_math": False}):
            figure = Figure(figsize=(_WIDTH, _HEIGHT), dpi=_DPI, facecolor=paper, layout="constrained")
            axes = figure.add_subplot(facecolor=paper)
            _lines(axes, picture, ink)
            _frame(axes, picture, ink)
            figure.legend(loc="outside lower center", ncols=2, fontsize=7, frameon=False, labelcolor=ink)
            return _file(figure, form)


def _lines(axes: Axes, picture: Picture, ink: str) -> None:
    for line, colour in zip(picture.lines, _COLOURS, strict=False):
        moments = [at / _DAY for at in line.at]
        axes.plot(moments, line.values, color=colour, linewidth=1.6, label=_short(line.name))
    if picture.limit is not None:
        told = f"limit {picture.written(picture.limit)}"
        axes.axhline(picture.limit, color=_RED, linewidth=1.2, linestyle="--", label=told)
    for at, words in ((picture.began, "began"), (picture.over, "over")):
        if at is not None:
            axes.axvline(at / _DAY, color=ink, linewidth=0.8, linestyle=":")
            axes.annotate(
                words, (at / _DAY, 1.0), xycoords=("data", "axes fraction"), xytext=(3, -9),
                textcoords="offset points", color=ink, fontsize=7,
            )  # fmt: skip


def _frame(axes: Axes, picture: Picture, ink: str) -> None:
    axes.set_title(picture.title, color=ink, fontsize=9, loc="left")
    axes.set_xlim(picture.start / _DAY, picture.end / _DAY)
    axes.xaxis.set_major_locator(AutoDateLocator(maxticks=7))  # type: ignore[no-untyped-call]
    day = picture.end - picture.start > _DAY
    axes.xaxis.set_major_formatter(DateFormatter("%d %b %H:%M" if day else "%H:%M", tz=UTC))  # type: ignore[no-untyped-call]
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(picture, value)))
    if axes.get_ylim()[0] > 0 or picture.unit == "percentunit":
        axes.set_ylim(bottom=min(0.0, *(min(line.values) for line in picture.lines)))
    axes.tick_params(colors=ink, labelsize=7)
    axes.grid(color=ink, alpha=0.15, linewidth=0.6)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.set_xlabel("time in UTC" + (f"; {picture.more} more not shown" if picture.more else ""), color=ink, fontsize=7)


def _tick(picture: Picture, value: float) -> str:
    """Return a mark of the axis; times are not rounded to minutes, or two marks would read the same."""
    return f"{value:g} s" if picture.unit == "s" else picture.written(value)


def _short(name: str) -> str:
    return name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"


def _file(figure: Figure, form: Form) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format=form, metadata={"Date": None} if form == "svg" else {"Software": None})
    return file.getvalue()
