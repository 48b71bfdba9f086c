"""Every expression of a dashboard, and what reads its labels: legends, links and columns of tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from atlas_ops.check.dashboards import expressions
from atlas_ops.check.dashboards.expressions import NO_LABEL
from atlas_ops.check.dashboards.reading import Dashboard, Mistake, Part, named
from atlas_ops.check.finding import did_you_mean
from atlas_ops.expressions.judge import Judge

_LABEL_VALUES = re.compile(r"\s*label_values\((?P<metric>.*),\s*(?P<label>\w+)\s*\)\s*", re.DOTALL)
_SEVERAL_NAMES = re.compile(r"\{\s*__name__\s*=~\s*\"(?P<names>[\w:|]+)\"\s*,?(?P<matchers>.*)\}\s*", re.DOTALL)
_LEGEND = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_OF_SERIES = re.compile(r"\$\{__field\.labels\.(\w+)")
_OF_ROW = re.compile(r"\$\{__data\.fields\[\"([^\"]+)\"\]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """One expression of a dashboard."""

    part: Part
    key: str
    """Where it stands."""
    of: str
    """Whose it is, for people."""
    expr: str
    named: tuple[str, ...]
    """The labels that are read from its result."""
    excused: bool = False
    """Whether it may lack labels that it is asked for: it is one of several metrics, and another of them has them all."""


def check(dashboard: Dashboard, judged: Judge) -> Iterator[Mistake]:
    """Find expressions that are wrong, and labels that are read and not there."""
    for asked in _asked(dashboard, judged):
        mistakes = [one for one in expressions.wrong(asked.expr, judged) if not (asked.excused and one[1] == NO_LABEL)]
        for message, next_step in mistakes:
            yield asked.part.mistake(asked.key, f"{asked.of}: {message}", next_step)
        if asked.named and not mistakes:
            yield from _read(asked.part, asked.key, asked.of, asked.named, expressions.left(asked.expr, judged))
    for panel in dashboard.panels:
        yield from _links(panel, judged)
        yield from _columns(panel, judged)


def _asked(dashboard: Dashboard, judged: Judge) -> Iterator[Asked]:
    for panel in dashboard.panels:
        for target in _targets(panel):
            legend = tuple(_LEGEND.findall(target.text("legendFormat")))
            yield Asked(part=target, key="expr", of=named(panel), expr=target.text("expr"), named=legend)
    for annotation in dashboard.annotations:
        if expr := annotation.text("expr"):
            texts = " ".join(annotation.text(key) for key in ("titleFormat", "textFormat"))
            of = f"annotation {annotation.text('name')!r}"
            yield Asked(part=annotation, key="expr", of=of, expr=expr, named=tuple(_LEGEND.findall(texts)))
    for variable in dashboard.variables:
        query = variable.text("query") or variable.part("query").text("query")
        if variable.text("type") == "query" and (found := _LABEL_VALUES.fullmatch(query)):
            of = f"variable {variable.text('name')!r}"
            exprs = list(_selectors(found["metric"]))
            whole = len(exprs) > 1 and any(not list(expressions.wrong(expr, judged)) for expr in exprs)
            for expr in exprs:
                yield Asked(part=variable, key="query", of=of, expr=expr, named=(found["label"],), excused=whole)


def _selectors(metric: str) -> Iterator[str]:
    """Yield a selector for each name of one that takes several metrics."""
    several = _SEVERAL_NAMES.fullmatch(metric.strip())
    if several is None:
        yield metric
    else:
        yield from (f"{name}{{{several['matchers']}}}" for name in several["names"].split("|"))


def _targets(panel: Part) -> Iterator[Part]:
    for target in panel.parts("targets"):
        kind = target.part("datasource").text("type") or panel.part("datasource").text("type")
        if target.text("expr") and kind in ("", "prometheus"):
            yield target


def _read(part: Part, key: str, of: str, wanted: tuple[str, ...], known: frozenset[str] | None) -> Iterator[Mistake]:
    for label in dict.fromkeys(wanted):
        if known is not None and label not in known:
            told = f"{of} names the label {label!r}, which its queries do not leave{did_you_mean(label, known)}"
            yield part.mistake(key, told, f"use one of {', '.join(sorted(known))}, or keep the label")


def _left(panel: Part, judged: Judge) -> Mapping[str, frozenset[str]] | None:
    """Return the labels of each query by its letter; None where one cannot be judged, or where there is none."""
    found = {target.text("refId"): expressions.left(target.text("expr"), judged) for target in _targets(panel)}
    known = {letter: labels for letter, labels in found.items() if labels is not None}
    return known if known and len(known) == len(found) else None


def _links(panel: Part, judged: Judge) -> Iterator[Mistake]:
    for part in panel.part("fieldConfig").objects():
        wanted = tuple(_OF_SERIES.findall(part.text("url")))
        left = _left(panel, judged) if wanted else None
        if left is not None:
            yield from _read(part, "url", f"a link of {named(panel)}", wanted, frozenset().union(*left.values()))


def _columns(panel: Part, judged: Judge) -> Iterator[Mistake]:
    left = _left(panel, judged) if panel.text("type") == "table" else None
    if left is None:
        return
    # Grafana numbers the values of queries only where there are several.
    values = [f"Value #{letter}" for letter in left] if len(left) > 1 else ["Value"]
    known = frozenset({"Time", *values}).union(*left.values())
    titles: set[str] = set()
    for change in panel.parts("transformations"):
        options = change.part("options")
        of = f"a column of {named(panel)}"
        yield from _read(options, "includeByName", of, tuple(options.part("includeByName").body), known)
        titles |= {str(title) for title in options.part("renameByName").body.values()}
    for part in panel.part("fieldConfig").objects():
        wanted = tuple(_OF_ROW.findall(part.text("url")))
        yield from _read(part, "url", f"a link of {named(panel)}", wanted, known | titles)
