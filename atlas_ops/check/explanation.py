"""What there is to know about a fault before trusting its alert: what it reads, its limits, and where it can fire.

Called by `cli.explain`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import promql_parser as parser

from atlas_ops.catalog import build_catalog
from atlas_ops.catalog.dialect_entries import SPOKEN_SIGNALS
from atlas_ops.catalog.limits import LimitInfo, Limits
from atlas_ops.catalog.model import Catalog, Fault, Rule, Signal
from atlas_ops.catalog.parameters import Objective, Parameters
from atlas_ops.expressions.judge import Judge, judge


@dataclass(frozen=True, kw_only=True, slots=True)
class Threshold:
    """A setting that the rules of the fault depend on."""

    key: str
    """As it stands in the user's file, such as `limits.stall_seconds`."""
    value: float
    unit: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Coverage:
    """Where a rule can fire."""

    rule: Rule
    runtimes: tuple[str, ...]
    lacking: Mapping[str, tuple[str, ...]]
    """The other runtimes, and what each lacks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """All of it."""

    fault: Fault
    signals: tuple[Signal, ...]
    thresholds: tuple[Threshold, ...]
    coverage: tuple[Coverage, ...]

    @property
    def of_runtimes(self) -> bool:
        """Whether it reads anything that runtimes tell in different ways, or not at all."""
        return any(signal in SPOKEN_SIGNALS for signal in self.signals)


def explain(fault: Fault, catalog: Catalog, parameters: Parameters, dialects: str = "") -> Explanation:
    """Return what there is to know about a fault under these parameters; `dialects` is a folder of the user's own."""
    judged = judge(catalog, dialects=dialects)
    return Explanation(
        fault=fault,
        signals=tuple(dict.fromkeys(s for rule in fault.rules for s in judged.firing.signals(parser.parse(rule.expr)))),
        thresholds=(*_limits(fault, parameters), *_objectives(fault, parameters)),
        coverage=tuple(_coverage(rule, judged) for rule in fault.rules),
    )


def _coverage(rule: Rule, judged: Judge) -> Coverage:
    expr = parser.parse(rule.expr)
    lacking = {supply.dialect.runtime: judged.firing.lacking(expr, supply) for supply in judged.supplies}
    return Coverage(
        rule=rule,
        runtimes=tuple(runtime for runtime, reasons in lacking.items() if not reasons),
        lacking={runtime: reasons for runtime, reasons in lacking.items() if reasons},
    )


def _limits(fault: Fault, parameters: Parameters) -> Iterator[Threshold]:
    for entry in dataclasses.fields(Limits):
        info: LimitInfo = entry.metadata["limit"]
        value: float = getattr(parameters.limits, entry.name)
        limits = dataclasses.replace(parameters.limits, **{entry.name: _other(value, info)})
        if _changes(fault, dataclasses.replace(parameters, limits=limits)):
            yield Threshold(key=f"limits.{entry.name}", value=value, unit=info.unit, reason=info.reason)


def _objectives(fault: Fault, parameters: Parameters) -> Iterator[Threshold]:
    for objective in parameters.objectives:
        for entry in dataclasses.fields(Objective):
            value = getattr(objective, entry.name)
            if not isinstance(value, float):
                continue
            other = dataclasses.replace(objective, **{entry.name: value * 0.99})  # type: ignore[arg-type]
            changed = tuple(other if one is objective else one for one in parameters.objectives)
            if _changes(fault, dataclasses.replace(parameters, objectives=changed)):
                key = f"objectives[{objective.model!r}].{entry.name}"
                yield Threshold(key=key, value=value, unit="", reason="what users of these models were promised")


def _other(value: float, info: LimitInfo) -> float:
    return (value + info.above) / 2 if value > info.above else (value + info.below) / 2


def _changes(fault: Fault, parameters: Parameters) -> bool:
    """Say whether a fault is another one under these parameters: only then does it depend on what differs in them."""

    def text(one: Fault | None) -> object:
        return one and ([rule.expr for rule in one.rules], one.recordings, [rule.for_seconds for rule in one.rules])

    return text(build_catalog(parameters).fault(fault.name)) != text(fault)
