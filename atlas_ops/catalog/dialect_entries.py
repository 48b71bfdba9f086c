"""Reads the lines of a dialect: for every signal of a server, which native metrics mean it, from which version on, how well.

Called by `catalog.dialect_file`. What is not in the data is not translated.
"""

from __future__ import annotations

from collections.abc import Sequence

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Quality, Signal, SignalType
from atlas_ops.catalog.reading import (
    NO_EVENT,
    Combine,
    Decoding,
    Derivation,
    Entry,
    Match,
    ModelOf,
    Operand,
    Reading,
    Version,
)
from atlas_ops.document import Section

SPOKEN_SIGNALS: tuple[Signal, ...] = (
    s.SERVER_READY, s.MODEL_READY, s.SERVER_START_TIME, s.MODEL_LOAD,
    s.REQUESTS_RUNNING, s.REQUESTS_WAITING, s.REQUESTS_CAPACITY, s.QUEUE_CAPACITY,
    s.REQUESTS, s.REQUESTS_FINISHED, s.REQUEST_DURATION, s.QUEUE_TIME, s.TIME_TO_FIRST_TOKEN, s.INTER_TOKEN_LATENCY,
    s.PROMPT_TOKENS, s.GENERATION_TOKENS, s.CACHED_PROMPT_TOKENS, s.REQUEST_PROMPT_TOKENS, s.REQUEST_GENERATION_TOKENS,
    s.KV_CACHE_USAGE, s.KV_CACHE_CAPACITY, s.PREEMPTIONS, s.PREFIX_CACHE_QUERIES, s.PREFIX_CACHE_HITS,
    s.BATCHES, s.BATCHED_REQUESTS, s.SPEC_DECODE_DRAFT_TOKENS, s.SPEC_DECODE_ACCEPTED_TOKENS,
    s.LORA_ADAPTERS, s.MODEL_GPU_MEMORY,
)  # fmt: skip
"""The signals that every dialect has to answer for, be it with quality `none` and the reason."""

_GAUGES = (Decoding.VALUE, Decoding.RATIO, Decoding.PRODUCT, Decoding.DIFFERENCE)
_BY_TYPE = {
    SignalType.HISTOGRAM: (Decoding.HISTOGRAM, Decoding.MEAN),
    SignalType.COUNTER: (Decoding.VALUE, Decoding.PRODUCT),
    SignalType.GAUGE: _GAUGES,
}
_BY_SIGNAL: dict[str, tuple[Decoding, ...]] = {
    s.REQUESTS.name: (Decoding.OUTCOME,),
    s.REQUESTS_FINISHED.name: (Decoding.OUTCOME,),
    s.SERVER_READY.name: (Decoding.STATE, Decoding.VALUE),
    s.MODEL_READY.name: (Decoding.VALUE, Decoding.STATE),
    s.KV_CACHE_CAPACITY.name: (*_GAUGES, Decoding.LABEL_PRODUCT),
    s.LORA_ADAPTERS.name: (Decoding.LABEL_LISTS, Decoding.VALUE),
}
"""Signals that are not decoded as their type suggests; the first is the default."""
_ENDS = {s.REQUESTS: c.OUTCOMES, s.REQUESTS_FINISHED: c.FINISH_REASONS}
"""The words for how requests end, by the signal that they are the label of."""
_OPERAND_NEEDED = (Decoding.RATIO, Decoding.PRODUCT, Decoding.DIFFERENCE)
_DERIVED = {s.MODEL_GPU_MEMORY: Derivation.PROCESSES, s.MODEL_LOAD: Derivation.START}
"""What the exporter can find out by itself."""


def entries(section: Section) -> tuple[Entry, ...]:
    """Read every line; a signal without one is a mistake."""
    known = {signal.name: signal for signal in SPOKEN_SIGNALS}
    for name in known:
        if not section.has(name):
            section.mistake(name, "is missing; when the runtime cannot tell it, say quality: none and why in note")
    # Asking for every known name lets finish() name the others as unknown, with the nearest known one.
    parts = {name: section.section(name) for name in known}
    section.finish()
    given = section.keys()
    return tuple(_entry(parts[name], known[name]) for name in given if name in known)


def needed(section: Section, key: str) -> tuple[str, ...]:
    """Return a list of texts that must have one, and none that is empty."""
    found = section.strings(key)
    if not found or not all(found):
        section.mistake(key, "holds an empty text" if found else "is missing; expected one or more texts")
    return found


def version(section: Section, key: str) -> Version | None:
    """Return a version such as 0.9.2; None when it is not given."""
    text = section.string(key)
    if not text:
        return None
    if not all(part.isdecimal() and part.isascii() and len(part) < 10 for part in text.split(".")):
        section.mistake(key, f"expected a version such as 0.9.2 or 24.08, found {text!r}")
        return None
    return Version(tuple(int(part) for part in text.split(".")), text)


def matches(section: Section) -> tuple[Match, ...]:
    """Return {label: patterns} as matches."""
    labels = section.keys()
    return tuple(Match(label=label, patterns=section.strings(label)) for label in labels)


