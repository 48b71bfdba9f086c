"""Links from one value or one row to another dashboard: they keep time and data source, and choose what was clicked on.

Called by `shapes`.
"""

from __future__ import annotations

from collections.abc import Callable

from atlas_ops.render import links
from atlas_ops.render.dashboards.panels import Link

Json = dict[str, object]


def of_series(link: Link) -> Json:
    """Return the link of a series, which reads its labels."""
    return _link(link, lambda label: f"${{__field.labels.{label}}}")


def of_row(link: Link) -> Json:
    """Return the link of a row of a table, which reads its other columns."""
    return _link(link, lambda label: f'${{__data.fields["{label}"]}}')


def _link(link: Link, value: Callable[[str], str]) -> Json:
    if link.url:
        return {"title": link.title, "url": link.url, "targetBlank": True}
    chosen = "".join(f"&var-{name}={value(label)}" for name, label in link.variables.items())
    return {
        "title": link.title,
        "url": f"/d/{links.uid(link.board)}?${{datasource:queryparam}}{chosen}&${{__url_time_range}}",
        "targetBlank": False,
    }
