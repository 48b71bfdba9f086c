"""Pages with everything that a dialect reads, for runtimes of which there is no page and no list of names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from atlas_ops.catalog.dialect import Dialect
from atlas_ops.catalog.reading import Decoding, Match, Reading
from tests.exporter.pages import series


def page(dialect: Dialect) -> str:
    """A page of one model, each native name once; what is told better by another name is left out."""
    readings = [reading for entry in dialect.entries for reading in entry.readings if not reading.unless]
    histograms = {f"{reading.metric}_count": reading for reading in readings if reading.decoding is Decoding.HISTOGRAM}
    lines: dict[str, str] = {}
    for number, reading in enumerate(readings, 1):
        for metric, labels, value in _samples(dialect, reading, number):
            # A count is never without its buckets.
            whole = (
                _histogram(histograms[metric], labels) if metric in histograms else [series(metric, value, **labels)]
            )
            lines |= {line.partition(" ")[0]: line for line in whole}
    return "".join(lines.values())


def _samples(dialect: Dialect, reading: Reading, number: int) -> Iterator[tuple[str, dict[str, str], float]]:
    labels = {dialect.naming.labels[0]: "m"} if dialect.naming.labels else {}
    labels |= _fitting(reading.where)
    if reading.decoding is Decoding.HISTOGRAM:
        yield f"{reading.metric}_count", labels, 0
        return
    for count, (pattern, _) in enumerate(reading.outcomes or (("", ""),), number):
        yield reading.metric, labels | ({reading.label: _text(pattern)} if reading.label else {}), 10 * count
    if reading.by:
        yield reading.by.metric, labels | _fitting(reading.by.where), 2
    if reading.count:
        yield reading.count, labels, 5


def _histogram(reading: Reading, labels: dict[str, str]) -> Iterator[str]:
    for count, bound in enumerate(reading.bounds or (1.0, 2.0), 1):
        yield series(f"{reading.metric}_bucket", count, **labels, le=f"{bound / reading.scale:.10g}")
    yield series(f"{reading.metric}_bucket", 99, **labels, le="+Inf")
    yield series(f"{reading.metric}_sum", 1234, **labels)
    yield series(f"{reading.metric}_count", 99, **labels)


def _fitting(where: Sequence[Match]) -> dict[str, str]:
    texts = {match.label: _text(match.patterns[0]) for match in where}
    return {label: text for label, text in texts.items() if text}


def _text(pattern: str) -> str:
    """A text that fits a pattern."""
    return pattern.replace("*", "x").replace("?", "0")
