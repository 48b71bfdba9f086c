"""Adds up what native counters have counted, over resets, over processes that take turns, over series that vanish.

Used by `continuity`. A page whose counters have only grown costs one comparison for each series.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from atlas_ops.exporter.models import told_model
from atlas_ops.exporter.parse import MOST_VALUE, Native
from atlas_ops.exporter.samples import Labels

MAX_GONE = 5_000
"""Series of one process that are remembered one by one after they have vanished, such as those of replicas; beyond it only
their sums are, by the labels that are looked at. The largest real server has some 3,000 series."""
MAX_SERIES = 100_000
"""Series of all processes of one server. Beyond it those that have not answered for longest are forgotten: a server that
makes up a new start time for every page is not to cost sixty times its page."""
MAX_OFFSETS = 10_000
"""Series of one server whose earlier counts are kept one by one, and again so many whose sums are kept. One that makes up
new names for every page is not to cost more and more: what is beyond that is lost."""

_PARTS = ("_bucket", "_sum", "_count")
_Samples = Mapping[str, Sequence[Native]]


class _Book:
    """What one process counted, as its last page told it."""

    def __init__(self) -> None:
        self.samples: dict[str, Sequence[Native]] = {}
        self.gone: dict[str, dict[Labels, float]] = {}

    @property
    def series(self) -> int:
        """How many series are remembered."""
        return sum(map(len, self.samples.values())) + sum(map(len, self.gone.values()))

    def values(self, name: str) -> dict[Labels, float]:
        """Return the last value of every series of a name, those that have vanished first."""
        return {**self.gone.get(name, {}), **{s.labels: s.value for s in self.samples.get(name, ())}}


class Ledger:
    """The counters of one server.

    `model_labels` are the native labels that name the model, in order of preference; `read_labels` all that are looked at.
    """

    def __init__(self, model_labels: Sequence[str], read_labels: Collection[str]) -> None:
        self._model_labels, self._read_labels = model_labels, read_labels
        self._books: dict[int, _Book] = {}
        self._offsets: dict[str, dict[Labels, float]] = {}
        """{name: {labels: what has to be added to the values in the books}}."""

    def turn(self, worker: int, counters: _Samples, *, joins: bool) -> bool:
        """Take in a page of a process, and say whether every model that had counted something has begun anew.

        With `joins` the process was there before it was seen: what it had counted until now is not counted again. One
        model that is loaded again resets its own counters; a new process resets them all.
        """
        joins = joins and worker not in self._books
        book = self._books.pop(worker) if worker in self._books else _Book()
        self._books[worker] = book  # the one that answered last stands last
        before = {name: book.samples.get(name, ()) for name in counters}
        changed = [name for name, samples in counters.items() if not _steady(before[name], samples)]
        fell = self._compare(book, counters, changed)
        for name in changed:
            self._take(book, name, counters[name], joins=joins)
        for name in book.samples.keys() - counters.keys():
            book.gone[name] = book.values(name)
            book.samples[name] = ()
        book.samples |= counters
        self._forget_too_many(book)
        held = {self._model(s.labels) for name in counters if fell for s in _grown(before[name], counters[name])}
        return bool(fell) and held <= fell

    def growth(self, worker: int, counters: _Samples) -> float | None:
        """Return how much a process would have counted if this were its page; None when a counter would have fallen."""
        book = self._books.get(worker)
        if book is None:
            return None
        grown = 0.0
        for name in book.samples.keys() | counters.keys():
            now, before = counters.get(name, ()), book.samples.get(name, ())
            if _steady(before, now):
                grown += sum(new.value - old.value for new, old in zip(now, before, strict=True) if new is not old)
                continue
            known = {sample.labels: sample.value for sample in before}
            told = {sample.labels: sample.value for sample in now}
            if any(told.get(labels, 0.0) < value for labels, value in known.items()):
                return None
            grown += sum(value - known.get(labels, 0.0) for labels, value in told.items())
        return grown

    @property
    def names(self) -> frozenset[str]:
        """The native names that were on a page."""
        return frozenset(self._offsets).union(*(book.samples for book in self._books.values()))

    def of(self, name: str, models: Collection[str] | None) -> Sequence[Native]:
        """Return the series of a name with all that they have counted.

        One that is not on the page stays as long as its model is one of `models`; None: in any case, for another of the
        processes that take turns may have it.
        """
        (*_, last) = self._books.values()
        samples = last.samples.get(name, ())
        if len(self._books) == 1 and not self._offsets.get(name) and not last.gone.get(name):
            return samples
        books = [book.values(name) for book in self._books.values()]
        offsets = self._offsets.get(name, {})
        known = dict.fromkeys(labels for values in (*books, offsets) for labels in values)
        return [
            Native(labels, sum(values.get(labels, 0.0) for values in (*books, offsets)))
            for labels in known
            if models is None or not (model := self._model(labels)) or model in models
        ]

    def rename(self, old: int, new: int) -> None:
        """Take the book of a process for that of another name, when it is there."""
        if old != new and old in self._books:
            self._books[new] = self._books.pop(old)

    def restarted(self, worker: int) -> None:
        """Close the books of every process but this one, and forget what is not on its page: it belongs to an old one."""
        self.leave_only((worker,))
        book = self._books[worker]
        for name, gone in book.gone.items():
            self._keep(name, gone.items())
        book.gone = {}
        for name, samples in book.samples.items():
            if name.endswith("_bucket"):
                self._forget_other_bounds(name, samples)

    def leave_only(self, workers: Collection[int]) -> None:
        """Close the books of every process but these."""
        for other in self._books.keys() - workers:
            self._close(other)

    def _forget_too_many(self, last: _Book) -> None:
        if sum(map(len, last.gone.values())) > MAX_GONE:
            for name, gone in last.gone.items():
                self._keep(name, ((self._rough(labels), value) for labels, value in gone.items()))
            last.gone = {}
        while len(self._books) > 1 and sum(book.series for book in self._books.values()) > MAX_SERIES:
            self._close(next(iter(self._books)))

    def _close(self, worker: int) -> None:
        """Keep what a process has counted, and forget the process."""
        book = self._books.pop(worker)
        for name in book.samples.keys() | book.gone.keys():
            self._keep(name, book.values(name).items())

    def _compare(self, book: _Book, told: _Samples, changed: Iterable[str]) -> set[str]:
        """Keep what was counted by the series that have fallen; return their models."""
        fallen = {name: found for name in changed if (found := _fallen(book.values(name), told[name]))}
        # The other parts of a histogram may have caught up since.
        histograms = {(_stem(name), _without_bound(labels)) for name, found in fallen.items() for labels in found}
        stems = {stem for stem, _ in histograms}
        for name in told:
            if _stem(name) in stems:
                known = book.values(name)
                again = [labels for labels, _ in told[name] if (_stem(name), _without_bound(labels)) in histograms]
                self._keep(name, ((labels, known[labels]) for labels in again if labels in known))
        return {self._model(labels) for found in fallen.values() for labels in found}

    def _take(self, book: _Book, name: str, samples: Sequence[Native], *, joins: bool) -> None:
        """Note which of the series that were known have vanished."""
        if joins:
            self._keep(name, ((labels, -value) for labels, value in samples))
        known = book.values(name)
        book.gone[name] = {labels: known[labels] for labels in known.keys() - {sample.labels for sample in samples}}

    def _keep(self, name: str, counted: Iterable[tuple[Labels, float]]) -> None:
        offsets = self._offsets.setdefault(name, {})
        room = MAX_OFFSETS - sum(map(len, self._offsets.values()))
        for labels, value in counted:
            key = labels if labels in offsets or room > 0 else self._rough(labels)
            if key in offsets or room > -MAX_OFFSETS:
                room -= key not in offsets
                offsets[key] = offsets.get(key, 0.0) + value

    def _forget_other_bounds(self, name: str, samples: Sequence[Native]) -> None:
        """Begin a histogram anew whose bounds have changed: old and new buckets cannot be added up."""
        old, new = _bounds(self._offsets.get(name, ())), _bounds(s.labels for s in samples)
        stem = name.removesuffix("_bucket")
        for labels in [labels for labels, bounds in old.items() if bounds != new.get(labels, bounds)]:
            for part in (name, f"{stem}_sum", f"{stem}_count"):
                offsets = self._offsets.get(part, {})
                for key in [key for key in offsets if _without_bound(key) == labels]:
                    del offsets[key]

    def _rough(self, labels: Labels) -> Labels:
        """Return the labels without those that nobody looks at."""
        return tuple(pair for pair in labels if pair[0] in self._read_labels)

    def _model(self, labels: Labels) -> str:
        return told_model(labels, self._model_labels)


def _steady(before: Sequence[Native], now: Sequence[Native]) -> bool:
    """Say whether these are the same series, none of which has fallen. The parser hands out the same labels again."""
    return len(before) == len(now) and all(
        new is old or (new.labels is old.labels and old.value <= new.value <= MOST_VALUE)
        for new, old in zip(now, before, strict=True)
    )


def _fallen(known: Mapping[Labels, float], now: Sequence[Native]) -> set[Labels]:
    return {labels for labels, value in now if value < known.get(labels, -math.inf)}


def _stem(name: str) -> str:
    return next((name.removesuffix(part) for part in _PARTS if name.endswith(part)), name)


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
