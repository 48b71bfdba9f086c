"""Whose a native series is: the label that holds its model, by the dialect's naming.

What `exporter.models` does with a page, in PromQL. Names of models are not capped here: Prometheus has the native series
already.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog.reading import Match, ModelOf
from atlas_ops.render.native.rule import INSTANCE, KNOWN, MODEL, NAME, ONLY, WHOLE, Rule, either, enclosed
from atlas_ops.render.native.source import Source

_Select = Callable[..., str]
"""Returns native series, given further matchers."""


class Naming:
    """Puts the models on the series of one job."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._naming = source.dialect.naming

    @property
    def can_name(self) -> bool:
        """Whether series without a model of their own can get one."""
        return bool(self._naming.labels) or self._naming.alone

    def vector(self, metric: str, where: Sequence[Match], of: ModelOf | None, *matchers: str) -> str:
        """Return the series of a native metric with their models; those of no model are left out."""

        def select(*more: str) -> str:
            return self._source.vector(metric, where, *matchers, *more)

        if of is not None and of.whole:
            return self._given_by(WHOLE, select())
        if of is not None:
            regex = part_of_path(of.part)
            inside, outside = (f"{of.label}{operator}{promql.quote(regex)}" for operator in ("=~", "!~"))
            told = self._known(promql.label_replace(select(inside), NAME, "$1", of.label, regex))
            return either([told, self._given_by(ONLY, select(outside))])
        if not self._naming.labels:
            return self._unnamed(select())
        nobody = [f'{label}=""' for label in self._naming.labels]
        # Some families have no label for it; on a page of one model there is no doubt.
        return either([self._known(either(self._labelled(select))), self._given_by(ONLY, select(*nobody))])

    def rules(self, labels: dict[str, str]) -> Iterator[Rule]:
        """Yield the rules that tell the models of each server."""
        if not self.can_name:
            return
        told, only = self._source.own(MODEL), self._source.own(ONLY)
        yield Rule(record=MODEL, expr=self._models(), labels=labels)
        one = f"{told} and on ({INSTANCE}) (count by ({INSTANCE}) ({told}) == 1)"
        yield Rule(record=ONLY, expr=f"group by ({INSTANCE}, {NAME}) ({one})", labels=labels)
        readings = (reading for entry in self._source.dialect.entries for reading in entry.readings)
        if any(reading.model and reading.model.whole for reading in readings):
            unnamed = self._constant(self._servers(), c.UNNAMED_MODEL)
            expr = f"group by ({INSTANCE}, {NAME}) ({only} or on ({INSTANCE}) {unnamed})"
            yield Rule(record=WHOLE, expr=expr, labels=labels)

    def _models(self) -> str:
        names = once(self._naming.known_by or self._source.dialect.read_names)
        told = list(self._labelled(lambda *matchers: self._source.named(names, *matchers)))
        alternatives = [f"group by ({INSTANCE}, {NAME}) ({either(told)})"] if told else []
        if self._naming.alone:
            alternatives += self._defaults()
        return f"\nor on ({INSTANCE}) ".join(alternatives)

    def _defaults(self) -> Iterator[str]:
        """Yield how the model of a page that names none is called, the best first."""
        if self._naming.info and not self._source.native.model:
            metric, label = self._naming.info
            named = f"{label}!~{promql.quote(f'|{c.NO_SERVICE_NAME}.*')}"
            info = promql.label_replace(self._source.vector(metric, (), named), NAME, "$1", label, "(.+)")
            known = f"group by ({INSTANCE}, {NAME}) ({info}) and on ({INSTANCE}) {self._source.own(KNOWN)}"
            yield f"topk by ({INSTANCE}) (1, {known})"
        yield self._constant(self._servers(), self._source.native.model or c.UNNAMED_MODEL)

    def _labelled(self, select: _Select) -> Iterator[str]:
        """Yield the series that name their model, by the first label that does."""
        passed: list[str] = []
        for label in self._naming.labels:
            series = select(*passed, f'{label}!=""')
            yield promql.label_replace(series, NAME, "$1", label, "(.+)")
            passed.append(f'{label}=""')

    def _known(self, vector: str) -> str:
        """Count models together that the names in `known_by` do not have."""
        if not self._naming.known_by:
            return vector
        told = f"on ({INSTANCE}, {NAME}) {self._source.own(MODEL)}"
        other = self._constant(f"{enclosed(vector)} unless {told}", c.OVERFLOW)
        return f"{enclosed(vector)} and {told}\nor {other}"

    def _unnamed(self, vector: str) -> str:
        if self._naming.info and not self._source.native.model:
            return self._given_by(ONLY, vector)
        return self._constant(vector, self._source.native.model or c.UNNAMED_MODEL)

    def _given_by(self, record: str, vector: str) -> str:
        return f"{enclosed(vector)} * on ({INSTANCE}) group_left ({NAME}) {self._source.own(record)}"

    def _servers(self) -> str:
        return f"group by ({INSTANCE}) ({self._source.own(KNOWN)})"

    @staticmethod
    def _constant(vector: str, model: str) -> str:
        return promql.label_replace(vector, NAME, model.replace("$", "$$"))


def once(names: Collection[str]) -> list[str]:
    """Return native names with each histogram by its count alone."""
    histograms = [name.removesuffix("_count") for name in names if name.endswith("_count")]
    return sorted(set(names) - {name + part for name in histograms for part in ("_bucket", "_sum")})


def part_of_path(part: int | None) -> str:
    """Return the regular expression whose group is a part of a path."""
    if part is None:
        return "(.+)"
    if part >= 0:
        return f"/*(?:[^/]+/+){{{part}}}([^/]+)(?:/.*)?"
    return f"(?:.*/)?([^/]+)(?:/+[^/]+){{{-part - 1}}}/*"
