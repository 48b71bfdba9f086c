"""Assessments as one page of HTML that asks nothing of the network. Called by the command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from atlas_ops import report_page
from atlas_ops.capacity.report import plots, words
from atlas_ops.capacity.report.told import Told
from atlas_ops.capacity.verdict import Standing

MOST_PLOTTED = 20
"""Models with plots; more make a page of many megabytes."""
_TONES = {Standing.ENOUGH: "enough", Standing.TOO_FEW: "few", Standing.CANNOT_TELL: "unknown"}


def text(models: Sequence[Told]) -> str:
    """Return the page."""
    shown = [_model(told, plotted=place < MOST_PLOTTED) for place, told in enumerate(models)]
    return report_page.render("atlas_ops.capacity.report", "page.html", models=shown, assumptions=words.ASSUMPTIONS)


def _model(told: Told, *, plotted: bool) -> dict[str, Any]:
    of = told.verdict.assessment
    drawn = []
    if plotted:
        drawn = [("Demand and what is usable", plots.demand(of))]
        if of.replica:
            drawn.insert(0, ("Throughput of a replica against its concurrency", plots.saturation(of.replica)))
    return {
        "title": of.seen.key.title,
        "tone": _TONES[told.verdict.standing],
        "headline": words.headline(told.verdict),
        "lines": list(words.lines(told.verdict, told.cost)),
        "notes": of.notes,
        "plots": [{"title": title, "svg": Markup(svg)} for title, svg in drawn],  # noqa: S704 - ours
    }
