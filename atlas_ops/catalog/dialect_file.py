"""Reads `exporters/<runtime>.yaml`, or a file of the user's own in the same form: the only reader of dialects.

Called by `catalog.dialects`. Every mistake of a file is told at once, with its line. What the keys mean stands at the
records in `catalog.dialect` and `catalog.reading`; `exporters/dialect.schema.json` is for editors.
"""

from __future__ import annotations

from pathlib import Path

from atlas_ops.catalog import signals as s
from atlas_ops.catalog.dialect import (
    Alive,
    Answer,
    Dialect,
    Drop,
    Endpoint,
    Evidence,
    Kubernetes,
    Moves,
    Naming,
    Place,
    Question,
    Semantics,
)
from atlas_ops.catalog.dialect_entries import SPOKEN_SIGNALS, entries, matches, needed, version
from atlas_ops.catalog.model import Quality
from atlas_ops.catalog.reading import Combine
from atlas_ops.document import Document, Section

_NEXT_STEP = (
    "mend these lines; exporters/dialect.schema.json lists every key (`atlas-ops unpack` copies it, editors check by it), "
    "atlas_ops/catalog/dialect.py and reading.py explain them"
)
_FACTS = ("model", "version")
_SPOKEN = {signal.name: signal for signal in SPOKEN_SIGNALS}


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
        prefixes=needed(fingerprint, "names"),
        rank=fingerprint.integer("rank", 0),
        metrics_path=_path(metrics, "path"),
        default_port=metrics.integer("port", 0, above=0, below=65536),
        api_port=metrics.integer("api_port", 0, above=0, below=65536),
        management_port=metrics.integer("management_port", 0, above=0, below=65536),
        metrics_on_by_default=metrics.flag("on_by_default", default=True),
        metrics_switch=metrics.string("switch", required=True),
        version_scheme=root.string("version_scheme", required=True),
        version_label=root.string("version_label"),
        naming=_naming(root.section("models")),
        semantics=_semantics(root.section("semantics")),
        kubernetes=_kubernetes(root.section("kubernetes")),
        endpoints=tuple(_endpoint(section) for section in root.sections("health")),
        questions=tuple(_question(section) for section in root.sections("ask")),
        drops=tuple(_drop(section) for section in root.sections("drop")),
        evidence=tuple(found for section in root.sections("evidence") if (found := _evidence(section))),
        entries=entries(root.section("signals")),
        traps=root.strings("traps"),
    )
    for section in (fingerprint, metrics, root):
        section.finish()
    _check(root, dialect)
    document.close(next_step=_NEXT_STEP)
    return dialect


def _check(root: Section, dialect: Dialect) -> None:
    """Note what is wrong although each line by itself is not."""
    asked = {answer.signal for question in dialect.questions for answer in question.answers if answer.signal}
    asked |= {s.SERVER_READY} if any(e.tells == "readiness" for e in dialect.endpoints) else set()
    asked |= {s.MODEL_READY} if any(e.tells == "model" for e in dialect.endpoints) else set()
    for entry in dialect.entries:
        told = bool(entry.readings or entry.derive or entry.signal in asked)
        if told == (entry.quality is Quality.NONE):
            hint = "health, ask, derive, first_of or sum_of tells it" if told else "nothing tells it"
            root.mistake("signals", f"{entry.signal}: quality is {entry.quality.value}, yet {hint}")
    read = {name for entry in dialect.entries for reading in entry.readings for name in reading.names}
    for name in sorted(read & set(dialect.semantics.scrape_resets)):
        root.mistake("semantics", f"scrape_resets: {name} is read by a signal; every other reader would spoil it")
    if not dialect.naming.labels and not dialect.naming.alone:
        root.mistake("models", "labels: is missing; give the labels that name the model, or alone: true")
    places = {endpoint.at for endpoint in dialect.endpoints} | {question.at for question in dialect.questions}
    if Place.MANAGEMENT in places and not dialect.management_port:
        root.mistake("metrics", "management_port: is missing; an endpoint is at the management address")


