"""From a native page and a dialect to the samples of the contract.

Called by `server_collector`, one `Translator` for each server and dialect, and by `atlas-ops translate`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.dialect import Dialect
from atlas_ops.catalog.model import Signal
from atlas_ops.catalog.reading import FIRST_REQUEST, Decoding, Entry, ModelOf, Reading, Version
from atlas_ops.exporter import left_out, resolve
from atlas_ops.exporter.combine import combine
from atlas_ops.exporter.continuity import Continuity
from atlas_ops.exporter.decode import Cell, Decoder, readable
from atlas_ops.exporter.identity import Identity
from atlas_ops.exporter.left_out import LeftOut
from atlas_ops.exporter.models import ModelCap, Models
from atlas_ops.exporter.parse import Page
from atlas_ops.exporter.prepare import prepare
from atlas_ops.exporter.samples import Labels, Sample
from atlas_ops.exporter.settled import Settled


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What is known of a server besides its page."""

    model: str = ""
    """Name of the model of a page that names none."""
    version: Version | None = None
    """None: inferred from the page."""
    told: frozenset[Signal] = frozenset()
    """Signals that something else than the page tells."""


NO_FACTS = Facts()


class Translator:
    """Translates the pages of one server from one dialect."""

    def __init__(self, dialect: Dialect, identity: Identity, max_models: int) -> None:
        self.dialect = dialect
        self.left_out = LeftOut(dialect)
        self.continuity = Continuity(dialect, identity.server)
        self.models: tuple[str, ...] = ()
        """The models of the last page that have a name of their own."""
        self._identity = identity
        self._cap = ModelCap(max_models)
        self._settled = Settled()

    def translate(self, raw: Page, facts: Facts = NO_FACTS) -> tuple[Sample, ...]:
        """Return the samples of a page; none when the page has no sample that the dialect knows."""
        self.left_out.add(left_out.BAD_LINE, raw.bad_lines)
        page = prepare(self.dialect, raw, self.left_out)
        if page is None:
            return ()
        models = Models(self.dialect.naming, page, facts.model)
        page = self.continuity.apply(raw, page, models.found)
        if self.continuity.workers > 1:
            # The process that answered need not have served every model of the others.
            models = Models(self.dialect.naming, page, facts.model)
        self.left_out.add(left_out.TOO_MANY_MODELS, self._cap.apply(models))
        self.models = tuple(model for model in models.found if model in models.named)
        return tuple(self._speak(page, models, facts))

    def _speak(self, page: Page, models: Models, facts: Facts) -> Iterator[Sample]:
        known = facts.version or resolve.stated(self.dialect, page)
        version = known or resolve.lower_bound(self.dialect, page)
        text = "unknown" if version is None else str(version) if known else f">={version}"
        yield Sample(s.SERVER_INFO, self._labels(s.SERVER_INFO, version=text, dialect=self.dialect.runtime), 1.0)
        yield Sample(s.SERVER_WORKERS, self._labels(s.SERVER_WORKERS), float(self.continuity.workers))
        for entry in self.dialect.entries:
            yield from self._tell(entry, page, models, version, facts)

    def _tell(
        self, entry: Entry, page: Page, models: Models, version: Version | None, facts: Facts
    ) -> Iterator[Sample]:
        # A server without a model has nothing to tell, and cannot be blamed for it.
        missing = bool(models.found) and resolve.missing(entry, page, version)
        owner = models.of if c.MODEL in entry.signal.labels else _no_model
        # A sum that lacks a part is no sum.
        decoder = Decoder(page, owner, self.left_out, self._settled)
        cells, used = ([], []) if missing else _read(entry, decoder)
        implied = [] if used or missing or models.are_unnamed else _implied_by_no_request(entry)
        if used or implied:
            emptied = not any(page.of(reading.metric) for reading in used)
            for cell in combine(entry, cells, models.labels, emptied=emptied):
                yield Sample(entry.signal, self._cell_labels(entry.signal, cell), cell.value, cell.part)
        if used or missing:
            resolved = self._labels(s.SIGNAL_RESOLVED, signal=entry.signal.name)
            yield Sample(s.SIGNAL_RESOLVED, resolved, float(not missing))
        quality = resolve.quality(entry, used or implied, version, facts.told).value
        told = self._labels(s.SIGNAL_QUALITY, signal=entry.signal.name, quality=quality)
        yield Sample(s.SIGNAL_QUALITY, told, 1.0)

    def _labels(self, signal: Signal, /, **values: str) -> Labels:
        return self._identity.labels(signal, runtime=self.dialect.runtime, **values)

    def _cell_labels(self, signal: Signal, cell: Cell) -> Labels:
        own = {name: cell.extra for name in signal.labels if name not in c.SERVER_LABELS}
        labels = self._labels(signal, model=cell.model, **own)
        return (*labels, ("le", cell.bound)) if cell.bound else labels


def _read(entry: Entry, decoder: Decoder) -> tuple[list[Cell], list[Reading]]:
    """Return the native values of a signal, and the readings that they come from.

    Where readings are alternatives, each model is served by the first one that has it, and what is told of the whole
    server serves all of them.
    """
    there = [reading for reading in entry.readings if readable(reading, decoder.page)]
    cells: list[Cell] = []
    used: list[Reading] = []
    for reading in there:
        served = frozenset(cell.model for cell in cells if not entry.added)
        if served and (_whole(reading) or _whole(used[-1])):
            continue
        fresh = [cell for cell in decoder.cells(reading) if cell.model not in served]
        if fresh:
            used.append(reading)
            cells += fresh
    return cells, used or there[:1]


def _implied_by_no_request(entry: Entry) -> list[Reading]:
    """Return the readings of ends of requests that nothing but the lack of a request keeps off the page: each end is 0."""
    return [r for r in entry.readings if r.decoding is Decoding.OUTCOME and r.needs.startswith(FIRST_REQUEST)]


def _whole(reading: Reading) -> bool:
    return reading.model is not None and reading.model.whole


def readings_in_use(entry: Entry, decoder: Decoder) -> list[Reading]:
    """Return the readings that a signal is made of on this page."""
    return _read(entry, decoder)[1]


def _no_model(_: Labels, __: ModelOf | None) -> str:
    return ""
