"""The closed set of ways in which native samples become values of a signal, one small function for each.

Called by `translate`. Nothing here knows a runtime: what to read, and how, is in the dialect's data.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import NamedTuple

from atlas_ops.catalog.reading import NO_EVENT, Decoding, Match, ModelOf, Reading
from atlas_ops.exporter import left_out
from atlas_ops.exporter.left_out import LeftOut
from atlas_ops.exporter.parse import Native, Page
from atlas_ops.exporter.samples import Labels
from atlas_ops.exporter.settled import Settled

INFINITE = "+Inf"


class Cell(NamedTuple):
    """One native value on its way: cells that differ in `value` alone are combined to one sample."""

    model: str
    value: float
    extra: str = ""
    """Value of the signal's own label (`outcome`, `state`)."""
    part: str = ""
    """`_bucket`, `_sum` or `_count` of a histogram."""
    bound: str = ""
    """Text of `le`, in the unit of the signal, written as a float."""


@dataclass(frozen=True, slots=True)
class Decoder:
    """What the decodings have to know of the page: who a sample belongs to, and what had to be left out."""

    page: Page
    model_of: Callable[[Labels, ModelOf | None], str | None]
    """The model that a sample is about; None when nothing says so."""
    left_out: LeftOut
    settled: Settled

    def cells(self, reading: Reading) -> list[Cell]:
        """Return the values of one reading, in the signal's unit."""
        return list(_DECODINGS[reading.decoding](self, reading))

    def numbers(self, name: str, reading: Reading) -> Iterator[tuple[Native, str]]:
        """Yield the samples of a name that the reading selects and that make sense, with their models."""
        return self._numbers(name, reading.where, reading.model)

    def operands(self, reading: Reading) -> Iterator[tuple[Native, str]]:
        """Yield the samples of the second metric of a reading, with their models."""
        assert reading.by is not None
        return self._numbers(reading.by.metric, reading.by.where, reading.model)

    def _numbers(self, name: str, where: Sequence[Match], of: ModelOf | None) -> Iterator[tuple[Native, str]]:
        for sample in self.page.of(name):
            if where and not all(match.accepts(sample.labels) for match in where):
                continue
            model = self.model_of(sample.labels, of)
            if model is None:
                self.left_out.add(left_out.NO_MODEL)
            elif not sample.makes_sense:
                self.left_out.add(left_out.NONSENSE_VALUE)
            else:
                yield sample, model


def readable(reading: Reading, page: Page) -> bool:
    """Say whether the page has what the reading reads, be it with no sample that it selects."""
    if reading.decoding is Decoding.LABEL_PRODUCT:
        return any(_product(reading, sample.labels) is not None for sample in page.of(reading.metric))
    return present(reading, page)


def present(reading: Reading, page: Page) -> bool:
    """Say whether the page has the native names of a reading, and nothing that tells the same better."""
    if any(page.has(name) for name in reading.unless):
        return False
    if reading.decoding is Decoding.HISTOGRAM:
        return page.has(f"{reading.metric}_count") or page.has(reading.metric)
    if not page.has(reading.metric) or (reading.count and not page.has(reading.count)):
        return False
    # What is taken off a counter of requests may have no series before the first one has ended.
    return reading.by is None or reading.decoding is Decoding.OUTCOME or page.has(reading.by.metric)


def _value(decoder: Decoder, reading: Reading) -> Iterator[Cell]:
    for sample, model in decoder.numbers(reading.metric, reading):
        yield Cell(model, sample.value * reading.scale, extra=reading.state)


def _ratio(decoder: Decoder, reading: Reading) -> Iterator[Cell]:
    for model, value, by in _paired(decoder, reading):
        if by > 0:
            yield Cell(model, value / by * reading.scale)


def _multiplied(decoder: Decoder, reading: Reading) -> Iterator[Cell]:
    for model, value, by in _paired(decoder, reading):
        yield Cell(model, value * by * reading.scale)


def _difference(decoder: Decoder, reading: Reading) -> Iterator[Cell]:
    for model, value, by in _paired(decoder, reading):
        yield Cell(model, max(value - by, 0.0) * reading.scale)


def _paired(decoder: Decoder, reading: Reading) -> Iterator[tuple[str, float, float]]:
    """Yield (model, value, second value), by the labels that both have; else by the model, where it has but one."""
    assert reading.by is not None
    chosen = {match.label for match in (*reading.where, *reading.by.where)}
    exact: dict[Labels, float] = {}
    by_model: dict[str, list[float]] = {}
    for sample, model in decoder.operands(reading):
        exact[_without(sample.labels, chosen)] = sample.value
        by_model.setdefault(model, []).append(sample.value)
    for sample, model in decoder.numbers(reading.metric, reading):
        by = exact.get(_without(sample.labels, chosen))
        alone = by_model.get(model, ())
        if by is not None:
            yield model, sample.value, by
        elif len(alone) == 1:
            yield model, sample.value, alone[0]


