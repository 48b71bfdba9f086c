"""Which labels tell the alerts of an incident apart from all others: the matchers of its silence. Pure; called by `deeds.perform` and `slack.links`."""

from __future__ import annotations

from atlas_ops.errors import AtlasError
from atlas_ops.pager.incident import Incident
from atlas_ops.pager.scrub import is_altered

_ELSEWHERE = "silence it on Alertmanager's own page"


def of(incident: Incident) -> dict[str, str]:
    """Return the labels that the firing alerts of an incident have in common.

    AtlasError where a silence of these would quiet more than the incident: its alerts have different names, or a label
    is not known as Alertmanager has it, because something was taken out of it.
    """
    sets = [set(alert.labels.items()) for alert in incident.firing]
    common = dict(sorted(set.intersection(*sets))) if sets else {}
    if not common.get("alertname"):
        raise AtlasError("the alerts of this incident have no name in common", next_step=_ELSEWHERE)
    altered = [name for name, value in common.items() if is_altered(name) or is_altered(value)]
    if altered:
        raise AtlasError(
            f"a silence needs the label {altered[0]}, of which the pager has taken something out that may be secret",
            next_step=_ELSEWHERE,
        )
    return common
