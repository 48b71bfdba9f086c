"""Where the links of an alert lead; the one place that knows these addresses. Used by the other renderers and `check`."""

from __future__ import annotations

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog.model import Family, Fault, Rule
from atlas_ops.render.dashboards import panels
from atlas_ops.settings import Settings

INCIDENT = "incident"
"""The dashboard that shows everything about the labels of one alert."""
BOARD_OF_FAMILY = {
    Family.LATENCY: "latency",
    Family.CAPACITY: "capacity-cost",
    Family.AVAILABILITY: "server",
    Family.HARDWARE: "gpu-node",
    Family.DRIFT: "drift",
    Family.COST: "capacity-cost",
    Family.BLINDNESS: "atlas",
}
"""The dashboard with the panels that the faults of a family are judged by."""
_VARIABLES = {
    "model": c.MODEL, "namespace": c.K8S_NAMESPACE, "server": c.SERVER, "pod": c.K8S_POD, "node": c.HOST_NAME, "gpu": c.GPU,
}  # fmt: skip
"""{variable of the dashboards: label of an alert that it is chosen by}."""


def uid(board: str) -> str:
    """Return the uid of a dashboard of ours by its name."""
    return f"{c.DASHBOARD_UID_PREFIX}{board}"


def runbook(fault: Fault, settings: Settings) -> str:
    """Return the address of the runbook of a fault, at the section that says what to do."""
    return f"{settings.links.pager}/runbooks/{fault.name}#mitigation"


def dashboard(rule: Rule, fault: Fault, settings: Settings) -> str:
    """Return the address of all that is known about an alert: a template that chooses what the alert is about."""
    return f"{_board(INCIDENT, settings)}?var-alertname={fault.name}{_chosen(rule)}"


def chart(rule: Rule, fault: Fault, settings: Settings) -> str:
    """Return the address of the panel that a fault is judged by, with a template as for `dashboard`."""
    panel = panels.panel_id(panels.of_fault(fault))
    return f"{_board(BOARD_OF_FAMILY[fault.family], settings)}?viewPanel={panel}{_chosen(rule)}"


def _board(name: str, settings: Settings) -> str:
    return f"{settings.links.grafana}/d/{uid(name)}/{uid(name)}"


def _chosen(rule: Rule) -> str:
    # Another rule of the fault may leave a label out, and an empty one would select nothing.
    return "".join(
        f"{{{{ with $labels.{label} }}}}&var-{name}={{{{ . | urlquery }}}}{{{{ end }}}}"
        for name, label in _VARIABLES.items()
        if label in rule.labels
    )
