"""Rule files as they are replayed: recordings and alerts, in an order in which each finds what it reads.

Reads our own rendered files and anybody else's, also the `PrometheusRule` manifests of the Prometheus operator.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from atlas_ops.catalog.model import Catalog
from atlas_ops.document import Document, Section
from atlas_ops.render import rules as rendered
from atlas_ops.settings import Settings

_DURATION = re.compile(r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?\Z")
_UNIT_SECONDS = (31_536_000, 604_800, 86_400, 3600, 60, 1, 0.001)
_TEXT = re.compile(r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`""")
_COMMENT = re.compile(r"#.*")
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_NEXT = "mend the rule file; `promtool check rules FILE` says more"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule. `labels` are added to its series; in an alert they may be templates."""

    name: str
    alert: bool
    expr: str
    labels: tuple[tuple[str, str], ...] = ()
    for_seconds: float = 0.0
    keep_firing_seconds: float = 0.0
    interval_seconds: float = 0.0
    """How often its group is evaluated; 0: as often as is usual there."""
    place: str = ""
    """The file and the place in it, for errors."""

    @property
    def severity(self) -> str:
        """What its label says; empty where it has none."""
        return dict(self.labels).get("severity", "")

    @cached_property
    def reads(self) -> frozenset[str]:
        """Every name in its expression: metrics, and the words of PromQL and labels besides."""
        return frozenset(_NAME.findall(_COMMENT.sub("", _TEXT.sub('""', self.expr))))


def of_catalog(catalog: Catalog, settings: Settings) -> tuple[Rule, ...]:
    """Return the rules of the catalog as `atlas-ops build` prints them."""
    files = rendered.render(catalog, settings).items()
    return tuple(rule for file, text in files for rule in parse(text, file))


def read(path: Path) -> tuple[Rule, ...]:
    """Return the rules of a file; ConfigError with every mistake in it."""
    return _rules(Document.read(path))


def parse(text: str, file: str) -> tuple[Rule, ...]:
    """Return the rules of a text; ConfigError with every mistake in it."""
    return _rules(Document(text, file))


def _rules(document: Document) -> tuple[Rule, ...]:
    root = document.root
    top = root.section("spec") if root.has("spec") else root
    if not top.has("groups"):
        top.mistake("groups", "is missing; expected a rule file of Prometheus, or a PrometheusRule")
    found = [
        _rule(section, _seconds(group, "interval"))
        for group in top.sections("groups")
        for section in group.sections("rules")
    ]
    document.close(next_step=_NEXT)
    return tuple(found)


def _rule(section: Section, interval: float) -> Rule:
    if section.has("alert") == section.has("record"):
        section.mistake("alert", "expected either `alert` or `record`")
    labels = section.section("labels")
    return Rule(
        name=section.string("alert") or section.string("record"),
        alert=section.has("alert"),
        expr=section.string("expr", required=True),
        labels=tuple((name, labels.string(name)) for name in labels.keys()),  # noqa: SIM118 - a Section is no mapping
        for_seconds=_seconds(section, "for"),
        keep_firing_seconds=_seconds(section, "keep_firing_for"),
        interval_seconds=interval,
        place=f"{section.document.file}: {section.path}",
    )


def _seconds(section: Section, key: str) -> float:
    text = section.string(key, "0s")
    found = _DURATION.match(text) if text else None
    if found is None and text != "0":
        section.mistake(key, f"expected a duration such as 90s or 1h30m, found {text!r}")
    parts = found.groups() if found else ()
    return float(sum(int(part) * unit for part, unit in zip(parts, _UNIT_SECONDS, strict=False) if part))


@dataclass(frozen=True, kw_only=True, slots=True)
class Level:
    """Recordings that read nothing but earlier levels; circular ones read each other besides, or themselves."""

    rules: tuple[Rule, ...]
    circular: bool


def in_order(recordings: Iterable[Rule]) -> Iterator[Level]:
    """Yield recordings so that each comes after those that it reads."""
    waiting = list(recordings)
    while waiting:
        names = {rule.name for rule in waiting}
        ready = tuple(rule for rule in waiting if not rule.reads & names)
        yield (level := Level(rules=ready or _smallest_circle(waiting), circular=not ready))
        waiting = [rule for rule in waiting if rule not in level.rules]


def _smallest_circle(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """Return the fewest rules that read nothing but each other; every rule reads some of `rules`."""
    closures = [_closure(rule, rules) for rule in rules]
    return min(closures, key=len)


def _closure(rule: Rule, rules: Sequence[Rule]) -> tuple[Rule, ...]:
    reached, new = {rule.name}, {rule.name}
    while new:
        read = {name for one in rules if one.name in new for name in one.reads}
        new = {one.name for one in rules if one.name in read} - reached
        reached |= new
    return tuple(one for one in rules if one.name in reached)
