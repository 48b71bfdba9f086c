"""What of a native page is looked at: the names that the dialect reads, without what it says must not be counted.

Called by `translate`, before anything is decoded.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache

from atlas_ops.catalog.dialect import Alive, Dialect, Drop
from atlas_ops.exporter import left_out
from atlas_ops.exporter.left_out import LeftOut
from atlas_ops.exporter.parse import Native, Page
from atlas_ops.exporter.samples import Labels

_Samples = Mapping[str, Sequence[Native]]


def prepare(dialect: Dialect, page: Page, dropped: LeftOut) -> Page | None:
    """Return what is to be translated; None when the page has nothing of this runtime that may be counted."""
    read = {name: _distinct(page.of(name), dropped) for name in page.names & dialect.read_names}
    kept = {name: _kept(dialect.drops, name, samples, dropped) for name, samples in read.items()}
    others = (name for name in page.names if name not in read)
    if not (
        _any_known(dialect, kept) or _any_known(dialect, _unread(dialect, page, others)) or dialect.knows(page.bare)
    ):
        return None
    semantics = dialect.semantics
    if semantics.alive is not None:
        kept = _living(dialect, semantics.alive, kept, dropped)
    if semantics.repeated_by:
        kept = {name: _once(samples, frozenset(semantics.repeated_by)) for name, samples in kept.items()}
    counts = {name: _sensible(kept[name], dropped) for name in kept.keys() & dialect.cumulative_names}
    return page.with_samples(kept | counts)


def _any_known(dialect: Dialect, samples: _Samples) -> bool:
    return dialect.knows([name for name, found in samples.items() if found])


def _unread(dialect: Dialect, page: Page, names: Iterable[str]) -> _Samples:
    """Return the samples that nothing reads, but that tell whose page it is."""
    mine = [name for name in names if name.startswith(dialect.prefixes)]
    return {name: [s for s in page.of(name) if not _reason(dialect.drops, name, s)] for name in mine}


def _distinct(samples: Sequence[Native], dropped: LeftOut) -> Sequence[Native]:
    """Leave out series that are there already."""
    first: dict[Labels, Native] = {}
    for sample in samples:
        first.setdefault(sample.labels, sample)
    dropped.add(left_out.DUPLICATE, len(samples) - len(first))
    return samples if len(first) == len(samples) else list(first.values())


def _sensible(samples: Sequence[Native], dropped: LeftOut) -> Sequence[Native]:
    """Leave out counts that can be none."""
    kept = [sample for sample in samples if sample.makes_sense]
    dropped.add(left_out.NONSENSE_VALUE, len(samples) - len(kept))
    return kept


def _kept(drops: Sequence[Drop], name: str, samples: Sequence[Native], dropped: LeftOut) -> Sequence[Native]:
    due = [drop for drop in drops if fnmatchcase(name, drop.metric)]
    if not due:
        return samples
    kept = []
    for sample in samples:
        reason = _reason(due, name, sample)
        if reason:
            dropped.add(reason)
        else:
            kept.append(sample)
    return kept


def _reason(drops: Sequence[Drop], name: str, sample: Native) -> str:
    for drop in drops:
        if fnmatchcase(name, drop.metric) and all(match.accepts(sample.labels) for match in drop.where):
            return drop.reason
    return ""


def _living(dialect: Dialect, alive: Alive, samples: _Samples, dropped: LeftOut) -> dict[str, Sequence[Native]]:
    """Leave out the gauges of what no longer lives, where the page names what does."""
    named = [(_value(s.labels, alive.labels[:1]), s.value) for s in samples.get(alive.metric, ())]
    living = {name for name, value in named if name and value > 0}
    if not any(name for name, _ in named):
        return dict(samples)
    kept: dict[str, Sequence[Native]] = {}
    for metric, found in samples.items():
        if metric in dialect.cumulative_names:
            kept[metric] = found
            continue
        kept[metric] = [s for s in found if (name := _value(s.labels, alive.labels)) in living or not name]
        dropped.add(left_out.DEAD_SERIES, len(found) - len(kept[metric]))
    return kept


def _once(samples: Sequence[Native], labels: frozenset[str]) -> Sequence[Native]:
    """Return one sample, the largest, of all that differ in these labels alone."""
    if not any(name in labels for sample in samples for name, _ in sample.labels):
        return samples
    largest: dict[Labels, float] = {}
    for sample in samples:
        rest = _rest(sample.labels, labels)
        known = largest.get(rest, math.nan)
        # Comparisons with NaN, which SGLang prints for what it does not measure, are never true: it hides no number.
        largest[rest] = known if known >= sample.value else sample.value if not math.isnan(sample.value) else known
    return [Native(rest, value) for rest, value in largest.items()]


@lru_cache(maxsize=10_000)
def _rest(labels: Labels, without: frozenset[str]) -> Labels:
    """Return the other labels, the very same tuple for the same series: whoever compares pages has little to do."""
    return tuple(pair for pair in labels if pair[0] not in without)


def _value(labels: Labels, wanted: Sequence[str]) -> str:
    return next((value for name, value in labels if name in wanted), "")
