"""Check: every dashboard is one that Grafana imports and that can show something on at least one runtime.

`layout`, `form`, `choices` and `queries` hold the rules, many of them those of Grafana's dashboard-linter; `check.links` looks
at where links lead. A dashboard of the user's own is welcome in the tree: it may look as it likes, but what it asks has to
have an answer.
"""

from __future__ import annotations

from collections.abc import Iterator

from atlas_ops.check.dashboards import choices, form, layout, queries
from atlas_ops.check.dashboards.reading import Dashboard, Mistake, dashboards, findings
from atlas_ops.check.finding import Finding
from atlas_ops.check.rules import judge_of
from atlas_ops.check.tree import Tree
from atlas_ops.expressions.judge import Judge


def check(tree: Tree) -> Iterator[Finding]:
    """Find what is wrong with the dashboards of a tree."""
    found = dashboards(tree)
    _, judged = judge_of(tree)
    for dashboard in found:
        yield from findings(tree, dashboard.file, _wrong(dashboard, judged))
    yield from _twice(found)


def _wrong(dashboard: Dashboard, judged: Judge) -> Iterator[Mistake]:
    yield from layout.check(dashboard)
    yield from choices.check(dashboard)
    yield from queries.check(dashboard, judged)
    if dashboard.ours:
        yield from form.check(dashboard)


def _twice(found: tuple[Dashboard, ...]) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for dashboard in found:
        first = seen.setdefault(dashboard.uid, dashboard.file)
        if dashboard.uid and first != dashboard.file:
            yield Finding(
                file=dashboard.file,
                message=f"has the uid {dashboard.uid!r} of {first}: Grafana keeps only one of them",
                next_step="give it one of its own",
            )
