"""The variables above the dashboards, each under the choices before it, and the matchers that queries take from them.

`All` is `.*` and not the list of everything: it stays short, and keeps series without the label, such as those of a bare host.
Used by `boards` and `parts`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults.blindness.unseen import WATCHED
from atlas_ops.render.dashboards.panels import Variable

CLUSTER, NAMESPACE, MODEL, RUNTIME, SERVER, POD, NODE, GPU = (
    "cluster", "namespace", "model", "runtime", "server", "pod", "node", "gpu",
)  # fmt: skip
ALERT, FEATURE, INSTANCE = "alertname", "feature", "instance"
LABELS = {
    CLUSTER: "cluster",
    NAMESPACE: c.K8S_NAMESPACE,
    MODEL: c.MODEL,
    RUNTIME: c.RUNTIME,
    SERVER: c.SERVER,
    POD: c.K8S_POD,
    NODE: c.HOST_NAME,
    GPU: c.GPU,
    ALERT: "alertname",
    FEATURE: c.FEATURE,
    INSTANCE: "instance",
}
"""{variable: label}. `cluster` is on series where a user's Prometheus servers are read together; elsewhere it is absent."""
OF_MODELS = (CLUSTER, NAMESPACE, MODEL)
OF_SERVERS = (CLUSTER, NAMESPACE, MODEL, SERVER)
OF_GPUS = (CLUSTER, NODE, GPU)
OF_INCIDENTS = (CLUSTER, ALERT, NAMESPACE, MODEL, SERVER, POD, NODE, GPU)
OF_DRIFT = (CLUSTER, MODEL, FEATURE)
OF_WATCHERS = (CLUSTER, INSTANCE)
TITLES = {
    CLUSTER: "Cluster", NAMESPACE: "Namespace", MODEL: "Model", RUNTIME: "Runtime", SERVER: "Server", POD: "Pod", NODE: "Node",
    GPU: "GPU", ALERT: "Alert", FEATURE: "Feature", INSTANCE: "Exporter",
}  # fmt: skip
"""{variable: what people call it}."""


def picked(*names: str) -> tuple[str, ...]:
    """Return the matchers for what is chosen in these variables."""
    return tuple(f'{LABELS[name]}=~"${name}"' for name in names)


def or_all(expr: str, *labels: str) -> str:
    """Return PromQL that writes `All` for labels that a series does not have, for links that choose by them.

    An empty choice would select what has no such label; Grafana reads `All` as the choice of everything.
    """
    return reduce(lambda inner, label: promql.label_replace(inner, label, "All", label), labels, expr)


def opening_on_one(name: str, chain: tuple[Variable, ...]) -> tuple[Variable, ...]:
    """Return the variables with one of them that opens on its first value: everything at once would be dear, and a blur."""
    return tuple(replace(variable, opens_on_all=False) if variable.name == name else variable for variable in chain)


_OF_REQUESTS = f'__name__=~"{s.REQUESTS}|{s.REQUESTS_RUNNING}|{s.REQUESTS_WAITING}"'
"""What tells which models a server has: no runtime tells all three, and some only the last two."""
_OF_WATCHED = f'__name__=~"{s.SERVER_UP}|{s.REQUESTS}|{s.REQUESTS_RUNNING}|{s.REQUESTS_WAITING}"'
"""And that a server is known at all: one that is down tells nothing of its models, and has to be found while all are chosen."""


def of_models() -> tuple[Variable, ...]:
    """Return cluster → namespace → model."""
    return (*_chain(str(s.SERVER_UP), CLUSTER, NAMESPACE), _model())


def of_servers() -> tuple[Variable, ...]:
    """Return cluster → namespace → model → server."""
    return (*of_models(), _variable(SERVER, "", OF_MODELS, _OF_WATCHED))


def of_gpus() -> tuple[Variable, ...]:
    """Return cluster → node → GPU."""
    return _chain(str(s.GPU_UP), *OF_GPUS)


def of_fleet() -> tuple[Variable, ...]:
    """Return the cluster alone."""
    return _chain(str(s.SERVER_UP), CLUSTER)


def of_incidents() -> tuple[Variable, ...]:
    """Return cluster → alert, and namespace → model → server → pod, node → GPU: whatever an alert may be about."""
    cluster, namespace, model, server = of_servers()
    return (
        cluster,
        _variable(ALERT, "ALERTS", (CLUSTER,), f'{c.FAMILY}!=""', f'alertname!="{c.HEARTBEAT}"'),
        namespace,
        model,
        server,
        _variable(POD, "", OF_SERVERS, _OF_REQUESTS),
        _variable(NODE, WATCHED, (CLUSTER, MODEL)),
        _variable(GPU, str(s.GPU_UP), (CLUSTER, NODE)),
    )


def of_drift() -> tuple[Variable, ...]:
    """Return cluster → model → feature."""
    return (
        *of_fleet(),
        _variable(MODEL, "", (CLUSTER,), _OF_REQUESTS),
        _variable(FEATURE, str(s.DRIFT_DETECTED), (CLUSTER, MODEL)),
    )


def of_watchers() -> tuple[Variable, ...]:
    """Return cluster → exporter."""
    return _chain(str(s.EXPORTER_SCRAPES), *OF_WATCHERS)


def _model() -> Variable:
    return _variable(MODEL, "", (CLUSTER, NAMESPACE), _OF_REQUESTS)


def _chain(metric: str, *names: str) -> tuple[Variable, ...]:
    return tuple(_variable(name, metric, names[:place]) for place, name in enumerate(names))


def _variable(name: str, metric: str, above: tuple[str, ...], *matchers: str) -> Variable:
    selected = promql.select(metric, *matchers, *picked(*above))
    return Variable(name=name, title=TITLES[name], label=LABELS[name], metric=selected)