def _state(decoder: Decoder, reading: Reading) -> Iterator[Cell]:
    for sample, model in decoder.numbers(reading.metric, reading):
        enough = reading.at_least is not None and sample.value >= reading.at_least
        yield Cell(model, float(enough or sample.value in reading.equals))


def _histogram(decoder: Decoder, reading: Reading) -> Iterator[Cell]:
    for sample, model in decoder.numbers(f"{reading.metric}_bucket", reading):
        bound = _bound(_label(sample.labels, "le"), reading.scale)
        if bound:
            yield Cell(model, sample.value, part="_bucket", bound=bound)
        else:
            decoder.left_out.add(left_out.NONSENSE_VALUE)
    for sample, model in decoder.numbers(f"{reading.metric}_sum", reading) if reading.sums else ():
        yield Cell(model, sample.value * reading.scale, part="_sum")
    for sample, model in decoder.numbers(f"{reading.metric}_count", reading):
        yield Cell(model, sample.value, part="_count")


def _mean(decoder: Decoder, reading: Reading) -> Iterator[Cell]:
    for sample, model in decoder.numbers(reading.metric, reading):
        yield Cell(model, sample.value * reading.scale, part="_sum")
    for sample, model in decoder.numbers(reading.count, reading):
        yield Cell(model, sample.value, part="_count")
        yield Cell(model, sample.value, part="_bucket", bound=INFINITE)


def _outcome(decoder: Decoder, reading: Reading) -> Iterator[Cell]:
    if reading.by is not None:
        yield from _unfinished(decoder, reading)
        return
    for sample, model in decoder.numbers(reading.metric, reading):
        told = _label(sample.labels, reading.label)
        outcome = next((word for pattern, word in reading.outcomes if fnmatchcase(told, pattern)), reading.otherwise)
        if outcome == NO_EVENT:
            decoder.left_out.add(left_out.NO_EVENT)
        elif not outcome:
            decoder.left_out.add(left_out.UNKNOWN_OUTCOME)
        else:
            yield Cell(model, sample.value, extra=outcome)


def _unfinished(decoder: Decoder, reading: Reading) -> Iterator[Cell]:
    begun: dict[str, float] = {}
    for sample, model in decoder.numbers(reading.metric, reading):
        begun[model] = begun.get(model, 0.0) + sample.value
    finished: dict[str, float] = {}
    for sample, model in decoder.operands(reading):
        finished[model] = finished.get(model, 0.0) + sample.value
    for model, number in begun.items():
        left = max(number - finished.get(model, 0.0), 0.0)
        yield Cell(model, decoder.settled.settle((reading, model), left), extra=reading.otherwise)


def _label_product(decoder: Decoder, reading: Reading) -> Iterator[Cell]:
    for sample, model in decoder.numbers(reading.metric, reading):
        product = _product(reading, sample.labels)
        if product is not None:
            yield Cell(model, product)


def _label_lists(decoder: Decoder, reading: Reading) -> Iterator[Cell]:
    newest = max(decoder.numbers(reading.metric, reading), key=lambda found: found[0].value, default=None)
    if newest is None:
        return
    sample, model = newest
    for state, label in reading.lists:
        names = [name for name in _label(sample.labels, label).split(",") if name.strip()]
        yield Cell(model, float(len(names)), extra=state)


_DECODINGS: dict[Decoding, Callable[[Decoder, Reading], Iterable[Cell]]] = {
    Decoding.VALUE: _value,
    Decoding.HISTOGRAM: _histogram,
    Decoding.MEAN: _mean,
    Decoding.OUTCOME: _outcome,
    Decoding.RATIO: _ratio,
    Decoding.PRODUCT: _multiplied,
    Decoding.DIFFERENCE: _difference,
    Decoding.STATE: _state,
    Decoding.LABEL_PRODUCT: _label_product,
    Decoding.LABEL_LISTS: _label_lists,
}


def _label(labels: Labels, name: str) -> str:
    return next((value for key, value in labels if key == name), "")


def _without(labels: Labels, names: set[str]) -> Labels:
    return tuple(pair for pair in labels if pair[0] not in names)


def _product(reading: Reading, labels: Labels) -> float | None:
    """Return the product of the numbers in the labels; None when one is no number (vLLM writes None)."""
    factors = [_label(labels, name) for name in reading.labels]
    return float(math.prod(int(factor) for factor in factors)) if _all_whole(factors) else None


def _all_whole(texts: Sequence[str]) -> bool:
    return all(text.isdecimal() and text.isascii() and len(text) < 16 for text in texts)


def _bound(text: str, scale: float) -> str:
    """Return a bucket bound in the signal's unit, as Prometheus 3 writes floats; empty when it is none."""
    try:
        native = float(text)
    except ValueError:
        return ""
    if native == math.inf:
        return INFINITE
    # Twelve digits undo what the scale adds in the last place: 700 ms is 0.7 s, not 0.7000000000000001.
    return repr(float(f"{native * scale:.12g}")) if math.isfinite(native) else ""