def _entry(section: Section, signal: Signal) -> Entry:
    added = section.has("sum_of")
    # What a wrong word falls back to has to fit the rest, or one mistake would be told as three.
    quality = _quality(section, Quality.DIRECT if added or section.has("first_of") else Quality.NONE, required=True)
    parts = [*section.sections("first_of"), *section.sections("sum_of")]
    derive = section.string("derive", choices=[_DERIVED[signal].value] if signal in _DERIVED else [])
    entry = Entry(
        signal=signal,
        quality=quality,
        readings=tuple(_reading(part, signal, quality) for part in parts),
        added=added,
        combine=Combine(section.string("combine", "sum", choices=tuple(way.value for way in Combine))),
        derive=Derivation(derive) if derive and signal in _DERIVED else None,
        note=section.string("note"),
    )
    if derive and signal not in _DERIVED:
        section.mistake("derive", f"only {' and '.join(str(one) for one in _DERIVED)} can be derived")
    section.finish()
    if section.has("first_of") and added:
        section.mistake("sum_of", "expected first_of or sum_of, not both")
    if quality is Quality.NONE and not entry.note:
        section.mistake("note", "is missing; say why the runtime cannot tell this signal")
    return entry


def _quality(section: Section, default: Quality, *, required: bool = False) -> Quality:
    choices = tuple(quality.value for quality in Quality)
    return Quality(section.string("quality", default.value, choices=choices, required=required))


def _reading(section: Section, signal: Signal, quality: Quality) -> Reading:
    allowed = _BY_SIGNAL.get(signal.name, _BY_TYPE[signal.type])
    names = tuple(decoding.value for decoding in allowed)
    decoding = Decoding(section.string("decode", names[0], choices=names))
    outcome, histogram = decoding is Decoding.OUTCOME, decoding is Decoding.HISTOGRAM
    ends = _ENDS.get(signal, ())
    reading = Reading(
        metric=section.string("metric", required=True),
        decoding=decoding,
        quality=_quality(section, Quality.MEAN_ONLY if decoding is Decoding.MEAN else quality),
        since=version(section, "since"),
        until=version(section, "until"),
        needs=section.string("needs"),
        unless=section.strings("unless"),
        scale=section.number("scale", 1.0, above=0),
        where=matches(section.section("where")),
        bounds=section.numbers("bounds", rising=True),
        sums=section.flag("sums", default=True) if histogram else True,
        count=section.string("count", required=True) if decoding is Decoding.MEAN else "",
        by=_operand(section) if outcome or decoding in _OPERAND_NEEDED else None,
        equals=section.numbers("equals") if decoding is Decoding.STATE else (),
        at_least=section.number("at_least", 0.0) if section.has("at_least") and decoding is Decoding.STATE else None,
        model=_model(section),
        state=section.string("state", required=True)
        if signal is s.LORA_ADAPTERS and decoding is Decoding.VALUE
        else "",
        labels=needed(section, "labels") if decoding is Decoding.LABEL_PRODUCT else (),
        lists=_pairs(section, "lists") if decoding is Decoding.LABEL_LISTS else (),
        label=section.string("label") if outcome else "",
        outcomes=_pairs(section, "outcomes", ends) if outcome else (),
        otherwise=section.string("otherwise", choices=(*ends, NO_EVENT)) if outcome else "",
    )
    section.finish()
    _check(section, reading)
    return reading


def _check(section: Section, reading: Reading) -> None:
    """Note what does not go together."""
    if reading.decoding is Decoding.OUTCOME and not (reading.outcomes if reading.label else reading.otherwise):
        section.mistake("label", "expected a label with outcomes, or otherwise for a counter of one outcome")
    elif reading.outcomes and not reading.label:
        section.mistake("label", "is missing; outcomes are those of the values of a label")
    if reading.decoding in _OPERAND_NEEDED and reading.by is None:
        section.mistake("by", f"is missing; a {reading.decoding.value} has a second metric")
    if reading.decoding is Decoding.STATE and (not reading.equals) == (reading.at_least is None):
        section.mistake("equals", "expected equals or at_least, one of them")
    if reading.since and reading.until and reading.until <= reading.since:
        section.mistake("until", f"expected a version after {reading.since}, found {reading.until}")


def _operand(section: Section) -> Operand | None:
    if not section.has("by"):
        return None
    part = section.section("by")
    operand = Operand(metric=part.string("metric", required=True), where=matches(part.section("where")))
    part.finish()
    return operand


def _model(section: Section) -> ModelOf | None:
    if not section.has("model"):
        return None
    part = section.section("model")
    number = part.integer("part", 0, above=-20, below=20) if part.has("part") else None
    whole = part.flag("whole", default=False)
    model = ModelOf(label=part.string("label", required=not whole), part=number, whole=whole)
    part.finish()
    return model


def _pairs(section: Section, key: str, choices: Sequence[str] = ()) -> tuple[tuple[str, str], ...]:
    part = section.section(key)
    allowed = (*choices, NO_EVENT) if choices else ()
    names = part.keys()
    pairs = tuple((name, part.string(name, choices=allowed)) for name in names)
    return tuple((name, value) for name, value in pairs if value)
