"""What came of labels, as text for a terminal. Called by `cli.drift_labels`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from atlas_ops.drift.labels.intervals import Estimate
from atlas_ops.drift.labels.judge import Needed, Standing
from atlas_ops.drift.labels.outcome import Outcome
from atlas_ops.drift.labels.quality import Quality, is_share, words
from atlas_ops.drift.words import counted, moment, short

_NAME, _MOST = 34, 31
HEADLINES = {Standing.WORSE: "WORSE", Standing.NO_WORSE: "no worse", Standing.CANNOT_TELL: "CANNOT TELL"}


def text(of: Outcome) -> str:
    """Return all of it."""
    return "\n".join(_lines(of)) + "\n"


def headline(of: Outcome) -> str:
    """Return the verdict in one line."""
    if of.verdict is None:
        return "not compared: there is no --baseline"
    return f"{HEADLINES[of.verdict.standing]}: {of.verdict.why}"


def needed(of: Needed) -> str:
    """Say what it would take; "" when nothing is lacking."""
    wanted = [f"about {of.baseline:,} labels of the baseline"] if of.baseline else []
    wanted += [f"about {of.labels:,} labels of now"] if of.labels else []
    wanted += [f"about {of.days:,} days with labels (more labels on so few days would not tell)"] if of.days else []
    return f"needed: {' and '.join(wanted)}" if wanted else ""


def span(of: Quality) -> str:
    """Return labels, predictions and time of a quality."""
    when = f", {moment(of.start)} to {moment(of.end)}" if of.start is not None and of.end is not None else ""
    return f"{counted(of.labels, 'label')} of {counted(of.predictions, 'prediction')} ({of.arrived:.0%}){when}"


def shown(metric: str, of: Estimate) -> str:
    """Return a value with its interval."""
    low, high = of.interval
    if is_share(metric):
        return f"{of.value:7.2%}  ({low:.2%} to {high:.2%})"
    return f"{of.value:7.4g}  ({low:.4g} to {high:.4g})"


def _lines(of: Outcome) -> Iterator[str]:
    yield headline(of)
    if of.verdict is not None and (lacking := needed(of.verdict.needed)):
        yield lacking
    yield f"\nnow       {span(of.live)}"
    if isinstance(of.baseline, Quality):
        yield f"baseline  {span(of.baseline)}"
    elif of.baseline is not None:
        yield f"baseline  {words(of.first)} of {of.baseline:g}"
    yield f"\n{'metric':{_NAME}} {'labels':>9}  now, with 95 % interval         baseline"
    yield from _metrics(of)
    if of.windows:
        yield f"\n{'from':20} {'labels':>10} of {'predictions':<11} {words(of.first)}"
    hidden = len(of.windows) - _MOST
    if hidden > 0:
        yield f"... {counted(hidden, 'earlier window')}"
    yield from (_window(one, of.first) for one in of.windows[-_MOST:])
    if of.ages:
        yield "\nage of prediction   predictions   have a label"
    yield from (f"{age.words:18} {age.predictions:12,}  {age.labels / age.predictions:13.0%}" for age in of.ages)
    yield from _notes(of.notes)


def _metrics(of: Outcome) -> Iterator[str]:
    worse = {change.metric for change in of.verdict.changes if change.worse} if of.verdict else set()
    metrics = list(of.live.metrics.items())
    for name, one in [*metrics[:_MOST], *(pair for pair in metrics[_MOST:] if pair[0] in worse)]:
        then = of.baseline.metrics.get(name) if isinstance(of.baseline, Quality) else None
        before = shown(name, then.estimate) if then else ""
        line = f"{short(words(name), _NAME):{_NAME}} {one.estimate.of:9,}  {shown(name, one.estimate):32}{before}"
        yield f"{line.rstrip()}{'  worse' if name in worse else ''}"
    hidden = sum(1 for name, _ in metrics[_MOST:] if name not in worse)
    if hidden:
        yield f"... and {counted(hidden, 'metric')} more (--json has all)"


def _window(of: Quality, first: str) -> str:
    value = shown(first, of.metrics[first].estimate) if first in of.metrics else "-"
    return f"{moment(of.start or 0.0):20} {of.labels:>10,} of {of.predictions:<11,} {value}"


def _notes(notes: Sequence[str]) -> Iterator[str]:
    if notes:
        yield ""
    yield from (f"note: {note}" for note in notes)
