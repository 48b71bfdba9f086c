"""Proves offline that a tree is whole: generated files, runbooks, links, metrics, rules and dialects fit together.

Called by `atlas-ops check`. Each check is a function from the tree to findings; none prints, none needs a network.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from atlas_ops import render
from atlas_ops.catalog.model import Catalog
from atlas_ops.check import (
    cases,
    counting,
    dashboards,
    dialects,
    generated,
    links,
    metrics,
    programs,
    rules,
    runbook_checks,
    runbooks,
    syntax,
    templates,
)
from atlas_ops.check.finding import Finding
from atlas_ops.check.tree import Tree, Which
from atlas_ops.settings import Settings

Check = Callable[[Tree], Iterable[Finding]]

CHECKS: tuple[Check, ...] = (
    syntax.check,
    generated.check,
    runbooks.check,
    runbook_checks.check,
    links.check,
    metrics.check,
    rules.check,
    templates.check,
    dashboards.check,
    cases.check,
    dialects.check,
    counting.check,
    programs.check,
)


def run(
    root: Path, catalog: Catalog, settings: Settings, *, config: str = "atlas-ops.yaml", which: Which = shutil.which
) -> tuple[Finding, ...]:
    """Run every check on the tree at `root`; return what they found, by file and line. `config` is where the settings stand."""
    tree = Tree(
        root=root,
        catalog=catalog,
        settings=settings,
        config=config,
        generated=render.render(catalog, settings),
        facts=render.facts(catalog),
        which=which,
    )
    return tuple(sorted({finding for check in CHECKS for finding in check(tree)}))


__all__ = ["Finding", "run"]
