"""The runs of both sides as dots, metric by metric, with the change and what is allowed. Imports matplotlib (`atlas-ops[charts]`).

Each metric has a line of its own: every dot is a run, as a change against the mean of the baseline.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from matplotlib.axes import Axes

from atlas_ops import drawing
from atlas_ops.gate.judge import Finding, Judgement
from atlas_ops.gate.report import words

_INK = "#24292F"
_WIDTH, _LINE, _FRAME = 8.0, 0.55, 1.2
"""Inches: of the figure, of a metric, of title and axis."""


def svg(judgement: Judgement) -> bytes:
    """Return the figure; ratios in per cent, errors in percentage points."""
    findings = [finding for finding in judgement.findings if finding.comparison]
    with drawing.figure(_WIDTH, _FRAME + _LINE * max(len(findings), 1), paper="#FFFFFF") as figure:
        axes = drawing.axes(figure, ink=_INK, grid="x")
        for place, finding in enumerate(reversed(findings)):
            _line(axes, place, finding, named=place == 0)
        _frame(axes, [finding.metric.title for finding in reversed(findings)], words.sentence(judgement))
        if findings:
            figure.legend(loc="outside lower center", ncols=4, fontsize=7, frameon=False, labelcolor=_INK)
        return drawing.file(figure, "svg")


def _line(axes: Axes, place: int, finding: Finding, *, named: bool) -> None:
    compared, metric = finding.comparison, finding.metric
    assert compared is not None  # chosen so
    sides = [metric.sample(side).values for side in (finding.baseline, finding.canary)]
    middle = statistics.fmean(sides[0])
    for values, lift, colour, name in zip(
        sides, (0.15, -0.15), (drawing.BLUE, drawing.ORANGE), ("baseline", "canary"), strict=True
    ):
        changes = _percent(finding, [value - middle for value in values])
        axes.scatter(
            changes, [place + lift] * len(changes), s=14, color=colour, label=name if named else None, zorder=3
        )
    ends = _percent(finding, [compared.lower, compared.upper])
    axes.plot(ends, [place, place], color=_INK, linewidth=1.4, label="change: at least, at most" if named else None)
    margin = _percent(finding, [metric.limits.margin])
    axes.plot(
        margin * 2, [place - 0.35, place + 0.35], color=drawing.RED, linestyle="--", label="allowed" if named else None
    )


def _percent(finding: Finding, differences: Sequence[float]) -> list[float]:
    return [100 * finding.metric.change(difference) for difference in differences]


def _frame(axes: Axes, titles: Sequence[str], sentence: str) -> None:
    title = sentence if len(sentence) <= 100 else f"{sentence[:99]}…"
    axes.set_title(title, fontsize=9, loc="left", color=_INK)
    axes.set_yticks(range(len(titles)), titles)
    axes.set_xlabel("against the mean of the baseline: per cent, of errors percentage points", fontsize=7, color=_INK)
    axes.axvline(0, color=_INK, linewidth=0.6)
