"""Prints the catalog: `render(catalog, settings)` returns every generated file, as a pure function.

`atlas-ops build` writes the result, `atlas-ops check` compares it with what is on disk, the wheel ships it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from atlas_ops.catalog.model import Catalog
from atlas_ops.render import (
    alertmanager,
    autoscalers,
    configmaps,
    coverage,
    dashboards,
    dialect_schema,
    kubernetes,
    native,
    prometheus,
    provisioning,
    rules,
    runbooks,
    runtimes,
    watcher,
)
from atlas_ops.settings import Settings

Renderer = Callable[[Catalog, Settings], Mapping[str, str]]

RENDERERS: tuple[Renderer, ...] = (
    rules.render,
    autoscalers.render,
    coverage.render,
    native.render,
    alertmanager.render,
    prometheus.render,
    dashboards.render,
    provisioning.render,
    kubernetes.render,
    watcher.render,
    runtimes.render,
    dialect_schema.render,
)


def render(catalog: Catalog, settings: Settings) -> dict[str, str]:
    """Return `{path from the top of the repository: text}` for every file that is generated as a whole."""
    files = {path: text for renderer in RENDERERS for path, text in renderer(catalog, settings).items()}
    return files | configmaps.render(files)


def facts(catalog: Catalog) -> dict[str, str]:
    """Return `{path of a runbook: its facts block}`: the generated part of a file that is written by hand."""
    return {fault.runbook: runbooks.facts(fault) for fault in catalog.faults}
