"""Errors that GPUs tell: of their memory, and as XIDs."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.render.dashboards.panels import Chart, Column, Limit, Number, Query, Table
from atlas_ops.render.dashboards.parts.gpus import ANY, BY_WHOLE, PLACE, columns, greatest, named
from atlas_ops.render.dashboards.parts.requests import WINDOW

_DAY = "1d"
_DAY_SECONDS = 86_400
_EVENT = (c.XID, "owner")


def xids_of_day(*matchers: str) -> Number:
    """Return how many XIDs came in the last day, each code of each GPU once."""
    # By the time of the last one: their counters are a hundred for each GPU.
    last = promql.select(s.GPU_XID_LAST, 'owner!="application"', *matchers)
    came = f"time() - {greatest((*BY_WHOLE, c.XID), f'max_over_time({last}[{_DAY}])')} < {_DAY_SECONDS}"
    return Number(
        key="xids-of-day",
        title="XIDs of a day",
        shows="XIDs of hardware and driver in the last day, each code of each GPU once; those of applications do not count.",
        worry="it is not zero.",
        faults=("GpuXidHardware",),
        query=Query(expr=f"count({came}) or 0 * sum({promql.select(s.GPU_UP, *matchers)})", legend="XIDs"),
        unit="short",
        limit=ANY,
        width=3,
    )


def ecc(*matchers: str, width: int = 12) -> Chart:
    """Return memory errors by type and location, of all GPUs together."""
    labels = ("type", "location")
    errors = promql.sum_by(labels, promql.increase(s.GPU_ECC_ERRORS, WINDOW, *matchers))
    return Chart(
        key="gpu-ecc",
        title="Memory errors by location",
        shows="Errors of the GPUs' memories from one point of the chart to the next. Corrected ones are what ECC is there for.",
        worry="one is `uncorrected`: its data is lost.",
        faults=("GpuMemoryErrors",),
        queries=(Query(expr=errors, legend="{{type}} {{location}}"),),
        unit="short",
        width=width,
    )


def memory_health(*matchers: str, width: int = 24) -> Table:
    """Return how worn the memory of each GPU is: errors since it was made, rows replaced, pages retired."""
    uncorrected, corrected = (
        promql.select(s.GPU_ECC_ERRORS, f'type="{kind}"', *matchers) for kind in ("uncorrected", "corrected")
    )
    figures: tuple[tuple[str, str, Limit | None], ...] = (
        ("Uncorrected", promql.sum_by(BY_WHOLE, uncorrected), None),
        ("Corrected", promql.sum_by(BY_WHOLE, corrected), None),
        ("Rows replaced", promql.sum_by(BY_WHOLE, promql.select(s.GPU_REMAPPED_ROWS, *matchers)), None),
        ("Waits for a reset", greatest(BY_WHOLE, promql.select(s.GPU_ROW_REMAP_PENDING, *matchers)), ANY),
        ("Not replaceable", greatest(BY_WHOLE, promql.select(s.GPU_ROW_REMAP_FAILURE, *matchers)), ANY),
        ("Pages retired", promql.sum_by(BY_WHOLE, promql.select(s.GPU_RETIRED_PAGES, *matchers)), None),
    )
    return Table(
        key="gpu-memory-health",
        title="Wear of the memory",
        shows=(
            "Errors that each GPU has counted, and what was done about them: rows since Ampere, pages on older parts and on AMD. "
            "NVIDIA's count since the part was made."
        ),
        worry="a row waits for a reset or cannot be replaced.",
        faults=("GpuMemoryErrors", "GpuRowRemapPending"),
        queries=tuple(Query(expr=expr, legend="") for _, expr, _ in figures),
        columns=(
            *PLACE,
            *columns((title, "short", limit) for title, _, limit in figures),
        ),
        width=width,
    )


def since_xid(by: tuple[str, ...], *matchers: str, width: int = 12) -> Chart:
    """Return the time since the last XID of each code."""
    last = greatest((*by, c.XID), promql.select(s.GPU_XID_LAST, *matchers))
    return Chart(
        key="since-xid",
        title="Time since the last XID, by code",
        shows="A line that falls to zero is an XID. Codes that have not come since the exporter's start have no line.",
        worry="a line falls to zero.",
        faults=("GpuXidHardware", "GpuXidApplication"),
        empty="while no XID has come since the exporter's start",
        queries=(Query(expr=f"time() - {last}", legend=f"{named(by)} XID {{{{{c.XID}}}}}"),),
        unit="s",
        width=width,
    )


def xids(by: tuple[str, ...], *matchers: str, width: int = 24) -> Table:
    """Return the XIDs that came, with whose fault they are and the time of the last."""
    last = greatest((*by, *_EVENT), promql.select(s.GPU_XID_LAST, *matchers))
    return Table(
        key="xids",
        title="XIDs by code",
        shows="Codes that came since the exporter's start; the runbooks say what each means.",
        worry="the owner is `hardware` or `driver`. Those of an `application` are its own.",
        faults=("GpuXidHardware", "GpuXidApplication"),
        empty="while no XID has come since the exporter's start",
        queries=(Query(expr=f"{last} * 1000", legend=""),),
        columns=(
            *PLACE,
            Column(source=c.XID, title="XID"),
            Column(source="owner", title="Owner"),
            Column(source="Value #A", title="Last", unit="dateTimeAsIso"),
        ),
        width=width,
        height=5,
    )
