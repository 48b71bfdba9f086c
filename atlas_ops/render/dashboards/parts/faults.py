"""The panels that the faults of a family are judged by: the last row of the family's dashboard, and where alerts' charts link to."""

from __future__ import annotations

from atlas_ops.catalog.model import Catalog, Family, Fault
from atlas_ops.render.dashboards.grid import full_lines
from atlas_ops.render.dashboards.panels import Chart, Limit, Query, Row, of_fault


def row(family: Family, catalog: Catalog) -> Row:
    """Return the row of a family."""
    faults = catalog.of_family(family)
    return Row(
        key=f"faults-{family.value}",
        title=f"What the faults of {family.value} are judged by",
        panels=full_lines([_panel(fault) for fault in faults]),
    )


def _panel(fault: Fault) -> Chart:
    panel = fault.panel
    return Chart(
        key=of_fault(fault),
        title=panel.title,
        shows=panel.description,
        worry=f"{fault.meaning} Why this limit: {fault.why}",
        faults=(fault.name,),
        empty=panel.empty,
        queries=tuple(Query(expr=expr, legend=legend) for expr, legend in panel.queries),
        unit=panel.unit,
        limit=None if panel.limit is None else Limit(value=panel.limit),
    )
