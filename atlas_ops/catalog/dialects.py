"""How each runtime speaks: the only reader of `exporters/<runtime>.yaml`.

Called by `atlas_ops.exporter` (to translate a page), `atlas_ops.settings` (to know the runtimes) and `atlas_ops.check`.
A dialect is a dictionary: for every signal that a model server can have, it says which native metrics mean it, from
which version on, and how well. What is not in the data is not translated.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from functools import cache
from pathlib import Path

from atlas_ops import shipped
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.dialect import (
    NO_EVENT,
    Combine,
    Decoding,
    Dialect,
    Drop,
    Endpoint,
    Entry,
    Evidence,
    Match,
    Reading,
    Version,
)
from atlas_ops.catalog.model import Quality, Signal, SignalType
from atlas_ops.document import Document, Section
from atlas_ops.errors import ConfigError

SPOKEN_SIGNALS: tuple[Signal, ...] = (
    s.SERVER_READY, s.MODEL_READY, s.SERVER_START_TIME, s.MODEL_LOAD,
    s.REQUESTS_RUNNING, s.REQUESTS_WAITING, s.REQUESTS_CAPACITY, s.QUEUE_CAPACITY,
    s.REQUESTS, s.REQUEST_DURATION, s.QUEUE_TIME, s.TIME_TO_FIRST_TOKEN, s.INTER_TOKEN_LATENCY,
    s.PROMPT_TOKENS, s.GENERATION_TOKENS, s.CACHED_PROMPT_TOKENS, s.REQUEST_PROMPT_TOKENS, s.REQUEST_GENERATION_TOKENS,
    s.KV_CACHE_USAGE, s.KV_CACHE_CAPACITY, s.PREEMPTIONS, s.PREFIX_CACHE_QUERIES, s.PREFIX_CACHE_HITS,
    s.BATCHES, s.BATCHED_REQUESTS, s.SPEC_DECODE_DRAFT_TOKENS, s.SPEC_DECODE_ACCEPTED_TOKENS,
    s.LORA_ADAPTERS, s.MODEL_GPU_MEMORY,
)  # fmt: skip
"""The signals that every dialect has to answer for, be it with quality `none` and the reason."""


def recognise(dialects: Sequence[Dialect], names: Collection[str]) -> Dialect | None:
    """Return the most specific dialect that knows one of the names of a page."""
    fitting = [dialect for dialect in dialects if dialect.knows(names)]
    return max(fitting, key=lambda dialect: dialect.rank, default=None)


def runtime_ids(own: str = "") -> tuple[str, ...]:
    """Return the ids of the shipped dialects and of those in the user's own folder; a file's name is its runtime's id."""
    return tuple(sorted(_files(own)))


def load(own: str = "") -> tuple[Dialect, ...]:
    """Return every dialect, by runtime id; ConfigError when a file is wrong.

    `own` is a folder of the user's dialects; one with the id of a shipped one takes its place.
    """
    if not own:
        return shipped_dialects()
    return tuple(read(path) for _, path in sorted(_files(own).items()))


def _files(own: str) -> dict[str, Path]:
    files = {path.stem: path for path in shipped.folder("exporters").glob("*.yaml")}
    if own:
        if not Path(own).is_dir():
            raise ConfigError(
                own, ["is no folder"], next_step="name a folder of dialects, such as --dialects dialects/"
            )
        files |= {path.stem: path for path in Path(own).glob("*.yaml")}
    return files


@cache
def shipped_dialects() -> tuple[Dialect, ...]:
    """Return every shipped dialect, by runtime id; ConfigError when a file is wrong."""
    return tuple(read(path) for _, path in sorted(_files("").items()))


def bounds_of(signal: Signal) -> dict[str, tuple[float, ...]]:
    """Return the default bucket bounds of a histogram, in its unit, for each shipped runtime that has it with fixed ones."""
    return {
        dialect.runtime: tuple(sorted({bound for reading in entry.readings for bound in reading.bounds}))
        for dialect in shipped_dialects()
        for entry in dialect.entries
        if entry.signal is signal and any(reading.bounds for reading in entry.readings)
    }


