"""What came of labels, as one page of HTML that asks nothing of the network. Called by `cli.drift_labels`."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from atlas_ops import report_page
from atlas_ops.drift.labels import plot, text
from atlas_ops.drift.labels.judge import Standing
from atlas_ops.drift.labels.outcome import Outcome
from atlas_ops.drift.labels.quality import Quality, words

_TONES = {Standing.WORSE: "drift", Standing.NO_WORSE: "quiet", Standing.CANNOT_TELL: "unknown"}


def page(of: Outcome) -> str:
    """Return the page."""
    facts = [f"Now: {text.span(of.live)}."]
    if isinstance(of.baseline, Quality):
        facts.append(f"Baseline: {text.span(of.baseline)}.")
    elif of.baseline is not None:
        facts.append(f"Baseline: {of.baseline:g}, as stated.")
    if of.verdict is not None and (lacking := text.needed(of.verdict.needed)):
        facts.append(f"{lacking.capitalize()}.")
    drawn = Markup(plot.course(of.first, of.windows, _usual(of))) if of.windows else ""  # noqa: S704 - ours
    return report_page.render(
        "atlas_ops.drift.labels",
        "labels.html",
        tone=_TONES[of.verdict.standing] if of.verdict else "",
        headline=text.headline(of),
        facts=" ".join(facts),
        rows=_rows(of),
        ages=of.ages,
        first=words(of.first),
        plot=drawn,
        notes=of.notes,
    )


def _usual(of: Outcome) -> tuple[float, float] | None:
    """Return the bounds of the baseline's metric."""
    if isinstance(of.baseline, Quality):
        one = of.baseline.metrics.get(of.first)
        return one.estimate.interval if one else None
    return None if of.baseline is None else (of.baseline, of.baseline)


def _rows(of: Outcome) -> list[dict[str, Any]]:
    worse = {change.metric for change in of.verdict.changes if change.worse} if of.verdict else set()
    rows = []
    for name, one in of.live.metrics.items():
        then = of.baseline.metrics.get(name) if isinstance(of.baseline, Quality) else None
        rows.append(
            {
                "name": words(name),
                "labels": f"{one.estimate.of:,}",
                "now": text.shown(name, one.estimate).strip(),
                "baseline": text.shown(name, then.estimate).strip() if then else "",
                "worse": name in worse,
            }
        )
    return rows
