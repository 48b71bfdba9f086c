"""The user's own routes and receivers of Alertmanager, which stand in the generated configuration beside the pager's.

Read by `settings.alertmanager` from a file in Alertmanager's own format; printed by `render.alertmanager`. What is checked
here is what the two parts have in common; the rest is for `amtool check-config`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from atlas_ops.document import Document, Plain, Section
from atlas_ops.errors import ConfigError

PAGER = "atlas-pager"
NOBODY = "nobody"
WITHOUT_PAGER = "slack-without-pager"
_OURS = (PAGER, NOBODY, WITHOUT_PAGER)
_LISTS = ("receivers", "routes", "inhibit_rules", "time_intervals", "templates")
_KEYS = (*_LISTS, "global")

Entry = Mapping[str, "Value"]
Value = str | int | float | bool | Sequence["Value"] | Entry


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnRoutes:
    """Parts of an Alertmanager configuration. Each route goes on to the pager's, unless it says `continue: false`."""

    receivers: tuple[Entry, ...] = ()
    routes: tuple[Entry, ...] = ()
    inhibit_rules: tuple[Entry, ...] = ()
    others: Entry = field(default_factory=dict)
    """`global`, `time_intervals` and `templates`."""


def read_own_routes(section: Section, key: str) -> OwnRoutes:
    """Read the file that a key names; its mistakes are noted at the key."""
    path = section.string(key)
    if not path:
        return OwnRoutes()
    try:
        plain = Document.read(Path(path)).plain or {}
    except ConfigError as error:
        section.mistake(key, f"{path}: {'; '.join(error.mistakes)}")
        return OwnRoutes()
    mistakes = list(_shape(plain))
    if not mistakes:
        mistakes = list(_names(cast("Mapping[str, list[dict[str, Plain]]]", plain)))
    for mistake in mistakes:
        section.mistake(key, f"{path}: {mistake}")
    return OwnRoutes() if mistakes else _own(cast("Mapping[str, Value]", plain))


def _own(found: Mapping[str, Value]) -> OwnRoutes:
    def entries(key: str) -> tuple[Entry, ...]:
        return tuple(cast("Sequence[Entry]", found.get(key, ())))

    return OwnRoutes(
        receivers=entries("receivers"),
        routes=tuple({**route, "continue": route.get("continue", True)} for route in entries("routes")),
        inhibit_rules=entries("inhibit_rules"),
        others={key: found[key] for key in ("global", "templates", "time_intervals") if key in found},
    )


def _shape(found: Plain) -> Iterator[str]:
    if not isinstance(found, dict):
        yield f"expected keys of {', '.join(_KEYS)}"
        return
    for key, value in found.items():
        if key not in _KEYS:
            hint = "; give the children of `route` under `routes`" if key == "route" else ""
            yield f"{key}: unknown key; known keys: {', '.join(_KEYS)}{hint}"
        elif key in _LISTS and not isinstance(value, list):
            yield f"{key}: expected a list"
        elif (
            key in _LISTS
            and key != "templates"
            and not all(isinstance(entry, dict) for entry in cast("list[Plain]", value))
        ):
            yield f"{key}: expected a list of keys with values"


def _names(found: Mapping[str, list[dict[str, Plain]]]) -> Iterator[str]:
    """Yield what is wrong with names of receivers."""
    names = [str(receiver.get("name") or "") for receiver in found.get("receivers", [])]
    for name in dict.fromkeys(names):
        if not name:
            yield "receivers: each needs a name"
        elif name in _OURS:
            yield f"receivers: {name} is one of atlas-ops' own; give it another name"
        elif names.count(name) > 1:
            yield f"receivers: {name} is there twice"
    for receiver in dict.fromkeys(_receivers(found.get("routes", []))):
        if receiver not in (*names, *_OURS):
            yield f"routes: there is no receiver {receiver}"


def _receivers(routes: object) -> Iterator[str]:
    for route in routes if isinstance(routes, list) else []:
        if isinstance(route, dict):
            if route.get("receiver"):
                yield str(route["receiver"])
            yield from _receivers(route.get("routes"))
