"""What one native way to tell a signal becomes: vectors with `instance` and model, not yet added up.

What `exporter.decode` does with a page, in PromQL. Used by `entries`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog.model import Signal
from atlas_ops.catalog.reading import Decoding, Match, Reading
from atlas_ops.render.native import outcomes
from atlas_ops.render.native.naming import Naming
from atlas_ops.render.native.rule import INSTANCE, NAME, Rule, either, enclosed
from atlas_ops.render.native.source import Source

Part = tuple[str, str]
"""What of a signal is meant: `_bucket`, `_sum`, `_count` of a histogram, and the value of the signal's own label."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """What a reading tells."""

    reading: Reading
    there: str
    """All that it selects: whom it tells anything of is told nothing by the alternatives after it."""
    parts: Mapping[Part, str]
    rules: Sequence[Rule] = ()
    """What has to be recorded first."""

    def always(self, part: Part) -> bool:
        """Say whether it tells this part of everyone that it tells of."""
        return part in self.parts and self.reading.decoding is not Decoding.OUTCOME


class Readings:
    """Turns the readings of one signal into vectors."""

    def __init__(self, source: Source, naming: Naming, signal: Signal) -> None:
        self.source = source
        self._naming = naming
        self._of_models = c.MODEL in signal.labels

    def told(self, reading: Reading) -> Told:
        """Return what a reading tells, which has to be one that PromQL can express (see `left_out`)."""
        if reading.decoding is Decoding.OUTCOME and reading.by is not None:
            vector, rules = outcomes.unfinished(self.source, self._naming, reading)
            return Told(reading=reading, there=vector, parts={("", reading.otherwise): vector}, rules=rules)
        parts = _DECODINGS[reading.decoding](self, reading)
        parts = {part: f"{enclosed(vector)}{self.source.without(reading.unless)}" if reading.unless else vector
                 for part, vector in parts.items()}  # fmt: skip
        there = parts.get(("_count", "")) or either(parts.values())
        return Told(reading=reading, there=there, parts=parts)

    def vector(self, metric: str, reading: Reading, *matchers: str, where: Sequence[Match] | None = None) -> str:
        """Return the series of a native metric that a reading selects, with their models where the signal has them."""
        where = reading.where if where is None else where
        if self._of_models:
            return self._naming.vector(metric, where, reading.model, *matchers)
        return self.source.vector(metric, where, *matchers)

    def buckets(self, reading: Reading) -> str:
        """Return the buckets of a histogram with bounds in the unit of the signal."""
        name = f"{reading.metric}_bucket"
        if reading.scale == 1:
            return self.vector(name, reading)
        bounds = [(repr(float(bound)), _spelled(bound / reading.scale)) for bound in reading.bounds]
        return either(
            promql.label_replace(self.vector(name, reading, f"le=~{promql.quote(native)}"), "le", bound)
            for bound, native in (*bounds, ("+Inf", "\\+Inf"))
        )

    def paired(self, reading: Reading, operator: str, *, least: str = "") -> str:
        """Return two metrics, one by one where their labels agree, else by the model, where the second has but one."""
        assert reading.by is not None
        first = enclosed(self.vector(reading.metric, reading))
        second = enclosed(enclosed(self.vector(reading.by.metric, reading, where=reading.by.where)) + least)
        chosen = sorted({match.label for match in (*reading.where, *reading.by.where)})
        rest = f"max without ({', '.join(chosen)}) {second}" if chosen else second
        by = ", ".join((INSTANCE, NAME) if self._of_models else (INSTANCE,))
        alone = f"(max by ({by}) {second} and count by ({by}) {second} == 1)"
        exact = f"{first} {operator} ignoring ({', '.join(chosen)}) group_left () {rest}"
        return f"{exact}\nor {first} {operator} on ({by}) group_left () {alone}"


def _value(readings: Readings, reading: Reading) -> dict[Part, str]:
    return {("", reading.state): _scaled(readings.vector(reading.metric, reading), reading)}


def _state(readings: Readings, reading: Reading) -> dict[Part, str]:
    vector = enclosed(readings.vector(reading.metric, reading))
    tests = [f"{vector} == bool {promql.number(value)}" for value in reading.equals]
    tests += [f"{vector} >= bool {promql.number(reading.at_least)}"] if reading.at_least is not None else []
    return {("", ""): tests[0] if len(tests) == 1 else f"clamp_max({' + '.join(map(enclosed, tests))}, 1)"}


def _histogram(readings: Readings, reading: Reading) -> dict[Part, str]:
    parts = {("_bucket", ""): readings.buckets(reading)}
    if reading.sums:
        parts["_sum", ""] = _scaled(readings.vector(f"{reading.metric}_sum", reading), reading)
    return {**parts, ("_count", ""): readings.vector(f"{reading.metric}_count", reading)}


def _mean(readings: Readings, reading: Reading) -> dict[Part, str]:
    # The one without the other makes no mean.
    both = f"and on ({INSTANCE}) {readings.source.there(reading.metric)}"
    count = f"{enclosed(readings.vector(reading.count, reading))} {both}"
    return {
        ("_bucket", ""): promql.label_replace(count, "le", "+Inf"),
        ("_sum", ""): _scaled(readings.vector(reading.metric, reading), reading),
        ("_count", ""): count,
    }


def _outcome(readings: Readings, reading: Reading) -> dict[Part, str]:
    parts: dict[Part, str] = {}
    for end in reading.ends:
        chosen = [readings.vector(reading.metric, reading, *some) for some in outcomes.matchers(reading, end)]
        if chosen:
            parts["", end] = either(chosen)
    return parts


def _ratio(readings: Readings, reading: Reading) -> dict[Part, str]:
    return {("", ""): _scaled(readings.paired(reading, "/", least=" > 0"), reading)}


def _product(readings: Readings, reading: Reading) -> dict[Part, str]:
    return {("", ""): _scaled(readings.paired(reading, "*"), reading)}


def _difference(readings: Readings, reading: Reading) -> dict[Part, str]:
    return {("", ""): _scaled(f"clamp_min({readings.paired(reading, '-')}, 0)", reading)}


_DECODINGS: dict[Decoding, Callable[[Readings, Reading], dict[Part, str]]] = {
    Decoding.VALUE: _value,
    Decoding.HISTOGRAM: _histogram,
    Decoding.MEAN: _mean,
    Decoding.OUTCOME: _outcome,
    Decoding.RATIO: _ratio,
    Decoding.PRODUCT: _product,
    Decoding.DIFFERENCE: _difference,
    Decoding.STATE: _state,
}


def _scaled(vector: str, reading: Reading) -> str:
    return vector if reading.scale == 1 else f"{enclosed(vector)} * {promql.number(reading.scale)}"


def _spelled(bound: float) -> str:
    """Return a regular expression for a native bucket bound, however the server or Prometheus writes it."""
    # Twelve digits undo what the scale adds in the last place.
    value = float(f"{bound:.12g}")
    digits = repr(value).replace(".", "").strip("0").partition("e")[0]
    texts = [repr(value), f"{value:.{max(len(digits) - 1, 0)}e}", *([str(int(value))] if value == int(value) else [])]
    return "|".join(dict.fromkeys(promql.glob_regex(text) for text in texts))