def _path(section: Section, key: str) -> str:
    path = section.string(key, required=True)
    if path and not path.startswith("/"):
        section.mistake(key, f"expected a path that begins with /, found {path!r}")
    return path


def _naming(section: Section) -> Naming:
    info = section.section("info")
    metric, label = info.string("metric"), info.string("label")
    info.finish()
    if bool(metric) != bool(label):
        section.mistake("info", "expected metric and label")
    naming = Naming(
        labels=section.strings("labels"),
        known_by=section.strings("known_by"),
        alone=section.flag("alone", default=False),
        info=(metric, label) if metric and label else None,
    )
    section.finish()
    return naming


def _semantics(section: Section) -> Semantics:
    words = tuple(way.value for way in Moves)
    semantics = Semantics(
        gauges_move=Moves(section.string("gauges_move", "live", choices=words, required=True)),
        tokens_move=Moves(section.string("tokens_move", "finish", choices=words)),
        scrape_resets=section.strings("scrape_resets"),
        significant_digits=section.integer("significant_digits", 0, above=-1, below=18),
        workers_alternate=section.flag("workers_alternate", default=False),
        repeated_by=section.strings("repeated_by"),
        alive=_alive(section.section("alive")) if section.has("alive") else None,
    )
    section.finish()
    return semantics


def _alive(section: Section) -> Alive:
    alive = Alive(metric=section.string("metric", required=True), labels=needed(section, "labels"))
    section.finish()
    return alive


def _kubernetes(section: Section) -> Kubernetes:
    labels = section.section("labels")
    names = labels.keys()
    kubernetes = Kubernetes(
        images=section.strings("images"),
        containers=section.strings("containers"),
        commands=section.strings("commands"),
        labels=tuple((name, labels.string(name)) for name in names),
    )
    section.finish()
    return kubernetes


def _place(section: Section) -> Place:
    return Place(section.string("at", "metrics", choices=tuple(place.value for place in Place)))


def _endpoint(section: Section) -> Endpoint:
    endpoint = Endpoint(
        path=_path(section, "path"),
        tells=section.string("tells", "liveness", choices=("readiness", "liveness", "model"), required=True),
        at=_place(section),
        find=section.string("find"),
        ready=section.string("ready"),
        note=section.string("note"),
    )
    if bool(endpoint.find) != bool(endpoint.ready):
        section.mistake("find", "expected find and ready, or neither")
    section.finish()
    return endpoint


def _question(section: Section) -> Question:
    question = Question(
        path=_path(section, "path"),
        at=_place(section),
        answers=tuple(_answer(part) for part in section.sections("answers")),
        every_seconds=section.number("every_seconds", 0.0, above=-0.001, below=86_400),
        note=section.string("note"),
    )
    if not question.answers:
        section.mistake("answers", "is missing; say what the endpoint tells")
    section.finish()
    return question


def _answer(section: Section) -> Answer:
    name, fact = section.string("signal", choices=tuple(_SPOKEN)), section.string("fact", choices=_FACTS)
    answer = Answer(
        find=section.string("find", required=True),
        signal=_SPOKEN.get(name),
        fact=fact,
        combine=Combine(section.string("combine", "sum", choices=tuple(way.value for way in Combine))),
        plus=section.string("plus"),
        by=section.string("by"),
        positive=section.flag("positive", default=False),
        scale=section.number("scale", 1.0, above=0),
    )
    if bool(name) == bool(fact):
        section.mistake("signal", "expected signal or fact, one of them")
    section.finish()
    return answer


def _drop(section: Section) -> Drop:
    where = matches(section.section("where"))
    if not where:
        section.mistake("where", "is missing; a rule without it would drop everything")
    drop = Drop(
        where=where,
        metric=section.string("metric", "*"),
        reason=section.string("reason", required=True),
        why=section.string("why", required=True),
    )
    section.finish()
    return drop


def _evidence(section: Section) -> Evidence | None:
    metric, since = section.string("metric", required=True), version(section, "since")
    where = matches(section.section("where"))
    section.finish()
    if since is None:
        section.mistake("since", "is missing; evidence is of a version")
        return None
    return Evidence(metric=metric, since=since, where=where)
