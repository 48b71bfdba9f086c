"""Alerts: which fire, how grave they are, since when, and what they are about.

The heartbeat always fires, so it is left out. Alerts carry the labels of signals beside people's words, so the matchers of all
dashboards fit them.
"""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog.faults.blindness.unseen import WATCHED
from atlas_ops.catalog.model import Severity
from atlas_ops.render.dashboards import variables as v
from atlas_ops.render.dashboards.colours import SEVERITIES
from atlas_ops.render.dashboards.panels import GRID_WIDTH, Column, Limit, Link, Number, Palette, Query, States, Table

_OURS = (f'{c.FAMILY}!=""', f'alertname!="{c.HEARTBEAT}"')
_QUIET = "while nothing fires"
_CALM = "Nothing fires"
_GRADES = {Severity.PAGE: 3, Severity.TICKET: 2, Severity.INFO: 1}
_ABOUT = (v.MODEL, v.NAMESPACE, v.SERVER, v.POD, v.NODE, v.GPU)
"""What an alert may be about. Its labels are called as the variables are."""
_PLACES = (*_ABOUT, v.INSTANCE)
"""And the exporter that is blind."""
_CLUSTER = v.LABELS[v.CLUSTER]
_ALERT = ("alertname", c.SEVERITY, *_PLACES, _CLUSTER)
_NAME = ("alertname", c.SEVERITY, v.MODEL, v.SERVER, v.NODE, v.GPU, v.INSTANCE)
"""What an alert is called where there is little room: a pod and its namespace have a server, and the cluster is chosen."""


def firing(*matchers: str) -> str:
    """Return PromQL for the alerts that fire."""
    return promql.select("ALERTS", 'alertstate="firing"', *_OURS, *matchers)


def around(*chosen: str) -> str:
    """Return PromQL for the alerts on the nodes and of the models of what is chosen, and for those about neither.

    A model belongs to the nodes that it runs on and a node to the models on it, as exporters tell (`chosen`: matchers of these).
    """
    on_nodes, of_models = (_belonging(label, *chosen) for label in (c.HOST_NAME, c.MODEL))
    about_neither = firing(f'{c.HOST_NAME}=""', f'{c.MODEL}=""')
    return f"(\n  {on_nodes}\n  or {of_models}\n  or {about_neither}\n)"


def _belonging(label: str, *chosen: str) -> str:
    told, labels = firing(f'{label}!=""'), f"{label}, {_CLUSTER}"
    return f"{told} and on ({labels}) group by ({labels}) ({promql.select(WATCHED, *chosen)})"


def about_each(by: tuple[str, ...], there: str, *matchers: str) -> str:
    """Return PromQL for how many alerts fire about each of what is there (PromQL with the labels `by`); 0 about most."""
    labels = ", ".join(by)
    return f"count by ({labels}) ({firing(*matchers)} and on ({labels}) {there})\nor 0 * count by ({labels}) ({there})"


def count(severity: Severity, *matchers: str) -> Number:
    """Return how many alerts of a severity fire."""
    word = severity.value
    alerts = firing(f'{c.SEVERITY}="{word}"', *matchers)
    return Number(
        key=f"{word}s-firing",
        title=f"{word.capitalize()}s firing",
        shows=f"Alerts of severity `{word}` that fire now.",
        worry="there is one; the table of alerts names it and leads to all that is known about it.",
        query=Query(expr=f"count({alerts}) or vector(0)", legend=f"{word}s"),
        unit="short",
        limit=Limit(value=1),
    )


def by_fault(alerts: str) -> States:
    """Return what fires and since when: a line for each fault, in the colour of its gravest alert."""
    grades = " or ".join(_labelled(grade, severity) for severity, grade in _GRADES.items())
    return States(
        key="alerts-by-fault",
        title="What fires, and since when",
        shows="A line for each fault: red while one of its pages fires, orange for a ticket, blue for an info.",
        worry="a line is red, or one has begun that was not there an hour ago.",
        empty=_QUIET,
        nothing=_CALM,
        queries=(
            Query(
                expr=f"max by (alertname) (\n  {alerts} * on ({c.SEVERITY}) group_left () ({grades})\n)",
                legend="{{alertname}}",
            ),
        ),
        states={float(grade): (severity.value, SEVERITIES[severity.value]) for severity, grade in _GRADES.items()},
        links=(Link(title="All about these alerts", board="incident", variables={v.ALERT: "alertname"}),),
        width=GRID_WIDTH,
        height=6,
    )


def _labelled(grade: int, severity: Severity) -> str:
    return promql.label_replace(f"vector({grade})", c.SEVERITY, severity.value)


def course(*matchers: str) -> States:
    """Return when each of the chosen alerts was pending and when it fired."""
    pending, fires = (
        promql.select("ALERTS", f'alertstate="{state}"', *_OURS, *matchers) for state in ("pending", "firing")
    )
    by = ", ".join(_NAME)
    return States(
        key="alert-course",
        title="The chosen alerts",
        shows="When each alert was pending (its condition held, but not for long enough yet) and when it fired.",
        worry="it fires now, or comes again and again.",
        empty="while none of the chosen alerts is pending or fires",
        nothing="None is pending, none fires",
        queries=(
            Query(
                expr=f"max by ({by}) (2 * {fires} or ignoring (alertstate) {pending})",
                legend=" ".join(f"{{{{{label}}}}}" for label in _NAME),
            ),
        ),
        states={1.0: ("pending", Palette.WARNING), 2.0: ("firing", Palette.BAD)},
        width=GRID_WIDTH,
        height=6,
    )


def table(alerts: str, title: str) -> Table:
    """Return the alerts that fire one by one, the latest first: how grave, for how long, about what."""
    began = f"{promql.select('ALERTS_FOR_STATE', *_OURS)} and ignoring (alertstate) {alerts}"
    age = f"time() - max by ({', '.join(_ALERT)}) ({began})"
    return Table(
        key="alerts-firing",
        title=title,
        shows="Each alert with how long its condition has held and what it is about; `All`: it is about no single one.",
        worry="the severity is `page`.",
        empty=_QUIET,
        nothing=_CALM,
        queries=(Query(expr=f"sort({v.or_all(age, *_PLACES)})", legend=""),),
        columns=(
            Column(source="alertname", title="Alert", width=240, links=_LINKS["alertname"]),
            Column(source=c.SEVERITY, title="Severity"),
            Column(source="Value #A", title="For", unit="s"),
            Column(source=v.MODEL, title=v.TITLES[v.MODEL], width=200, links=_LINKS[v.MODEL]),
            *(Column(source=label, title=v.TITLES[label], links=_LINKS.get(label, ())) for label in _PLACES[1:]),
            Column(source=_CLUSTER, title=v.TITLES[v.CLUSTER]),
        ),
        width=GRID_WIDTH,
    )


def _link(title: str, board: str, *labels: str) -> tuple[Link, ...]:
    return (Link(title=title, board=board, variables=dict(zip(labels, labels, strict=True))),)


_LINKS = {
    "alertname": _link("All about this alert", "incident", v.ALERT, *_ABOUT),
    v.MODEL: _link("The model", "model", v.NAMESPACE, v.MODEL),
    v.SERVER: _link("The server", "server", v.NAMESPACE, v.MODEL, v.SERVER),
    v.NODE: _link("The node", "gpu-node", v.NODE),
    v.GPU: _link("The GPU", "gpu-node", v.NODE, v.GPU),
    v.INSTANCE: _link("The exporter", "atlas", v.INSTANCE),
}
"""{label: where a click on it leads}."""
