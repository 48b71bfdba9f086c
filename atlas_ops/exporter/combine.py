"""Many native series to one sample: engines, endpoints and versions of one model on one server.

Called by `translate`. How it is done is in the dialect's data: counts are added up, a KV cache's usage never is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import SignalType
from atlas_ops.catalog.reading import Combine, Decoding, Entry
from atlas_ops.exporter.decode import INFINITE, Cell

WAYS: dict[Combine, Callable[[Sequence[float]], float]] = {Combine.SUM: math.fsum, Combine.MAX: max, Combine.MIN: min}
"""How several values, of which there is at least one, become one."""


def combine(entry: Entry, cells: Sequence[Cell], models: Sequence[str], *, emptied: bool) -> list[Cell]:
    """Return one cell for each sample; `models` are those of the page.

    What the page implies is added as zeros: every outcome, every reason that the dialect tells, and counts that the page has without a series that counts
    (`emptied`), as a fresh vLLM with two API servers, or a BentoML that has seen health checks alone.
    """
    if entry.signal.type is SignalType.HISTOGRAM:
        return [cell for group in _groups(cells, "model") for cell in _histogram(group)]
    way = WAYS[entry.combine]
    groups = _groups([*cells, *_zeros(entry, cells, models, emptied=emptied)], "model", "extra")
    return [group[0]._replace(value=way([cell.value for cell in group])) for group in groups]


def _zeros(entry: Entry, cells: Sequence[Cell], models: Sequence[str], *, emptied: bool) -> list[Cell]:
    decoding = entry.readings[0].decoding
    if decoding is Decoding.OUTCOME:
        told = dict.fromkeys(cell.model for cell in cells) or models
        ends = c.OUTCOMES if entry.signal is s.REQUESTS else entry.ends
        return [Cell(model, 0.0, extra=end) for model in told for end in ends]
    if decoding is Decoding.VALUE and entry.combine is Combine.SUM and emptied:
        return [Cell(model, 0.0) for model in models]
    return []


def _groups(cells: Iterable[Cell], *keys: str) -> list[list[Cell]]:
    groups: dict[tuple[str, ...], list[Cell]] = {}
    for cell in cells:
        groups.setdefault(tuple(getattr(cell, key) for key in keys), []).append(cell)
    return list(groups.values())


def _histogram(cells: Sequence[Cell]) -> list[Cell]:
    """Add the histograms of one model up, over the bounds that all of them have. A runtime's sum may be left out."""
    parts = {(group[0].part, group[0].bound): group for group in _groups(cells, "part", "bound")}
    counts = parts.get(("_count", "")) or parts.get(("_bucket", INFINITE))
    if not counts:
        return []
    sums = parts.get(("_sum", ""))
    buckets = [group for (part, _), group in parts.items() if part == "_bucket" and len(group) == len(counts)]
    buckets.sort(key=lambda group: float(group[0].bound))
    total = math.fsum(cell.value for cell in counts)
    model = cells[0].model
    below = [
        Cell(model, math.fsum(cell.value for cell in group), part="_bucket", bound=group[0].bound)
        for group in buckets
        if group[0].bound != INFINITE
    ]
    return [
        *below,
        Cell(model, total, part="_bucket", bound=INFINITE),
        *([Cell(model, math.fsum(cell.value for cell in sums), part="_sum")] if sums else []),
        Cell(model, total, part="_count"),
    ]