def read(path: Path) -> Dialect:
    """Read one dialect; ConfigError with every mistake in it."""
    return _dialect(Document.read(path), path.stem)


def parse(text: str, runtime: str) -> Dialect:
    """Read a dialect from text; ConfigError with every mistake in it."""
    return _dialect(Document(text, f"{runtime}.yaml"), runtime)


def _dialect(document: Document, stem: str) -> Dialect:
    root = document.root
    fingerprint, metrics = root.section("fingerprint"), root.section("metrics")
    dialect = Dialect(
        runtime=root.string("runtime", stem, choices=(stem,), required=True),
        name=root.string("name", required=True),
        source=root.string("source", required=True),
        prefixes=_needed(fingerprint, "names"),
        rank=fingerprint.integer("rank", 0),
        metrics_path=_path(metrics, "path"),
        default_port=metrics.integer("port", 0, above=0, below=65536),
        metrics_on_by_default=metrics.flag("on_by_default", default=True),
        metrics_switch=metrics.string("switch", required=True),
        version_scheme=root.string("version_scheme", required=True),
        model_labels=_needed(root, "model_labels"),
        endpoints=tuple(_endpoint(section) for section in root.sections("health")),
        drops=tuple(_drop(section) for section in root.sections("drop")),
        evidence=tuple(found for section in root.sections("evidence") if (found := _evidence(section))),
        entries=_entries(root.section("signals")),
        traps=root.strings("traps"),
    )
    for section in (fingerprint, metrics, root):
        section.finish()
    if (ready := dialect.entry(s.SERVER_READY)) and (ready.quality is Quality.PROBE) != (dialect.readiness is not None):
        root.mistake("signals", f"{s.SERVER_READY}: is a probe exactly when health: has readiness on the metrics port")
    document.close(next_step="mend these lines; atlas_ops/catalog/dialect.py explains every key")
    return dialect


def _needed(section: Section, key: str) -> tuple[str, ...]:
    found = section.strings(key)
    if not found:
        section.mistake(key, "is missing; expected one or more texts")
    return found


def _path(section: Section, key: str) -> str:
    path = section.string(key, required=True)
    if path and not path.startswith("/"):
        section.mistake(key, f"expected a path that begins with /, found {path!r}")
    return path


def _version(section: Section, key: str) -> Version | None:
    text = section.string(key)
    if not text:
        return None
    if not all(part.isdecimal() and part.isascii() for part in text.split(".")):
        section.mistake(key, f"expected a version such as 0.9.2 or 24.08, found {text!r}")
        return None
    return Version(tuple(int(part) for part in text.split(".")), text)


def _matches(section: Section) -> tuple[Match, ...]:
    labels = section.keys()
    return tuple(Match(label=label, patterns=section.strings(label)) for label in labels)


def _endpoint(section: Section) -> Endpoint:
    endpoint = Endpoint(
        path=_path(section, "path"),
        tells=section.string("tells", "liveness", choices=("readiness", "liveness", "model"), required=True),
        on_metrics_port=section.flag("on_metrics_port", default=False),
        note=section.string("note"),
    )
    section.finish()
    return endpoint


def _drop(section: Section) -> Drop:
    where = _matches(section.section("where"))
    if not where:
        section.mistake("where", "is missing; a rule without it would drop everything")
    drop = Drop(where=where, reason=section.string("reason", required=True), why=section.string("why", required=True))
    section.finish()
    return drop


def _evidence(section: Section) -> Evidence | None:
    metric, since = section.string("metric", required=True), _version(section, "since")
    where = _matches(section.section("where"))
    section.finish()
    if since is None:
        section.mistake("since", "is missing; evidence is of a version")
        return None
    return Evidence(metric=metric, since=since, where=where)


def _entries(section: Section) -> tuple[Entry, ...]:
    known = {signal.name: signal for signal in SPOKEN_SIGNALS}
    for name in known:
        if not section.has(name):
            section.mistake(name, "is missing; when the runtime cannot tell it, say quality: none and why in note")
    # Asking for every known name lets finish() name the others as unknown, with the nearest known one.
    parts = {name: section.section(name) for name in known}
    section.finish()
    given = section.keys()
    return tuple(_entry(parts[name], known[name]) for name in given if name in known)


