"""The dashboards as they are built for some settings, and ways to look into them."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from typing import Any, TypeAlias

from atlas_ops import settings
from atlas_ops.catalog import build_catalog
from atlas_ops.catalog.model import Catalog
from atlas_ops.render import dashboards
from atlas_ops.render.dashboards import boards
from atlas_ops.render.dashboards.panels import Board
from atlas_ops.settings import Settings

Json: TypeAlias = dict[str, Any]

DEFAULT = Settings()
CATALOG: Catalog = build_catalog(DEFAULT.parameters)
BOARDS: tuple[Board, ...] = boards.build(CATALOG, DEFAULT)
NAMES = tuple(board.name for board in BOARDS)


@functools.cache
def files(config: str = "") -> dict[str, str]:
    """The files for an `atlas-ops.yaml`, by path."""
    found = settings.parse(config) if config else DEFAULT
    return dashboards.render(build_catalog(found.parameters), found)


@functools.cache
def dashboard(name: str, config: str = "") -> Json:
    """One dashboard as JSON."""
    found: Json = json.loads(files(config)[f"dashboards/{name}.json"])
    return found


def panels(found: Json) -> list[Json]:
    """Everything on the grid but the headings."""
    return [panel for panel in found["panels"] if panel["type"] != "row"]


def queried(found: Json) -> list[Json]:
    """The panels that ask for something."""
    return [panel for panel in panels(found) if panel["type"] != "text"]


def objects(value: object) -> Iterator[Json]:
    """Every JSON object, from the outermost inwards."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from objects(inner)


def expressions(found: Json) -> list[str]:
    """Every PromQL expression of panels and annotations."""
    return [str(one["expr"]) for one in objects(found) if "expr" in one]
