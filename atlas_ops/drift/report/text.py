"""A reference and a verdict as text for a terminal. Called by `cli.drift_show` and `cli.drift_check`."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from atlas_ops.detect.features import Category
from atlas_ops.detect.season import DAY, HOUR
from atlas_ops.drift import words
from atlas_ops.drift.check import Verdict
from atlas_ops.drift.printable import printable
from atlas_ops.drift.reference import Reference
from atlas_ops.drift.standing import Standing

_BAR, _NAME = 40, 28
HEADLINES = {Standing.DRIFT: "DRIFT", Standing.NO_DRIFT: "no drift", Standing.CANNOT_TELL: "CANNOT TELL"}


def reference(of: Reference) -> str:
    """Return what a reference holds."""
    return "".join(f"{printable(line)}\n" for line in _reference(of))


def verdict(of: Verdict, *, most: int = 20) -> str:
    """Return what came of a check: the features that moved, and up to `most` of the others."""
    return "".join(f"{printable(line)}\n" for line in _verdict(of, most))


def _reference(of: Reference) -> Iterator[str]:
    span = (
        f", {words.moment(of.start)} to {words.moment(of.end)}" if of.start is not None and of.end is not None else ""
    )
    yield f"model {of.model}: {words.counted(of.rows, 'row')}{span}; made {words.moment(of.made_at)}"
    yield f"judged {judged(of)}"
    for feature in of.features:
        kind = "category" if isinstance(feature, Category) else "number"
        yield ""
        yield f"{feature.name} ({kind})"
        counts = of.usual[feature.name]
        shares = (counts / max(int(counts.sum()), 1)).tolist()
        for name, share, bar in zip(words.bin_names(feature), shares, words.bars(shares, _BAR), strict=True):
            yield f"  {words.short(name, _NAME):{_NAME}} {words.percent(share):>8}  {bar}".rstrip()
    yield from _notes(of.notes)


def judged(of: Reference) -> str:
    """Say in words by what live rows are judged."""
    if of.detector is not None:
        tests = words.counted(len(of.detector.features), "feature")
        return f"by alibi-detect's {of.detector.name}, p below {of.detector.p_value:g} shared by {tests}"
    if of.calibration is not None and of.limits is not None and of.limits.timed:
        found = f"{of.calibration.days:.0f} days of history"
        return f"by the hour of the week, from {found}; a page from a score of {of.calibration.page:.1f} on"
    if of.limits is not None and np.isfinite(of.limits.centre).any():
        return "by how its parts differ from each other; not by the hour of the week"
    return "by nothing: it has too few rows"


def _verdict(of: Verdict, most: int) -> Iterator[str]:
    span = (
        f", {words.moment(of.start)} to {words.moment(of.end)}" if of.start is not None and of.end is not None else ""
    )
    yield f"{HEADLINES[of.standing]}: {of.why} ({words.counted(of.rows, 'live row')}{span})"
    if of.needed:
        yield f"at least {needed(of)} are needed"
    if of.needed_hours:
        yield f"a reference with {of.needed_hours:,.0f} more hours of history could tell"
    if of.features:
        yield ""
        yield f"{'feature':{_NAME}} {'of limit':>8}  {'PSI':>6} {'KS':>6} {'JS':>6}  what moved"
    for one in [*of.features[:most], *(one for one in of.features[most:] if one.moves)]:
        said = words.told(one.feature, one.moves) or ["-"]
        far = one.distances
        ks = f"{far.ks:6.3f}" if not isinstance(one.feature, Category) else f"{'':6}"
        yield f"{words.short(one.feature.name, _NAME):{_NAME}} {one.nearness:8.2f}  {far.psi:6.3f} {ks} {far.js:6.3f}  {said[0]}"
        yield from (f"{'':{_NAME + 33}}{line}" for line in said[1:])
    hidden = sum(1 for one in of.features[most:] if not one.moves)
    if hidden:
        yield f"... and {words.counted(hidden, 'feature')} further from their limits"
    yield from _notes(of.notes)


def needed(of: Verdict) -> str:
    """Return how many live rows are needed, and in which time."""
    if not of.needed_span:
        return words.counted(of.needed, "live row")
    unit, name = (DAY, "a day") if of.needed_span >= DAY else (HOUR, "an hour")
    return f"{words.counted(math.ceil(of.needed * unit / of.needed_span), 'live row')} {name}"


def _notes(notes: tuple[str, ...]) -> Iterator[str]:
    if notes:
        yield ""
    yield from (f"note: {note}" for note in notes)
