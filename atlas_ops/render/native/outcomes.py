"""How requests ended: from a native label to the outcomes of the contract, and what was begun and never finished.

What `exporter.decode` and `exporter.settled` do with a page, in PromQL. Used by `readings`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog.reading import Reading
from atlas_ops.render.native.naming import Naming
from atlas_ops.render.native.rule import INSTANCE, NAME, SETTLED, UNFINISHED, Rule
from atlas_ops.render.native.source import Source

SETTLING = "1m"
"""As in `exporter.settled`: a request that has not ended by then counts."""
REMEMBERED = "5m"
"""How long what was told is remembered while a target does not answer; as long as Prometheus itself looks back."""
_BY = f"{INSTANCE}, {NAME}"


def matchers(reading: Reading, outcome: str) -> Iterator[tuple[str, ...]]:
    """Yield matchers that together select the samples of an outcome, each sample once: the first pattern that fits counts."""
    if not reading.label:
        if reading.otherwise == outcome:
            yield ()
        return
    patterns = [pattern for pattern, _ in reading.outcomes]
    before: dict[tuple[str, ...], list[str]] = {}
    for position, (pattern, word) in enumerate(reading.outcomes):
        if word == outcome:
            taken = tuple(earlier for earlier in patterns[:position] if _overlap(earlier, pattern))
            before.setdefault(taken, []).append(pattern)
    for taken, mine in before.items():
        yield tuple(part for part in (_fits(reading.label, mine), _fits(reading.label, taken, "!~")) if part)
    if reading.otherwise == outcome:
        yield (_fits(reading.label, patterns, "!~"),)


def unfinished(source: Source, naming: Naming, reading: Reading) -> tuple[str, list[Rule]]:
    """Return the requests that were begun and not finished for a minute, and the rules that keep count of them.

    Those that run are begun and not finished, too, so the smallest difference of the last minute counts. What was told
    stays told: it would count again. Only a server that has begun fewer requests than that must have begun anew.
    """
    assert reading.by is not None
    labels = {c.RUNTIME: source.dialect.runtime, "job": source.native.job, "of": reading.metric}
    begun, finished = (
        f"sum by ({_BY}) ({naming.vector(metric, where, reading.model)})"
        for metric, where in ((reading.metric, reading.where), (reading.by.metric, reading.by.where))
    )
    begun += source.without(reading.unless)
    difference, settled = (source.own(name, f"of={promql.quote(reading.metric)}") for name in (UNFINISHED, SETTLED))
    now = f"max by ({_BY}) (min_over_time({difference}[{SETTLING}]))"
    before = f"max by ({_BY}) (last_over_time({settled}[{REMEMBERED}]))"
    return settled, [
        Rule(record=UNFINISHED, expr=f"clamp_min(({begun}) - {finished}, 0)\nor {begun}", labels=labels),
        Rule(record=SETTLED, expr=f"(({before} <= ({begun})) > {now})\nor {now}", labels=labels),
    ]


def _fits(label: str, patterns: Sequence[str], operator: str = "=~") -> str:
    """Return a matcher for a label that fits one of the patterns; a missing label is an empty text here."""
    regexes = "|".join(promql.glob_regex(pattern) for pattern in patterns)
    return f"{label}{operator}{promql.quote(regexes)}" if patterns else ""


@cache
def _overlap(one: str, other: str) -> bool:
    """Say whether some text may fit both patterns; a bracket counts as any letter."""
    if not one or not other:
        return not (one or other).strip("*")
    if one[0] == "*":
        return _overlap(one[1:], other) or _overlap(one, _rest(other))
    if other[0] == "*":
        return _overlap(other, one)
    wild = one[0] in "?[" or other[0] in "?["
    return (wild or one[0] == other[0]) and _overlap(_rest(one), _rest(other))


def _rest(pattern: str) -> str:
    """Return a pattern without its first letter, or bracket."""
    end = pattern.find("]", 2) if pattern[0] == "[" else 0
    return pattern[max(end, 0) + 1 :]
