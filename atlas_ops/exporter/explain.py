"""Why a page was translated as it was: what each native sample became, what was left out and why, what is missing.

Used by `atlas-ops translate --explain`. It asks the very functions that translate, one native sample at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog.dialect import Dialect
from atlas_ops.catalog.dialect_entries import SPOKEN_SIGNALS
from atlas_ops.catalog.model import Quality
from atlas_ops.catalog.reading import Derivation, Entry, Reading, Version
from atlas_ops.exporter import left_out, resolve
from atlas_ops.exporter.decode import Cell, Decoder, present
from atlas_ops.exporter.identity import Identity
from atlas_ops.exporter.left_out import LeftOut
from atlas_ops.exporter.models import ModelCap, Models
from atlas_ops.exporter.page import escape, number
from atlas_ops.exporter.parse import Native, Page
from atlas_ops.exporter.prepare import prepare
from atlas_ops.exporter.settled import Settled
from atlas_ops.exporter.translate import Facts, Translator, readings_in_use

_DERIVED = {
    Derivation.START: "the exporter measures it from the start of the container to the first ready answer",
    Derivation.PROCESSES: "the exporter takes it from the memory of the server's processes on the GPUs",
}
_REASONS = {
    left_out.DUPLICATE: "the series is on the page already",
    left_out.NONSENSE_VALUE: "NaN, below zero or beyond all bounds; no signal can be that",
    left_out.NO_MODEL: "nothing says which of several models it is about",
    left_out.UNKNOWN_OUTCOME: "the dialect does not know this end of a request",
    left_out.NO_EVENT: "no event of an objective, such as a mistake of the client",
}


@dataclass(kw_only=True, slots=True)
class Explanation:
    """What happened to one page. Texts are for people; native series are written as they stand on the page."""

    version: str
    became: list[tuple[str, str]] = field(default_factory=list)
    """(native series, what it became)."""
    implied: list[str] = field(default_factory=list)
    """What is 0 because no series of the page says otherwise."""
    left_out: list[tuple[str, str]] = field(default_factory=list)
    """(native series, why it was not counted)."""
    missing: list[tuple[str, str]] = field(default_factory=list)
    """(signal, why the page does not tell it, and what would)."""
    unread: list[str] = field(default_factory=list)
    """Native names that no signal is made of."""


class Explainer:
    """Explains pages of one dialect."""

    def __init__(self, dialect: Dialect, facts: Facts, max_models: int) -> None:
        self._dialect, self._facts, self._max_models = dialect, facts, max_models

    def explain(self, raw: Page) -> Explanation:
        """Return what becomes of a page."""
        page = prepare(self._dialect, raw, LeftOut(self._dialect)) or raw.with_samples({})
        inferred = resolve.lower_bound(self._dialect, page)
        known = self._facts.version or resolve.stated(self._dialect, page)
        version = known or inferred
        told = Explanation(version=f"{known}, as given" if known else _inferred(inferred))
        told.unread = [name for name in raw.names if name not in self._dialect.read_names]
        models = Models(self._dialect.naming, page, self._facts.model)
        ModelCap(self._max_models).apply(models)
        uses = [
            (entry, reading, whole)
            for entry in self._dialect.entries
            if not resolve.missing(entry, page, version)
            for whole in (self._decoder(page, models, entry),)
            for reading in readings_in_use(entry, whole)
        ]
        for name in (name for name in raw.names if name in self._dialect.read_names):
            for sample in raw.of(name):
                self._sample(name, sample, uses, told)
        told.left_out = list(dict.fromkeys(told.left_out))
        told.implied = self._implied(raw, {canonical for _, canonical in told.became})
        made = {entry.signal.name for entry, _, _ in uses} | {text.partition("{")[0] for text in told.implied}
        told.missing = list(self._missing(page, version, made))
        return told

    def _implied(self, raw: Page, became: set[str]) -> list[str]:
        translator = Translator(self._dialect, Identity(server="-"), self._max_models)
        spoken = [sample for sample in translator.translate(raw, self._facts) if sample.signal in SPOKEN_SIGNALS]
        hidden = {c.RUNTIME, c.SERVER}
        texts = (_written(f"{s.signal}{s.part}", [p for p in s.labels if p[0] not in hidden]) for s in spoken)
        return [text for text, sample in zip(texts, spoken, strict=True) if sample.value == 0 and text not in became]

    def _decoder(self, page: Page, models: Models, entry: Entry) -> Decoder:
        owner = models.of if c.MODEL in entry.signal.labels else lambda _, __: ""
        return Decoder(page, owner, LeftOut(self._dialect), Settled())

    def _sample(
        self, name: str, sample: Native, uses: Sequence[tuple[Entry, Reading, Decoder]], told: Explanation
    ) -> None:
        series = _series(name, sample)
        lone = LeftOut(self._dialect)
        kept = prepare(self._dialect, Page({name: [sample]}, {}, 0), lone)
        reason = next((reason for reason, number in lone.items() if number), "")
        if reason:
            told.left_out.append((series, f"{reason}: {self._why(name, reason)}"))
            return
        mine = [use for use in uses if name in use[1].names]
        became = [text for use in mine for text in _became(name, sample, kept, lone, *use)]
        reasons = [_REASONS[reason] for reason, number in lone.items() if number and reason in _REASONS]
        told.became += [(series, text) for text in dict.fromkeys(became)]
        if not became and not mine:
            told.left_out.append((name, self._unread(name)))
        elif not became:
            told.left_out.append((series, "; ".join(reasons) or "the dialect selects other series of this name"))

    def _why(self, name: str, reason: str) -> str:
        whys = (d.why for d in self._dialect.drops if d.reason == reason and fnmatchcase(name, d.metric))
        return next(whys, _REASONS.get(reason, "see the traps of the dialect"))

    def _unread(self, name: str) -> str:
        if any(name in reading.names for entry in self._dialect.entries for reading in entry.readings):
            return "another native name tells the same signal, or a part of the signal is not on the page"
        return "it only tells the version, or what else is on the page"

    def _missing(self, page: Page, version: Version | None, told: set[str]) -> Iterator[tuple[str, str]]:
        asked = {answer.signal: q.path for q in self._dialect.questions for answer in q.answers if answer.signal}
        health = {"atlas_server_ready": "readiness", "atlas_model_ready": "model"}
        for entry in self._dialect.entries:
            if entry.signal.name in told:
                continue
            tells = health.get(entry.signal.name)
            path = next((e.path for e in self._dialect.endpoints if e.tells == tells), asked.get(entry.signal, ""))
            yield entry.signal.name, " ".join(_absent(entry, page, version, path))


def _became(
    name: str, sample: Native, kept: Page | None, lone: LeftOut, entry: Entry, reading: Reading, whole: Decoder
) -> Iterator[str]:
    """Yield what a native sample is of a signal: by itself, or as a part of what several make."""
    page = (kept or whole.page).with_samples({name: kept.of(name) if kept and kept.of(name) else [sample]})
    cells = Decoder(page, whole.model_of, lone, Settled()).cells(reading)
    if cells:
        yield from (_canonical(entry, cell) for cell in cells)
    elif reading.by is not None and any(sample is one or sample.value == one.value for one in whole.page.of(name)):
        yield f"{entry.signal.name} ({reading.decoding.value} of {reading.metric} and {reading.by.metric})"


def _canonical(entry: Entry, cell: Cell) -> str:
    own = [label for label in entry.signal.labels if label not in c.SERVER_LABELS]
    pairs = [(c.MODEL, cell.model), *((label, cell.extra) for label in own), ("le", cell.bound)]
    return _written(f"{entry.signal}{cell.part}", [pair for pair in pairs if pair[1]])


def _absent(entry: Entry, page: Page, version: Version | None, path: str) -> Iterator[str]:
    """Say why a signal is not made of this page, and what would make it."""
    if path:
        yield f"the exporter asks {path} for it."
    if entry.derive is not None:
        yield f"{_DERIVED[entry.derive]}."
    for reading in entry.readings:
        if present(reading, page):
            continue
        since = f", since {reading.since}" if reading.since else ""
        until = f", until {reading.until}" if reading.until else ""
        gone = " SHOULD BE THERE in this version." if resolve.expected(reading, version) else ""
        needs = f" needs {reading.needs}." if reading.needs else ""
        yield f"{reading.metric}{since}{until} is not on the page;{needs}{gone}".rstrip(";")
    if entry.quality is Quality.NONE or not (path or entry.readings or entry.derive):
        yield entry.note
    elif not path and not entry.derive and all(present(reading, page) for reading in entry.readings):
        yield "its metrics are on the page without a series."


def _series(name: str, sample: Native) -> str:
    return f"{_written(name, sample.labels)} {number(sample.value)}"


def _written(name: str, labels: Sequence[tuple[str, str]]) -> str:
    body = ",".join(f'{label}="{escape(value)}"' for label, value in labels)
    return f"{name}{{{body}}}" if body else name


def _inferred(version: Version | None) -> str:
    return f">={version}, inferred from the page" if version else "unknown: nothing on the page tells it"
