"""Draws a chart as PNG or SVG. Called by `charts.charts`; needs matplotlib, an extra: `atlas-ops[charts]`."""

from __future__ import annotations

from datetime import UTC

from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, DateFormatter
from matplotlib.ticker import FuncFormatter

from atlas_ops import drawing
from atlas_ops.pager.charts.picture import Picture

_COLOURS = (drawing.BLUE, drawing.ORANGE, drawing.GREEN, drawing.PURPLE, drawing.SKY, drawing.VERMILION)
_WIDTH, _HEIGHT = 7.2, 3.0
_NAME = 60
"""Characters of a line's name that are shown: two names beside each other fill the width."""


def draw(picture: Picture, form: drawing.Form, *, dark: bool = False) -> bytes:
    """Return the picture as a file, 1080 by 450 pixels."""
    ink, paper = ("#E6E6E6", "#1B1F24") if dark else ("#24292F", "#FFFFFF")
    with drawing.figure(_WIDTH, _HEIGHT, paper=paper) as figure:
        axes = drawing.axes(figure, ink=ink)
        _lines(axes, picture, ink)
        _frame(axes, picture, ink)
        figure.legend(loc="outside lower center", ncols=2, fontsize=7, frameon=False, labelcolor=ink)
        return drawing.file(figure, form)


def _lines(axes: Axes, picture: Picture, ink: str) -> None:
    for line, colour in zip(picture.lines, _COLOURS, strict=False):
        moments = [at / drawing.DAY for at in line.at]
        axes.plot(moments, line.values, color=colour, linewidth=1.6, label=_short(line.name))
    if picture.limit is not None:
        told = f"limit {picture.written(picture.limit)}"
        axes.axhline(picture.limit, color=drawing.RED, linewidth=1.2, linestyle="--", label=told)
    for at, words in ((picture.began, "began"), (picture.over, "over")):
        if at is not None:
            axes.axvline(at / drawing.DAY, color=ink, linewidth=0.8, linestyle=":")
            axes.annotate(
                words, (at / drawing.DAY, 1.0), xycoords=("data", "axes fraction"), xytext=(3, -9),
                textcoords="offset points", color=ink, fontsize=7,
            )  # fmt: skip


def _frame(axes: Axes, picture: Picture, ink: str) -> None:
    axes.set_title(picture.title, color=ink, fontsize=9, loc="left")
    axes.set_xlim(picture.start / drawing.DAY, picture.end / drawing.DAY)
    axes.xaxis.set_major_locator(AutoDateLocator(maxticks=7))  # type: ignore[no-untyped-call]
    day = picture.end - picture.start > drawing.DAY
    axes.xaxis.set_major_formatter(DateFormatter("%d %b %H:%M" if day else "%H:%M", tz=UTC))  # type: ignore[no-untyped-call]
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(picture, value)))
    if axes.get_ylim()[0] > 0 or picture.unit == "percentunit":
        axes.set_ylim(bottom=min(0.0, *(min(line.values) for line in picture.lines)))
    axes.set_xlabel("time in UTC" + (f"; {picture.more} more not shown" if picture.more else ""), color=ink, fontsize=7)


def _tick(picture: Picture, value: float) -> str:
    """Return a mark of the axis; times are not rounded to minutes, or two marks would read the same."""
    return f"{value:g} s" if picture.unit == "s" else picture.written(value)


def _short(name: str) -> str:
    return name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"
