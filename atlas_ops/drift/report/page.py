"""A reference or a verdict as one page of HTML that asks nothing of the network. Called by `cli.drift_show` and `cli.drift_check`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from atlas_ops import report_page
from atlas_ops.detect.features import Category, Counts, Feature
from atlas_ops.detect.statistics import Floats
from atlas_ops.drift import words
from atlas_ops.drift.check import Compared, Verdict
from atlas_ops.drift.reference import Reference
from atlas_ops.drift.report import plots, text
from atlas_ops.drift.standing import Standing

MOST_PLOTS = 40
"""More make a page of many megabytes; the table has all features."""
_TONES = {Standing.DRIFT: "drift", Standing.NO_DRIFT: "quiet", Standing.CANNOT_TELL: "unknown"}


def reference(of: Reference) -> str:
    """Return the page of a reference: the shares of each feature's bins."""
    drawn = [(feature, of.usual[feature.name], None) for feature in of.features]
    return _page(
        title=f"Drift reference of {of.model}",
        tone="",
        headline=f"{words.counted(of.rows, 'row')}, {words.counted(len(of.features), 'feature')}",
        facts=f"{_span(of.start, of.end)}Judged {text.judged(of)}.",
        rows=(),
        notes=of.notes,
        drawn=drawn,
    )


def verdict(of: Verdict, against: Reference) -> str:
    """Return the page of a check: the table, and the bins of the features nearest to their limits, reference beside live."""
    needed = f" At least {text.needed(of)} are needed." if of.needed else ""
    if of.needed_hours:
        needed += f" A reference with {of.needed_hours:,.0f} more hours of history could tell."
    return _page(
        title=f"Drift check of {against.model}",
        tone=_TONES[of.standing],
        headline=f"{text.HEADLINES[of.standing]}: {of.why}",
        facts=f"{_span(of.start, of.end)}{words.counted(of.rows, 'live row')}, judged {text.judged(against)}.{needed}",
        rows=[_row(one) for one in of.features],
        notes=of.notes,
        drawn=[(one.feature, one.reference, one.live) for one in of.features],
    )


def _page(*, drawn: Sequence[tuple[Feature, Counts, Counts | None]], **values: Any) -> str:
    pictures = [
        {"name": feature.name, "svg": Markup(plots.shares(words.bin_names(feature), _shares(then), _maybe(now)))}  # noqa: S704 - ours
        for feature, then, now in drawn[:MOST_PLOTS]
    ]
    hidden = max(0, len(drawn) - MOST_PLOTS)
    return report_page.render("atlas_ops.drift.report", "page.html", plots=pictures, hidden=hidden, **values)


def _row(one: Compared) -> dict[str, Any]:
    return {
        "name": one.feature.name,
        "of_limit": f"{one.nearness:.2f}",
        "psi": f"{one.distances.psi:.3f}",
        "ks": "" if isinstance(one.feature, Category) else f"{one.distances.ks:.3f}",
        "js": f"{one.distances.js:.3f}",
        "chi2": f"{one.distances.chi2:,.1f}",
        "moved": words.told(one.feature, one.moves),
    }


def _shares(counts: Counts) -> Floats:
    return counts / max(int(counts.sum()), 1)


def _maybe(counts: Counts | None) -> Floats | None:
    return None if counts is None else _shares(counts)


def _span(start: float | None, end: float | None) -> str:
    return f"{words.moment(start)} to {words.moment(end)}. " if start is not None and end is not None else ""
