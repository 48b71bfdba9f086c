"""Adds up what native counters have counted, over resets, over processes that take turns, over series that vanish.

Used by `continuity`. A page whose counters have only grown costs one comparison for each series.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from atlas_ops.exporter.parse import Native
from atlas_ops.exporter.samples import Labels

MAX_GONE = 20_000
"""Series of one name that are remembered after they have vanished; beyond it they are forgotten together."""

_Samples = Mapping[str, Sequence[Native]]


class _Book:
    """What one process counted, as its last page told it."""

    def __init__(self) -> None:
        self.samples: dict[str, Sequence[Native]] = {}
        self.gone: dict[str, dict[Labels, float]] = {}

    def values(self, name: str) -> dict[Labels, float]:
        """Return the last value of every series of a name, those that have vanished first."""
        return {**self.gone.get(name, {}), **{s.labels: s.value for s in self.samples.get(name, ())}}


class Ledger:
    """The counters of one server. `model_labels` are the native labels that name the model."""

    def __init__(self, model_labels: Sequence[str]) -> None:
        self._model_labels = frozenset(model_labels)
        self._books: dict[float, _Book] = {}
        self._offsets: dict[str, dict[Labels, float]] = {}
        """{name: {labels: what has to be added to the values in the books}}."""

    def turn(self, worker: float, counters: _Samples, *, joins: bool) -> bool:
        """Take in a page of a process, and say whether every model that had counted something has begun anew.

        With `joins` the process was there before it was seen: what it had counted until now is not counted again. One
        model that is loaded again resets its own counters; a new process resets them all.
        """
        joins = joins and worker not in self._books
        book = self._books.pop(worker) if worker in self._books else _Book()
        self._books[worker] = book  # the one that answered last stands last
        fell: set[str] = set()
        held: set[str] = set()
        before = {name: book.samples.get(name, ()) for name in counters}
        for name, samples in counters.items():
            if not _steady(before[name], samples):
                fell |= self._take(book, name, samples, joins=joins)
        for name in book.samples.keys() - counters.keys():
            book.gone[name] = book.values(name)
            book.samples[name] = ()
        if fell:
            held = {self._model(s.labels) for name, samples in counters.items() for s in _grown(before[name], samples)}
        book.samples |= counters
        return bool(fell) and held <= fell

    def of(self, name: str, *, several: bool) -> Sequence[Native]:
        """Return the series of a name with all that they have counted.

        One that is not on the page stays as long as its model is; where `several` processes take turns, in any case.
        """
        (*_, last) = self._books.values()
        samples = last.samples.get(name, ())
        if len(self._books) == 1 and not self._offsets.get(name) and not last.gone.get(name):
            return samples
        books = [book.values(name) for book in self._books.values()]
        offsets = self._offsets.get(name, {})
        models = {self._model(sample.labels) for sample in samples}
        known = dict.fromkeys(labels for values in (*books, offsets) for labels in values)
        return [
            Native(labels, sum(values.get(labels, 0.0) for values in (*books, offsets)))
            for labels in known
            if several or self._model(labels) in models
        ]

    def rename(self, old: float, new: float) -> None:
        """Take the book of a process for that of another name, when it is there."""
        if old != new and old in self._books:
            self._books[new] = self._books.pop(old)

    def restarted(self, worker: float) -> None:
        """Close the books of every process but this one, and forget what is not on its page: it belongs to an old one."""
        self.leave_only((worker,))
        book = self._books[worker]
        for name, gone in book.gone.items():
            self._keep(name, gone.items())
        book.gone = {}
        for name, samples in book.samples.items():
            if name.endswith("_bucket"):
                self._forget_other_bounds(name, samples)

    def leave_only(self, workers: Collection[float]) -> None:
        """Close the books of every process but these."""
        for other in self._books.keys() - workers:
            self._close(other)

    def _close(self, worker: float) -> None:
        """Keep what a process has counted, and forget the process."""
        book = self._books.pop(worker)
        for name in book.samples.keys() | book.gone.keys():
            self._keep(name, book.values(name).items())

    def _take(self, book: _Book, name: str, samples: Sequence[Native], *, joins: bool) -> set[str]:
        """Compare the series of a name with what was known of them; return the models whose counters fell."""
        known = book.values(name)
        fell: set[str] = set()
        for labels, value in samples:
            before = known.pop(labels, None)
            if before is None:
                if joins:
                    self._keep(name, ((labels, -value),))
            elif value < before:
                self._keep(name, ((labels, before),))
                fell.add(self._model(labels))
        book.gone[name] = known if len(known) <= MAX_GONE else {}
        return fell

    def _keep(self, name: str, counted: Iterable[tuple[Labels, float]]) -> None:
        offsets = self._offsets.setdefault(name, {})
        for labels, value in counted:
            if value and math.isfinite(value) and len(offsets) <= MAX_GONE:
                offsets[labels] = offsets.get(labels, 0.0) + value

    def _forget_other_bounds(self, name: str, samples: Sequence[Native]) -> None:
        """Begin a histogram anew whose bounds have changed: old and new buckets cannot be added up."""
        old, new = _bounds(self._offsets.get(name, ())), _bounds(s.labels for s in samples)
        stem = name.removesuffix("_bucket")
        for labels in [labels for labels, bounds in old.items() if bounds != new.get(labels, bounds)]:
            for part in (name, f"{stem}_sum", f"{stem}_count"):
                offsets = self._offsets.get(part, {})
                for key in [key for key in offsets if _without_bound(key) == labels]:
                    del offsets[key]

    def _model(self, labels: Labels) -> str:
        return next((value for name, value in labels if name in self._model_labels), "")


def _steady(before: Sequence[Native], now: Sequence[Native]) -> bool:
    """Say whether these are the same series, none of which has fallen. The parser hands out the same labels again."""
    return len(before) == len(now) and all(
        new is old or (new.labels is old.labels and new.value >= old.value)
        for new, old in zip(now, before, strict=True)
    )


def _grown(before: Sequence[Native], now: Sequence[Native]) -> Iterator[Native]:
    """Yield the series that had counted something and have not fallen."""
    known = {sample.labels: sample.value for sample in before}
    return (sample for sample in now if 0 < known.get(sample.labels, 0.0) <= sample.value)


def _bounds(series: Iterable[Labels]) -> dict[Labels, set[str]]:
    found: dict[Labels, set[str]] = {}
    for labels in series:
        bound = next((value for name, value in labels if name == "le"), "")
        found.setdefault(_without_bound(labels), set()).add(bound)
    return found


def _without_bound(labels: Labels) -> Labels:
    return tuple(pair for pair in labels if pair[0] != "le")