def _entry(section: Section, signal: Signal) -> Entry:
    quality = _quality(section, Quality.NONE, required=True)
    added = section.has("sum_of")
    parts = [*section.sections("first_of"), *section.sections("sum_of")]
    entry = Entry(
        signal=signal,
        quality=quality,
        readings=tuple(_reading(part, signal, quality) for part in parts),
        added=added,
        combine=Combine(section.string("combine", "sum", choices=tuple(way.value for way in Combine))),
        note=section.string("note"),
    )
    section.finish()
    if section.has("first_of") and added:
        section.mistake("sum_of", "expected first_of or sum_of, not both")
    if quality in (Quality.NONE, Quality.PROBE):
        if entry.readings:
            section.mistake("quality", f"{quality.value} cannot have readings")
        if quality is Quality.NONE and not entry.note:
            section.mistake("note", "is missing; say why the runtime cannot tell this signal")
    elif not entry.readings:
        section.mistake("quality", f"{quality.value} needs readings under first_of or sum_of")
    return entry


def _quality(section: Section, default: Quality, *, required: bool = False) -> Quality:
    choices = tuple(quality.value for quality in Quality)
    return Quality(section.string("quality", default.value, choices=choices, required=required))


def _reading(section: Section, signal: Signal, quality: Quality) -> Reading:
    histogram = signal.type is SignalType.HISTOGRAM
    allowed = _ALLOWED.get(signal.name, (Decoding.HISTOGRAM, Decoding.MEAN) if histogram else (Decoding.VALUE,))
    names = tuple(decoding.value for decoding in allowed)
    decoding = Decoding(section.string("decode", names[0], choices=names))
    reading = Reading(
        metric=section.string("metric", required=True),
        decoding=decoding,
        quality=_quality(section, Quality.MEAN_ONLY if decoding is Decoding.MEAN else quality),
        since=_version(section, "since"),
        until=_version(section, "until"),
        needs=section.string("needs"),
        scale=section.number("scale", 1.0, above=0),
        where=_matches(section.section("where")),
        bounds=_bounds(section),
        count=section.string("count", required=True) if decoding is Decoding.MEAN else "",
        labels=_needed(section, "labels") if decoding is Decoding.LABEL_PRODUCT else (),
        lists=_pairs(section, "lists") if decoding is Decoding.LABEL_LISTS else (),
        label=section.string("label") if decoding is Decoding.OUTCOME else "",
        outcomes=_pairs(section, "outcomes", c.OUTCOMES) if decoding is Decoding.OUTCOME else (),
        otherwise=section.string("otherwise", choices=c.OUTCOMES) if decoding is Decoding.OUTCOME else "",
    )
    section.finish()
    if decoding is Decoding.OUTCOME and not (reading.outcomes if reading.label else reading.otherwise):
        section.mistake("label", "expected a label with outcomes, or otherwise for a counter of one outcome")
    return reading


_ALLOWED: dict[str, tuple[Decoding, ...]] = {
    s.REQUESTS.name: (Decoding.OUTCOME,),
    s.KV_CACHE_CAPACITY.name: (Decoding.VALUE, Decoding.LABEL_PRODUCT),
    s.LORA_ADAPTERS.name: (Decoding.LABEL_LISTS,),
}
"""Signals that are not decoded as their type suggests; the first is the default."""


def _pairs(section: Section, key: str, choices: Sequence[str] = ()) -> tuple[tuple[str, str], ...]:
    part = section.section(key)
    allowed = (*choices, NO_EVENT) if choices else ()
    names = part.keys()
    pairs = tuple((name, part.string(name, choices=allowed)) for name in names)
    return tuple((name, value) for name, value in pairs if value)


def _bounds(section: Section) -> tuple[float, ...]:
    try:
        bounds = tuple(float(text) for text in section.strings("bounds"))
    except ValueError:
        bounds = (0.0, 0.0)
    if any(low >= high for low, high in itertools.pairwise(bounds)):
        section.mistake("bounds", "expected numbers that rise")
        return ()
    return bounds
