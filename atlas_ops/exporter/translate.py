"""From a native page and a dialect to the samples of the contract.

Called by `server_collector`, one `Translator` for each server and dialect.
"""

from __future__ import annotations

from collections.abc import Iterator

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.dialect import Dialect, Entry, Reading
from atlas_ops.catalog.model import Signal
from atlas_ops.exporter import left_out, resolve
from atlas_ops.exporter.combine import combine
from atlas_ops.exporter.decode import Cell, Decoder, readable
from atlas_ops.exporter.identity import Identity
from atlas_ops.exporter.left_out import LeftOut
from atlas_ops.exporter.models import Models, Naming
from atlas_ops.exporter.parse import Native, Page
from atlas_ops.exporter.samples import Labels, Sample


class Translator:
    """Translates the pages of one server from one dialect."""

    def __init__(self, dialect: Dialect, identity: Identity, max_models: int) -> None:
        self.dialect = dialect
        self.left_out = LeftOut(dialect)
        self._identity = identity
        self._naming = Naming(max_models)

    def translate(self, raw: Page) -> tuple[Sample, ...]:
        """Return the samples of a page; none when the page has no sample that the dialect knows."""
        self.left_out.add(left_out.BAD_LINE, raw.bad_lines)
        page = raw.filtered(lambda sample: not self._drops(sample))
        if not self.dialect.knows([name for name in page.names if page.of(name)]):
            return ()
        models = Models(self.dialect, page)
        self.left_out.add(left_out.TOO_MANY_MODELS, self._naming.apply(models))
        return tuple(self._speak(page, models))

    def _drops(self, sample: Native) -> bool:
        for drop in self.dialect.drops:
            if all(match.accepts(sample.labels) for match in drop.where):
                self.left_out.add(drop.reason)
                return True
        return False

    def _speak(self, page: Page, models: Models) -> Iterator[Sample]:
        version = resolve.lower_bound(self.dialect, page)
        text = f">={version}" if version else "unknown"
        yield Sample(s.SERVER_INFO, self._labels(s.SERVER_INFO, version=text, dialect=self.dialect.runtime), 1.0)
        for entry in self.dialect.entries:
            # A server without a model has nothing to tell, and cannot be blamed for it.
            missing = bool(models.found) and resolve.missing(entry, page, version)
            owner = models.of if c.MODEL in entry.signal.labels else _no_model
            # A sum that lacks a part is no sum.
            cells, used = ([], []) if missing else _read(entry, Decoder(page, owner, self.left_out))
            if used:
                emptied = not any(page.of(reading.metric) for reading in used)
                for cell in combine(entry, cells, models.labels, emptied=emptied):
                    yield Sample(entry.signal, self._cell_labels(entry.signal, cell), cell.value, cell.part)
            if used or missing:
                resolved = self._labels(s.SIGNAL_RESOLVED, signal=entry.signal.name)
                yield Sample(s.SIGNAL_RESOLVED, resolved, float(not missing))
            quality = resolve.quality(entry, used, version).value
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

    Where readings are alternatives, each model is served by the first one that has it.
    """
    there = [reading for reading in entry.readings if readable(reading, decoder.page)]
    cells: list[Cell] = []
    used: list[Reading] = []
    for reading in there:
        served = frozenset(cell.model for cell in cells if not entry.added)
        fresh = [cell for cell in decoder.cells(reading) if cell.model not in served]
        if fresh:
            used.append(reading)
            cells += fresh
    return cells, used or there[:1]


def _no_model(_: Labels) -> str:
    return ""
