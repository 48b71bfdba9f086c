"""The variables above a dashboard: each that is named exists, each that exists is used, and `All` can be chosen."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from atlas_ops.check.dashboards.reading import Dashboard, Mistake, Part
from atlas_ops.check.finding import did_you_mean
from atlas_ops.expressions.placeholders import variables

_EXACT = re.compile(r"""!?=\s*["']\$\{?(\w+)[^"']*["']""")


def check(dashboard: Dashboard) -> Iterator[Mistake]:
    """Find variables that do not exist, that nothing uses, or that are compared as if only one value could be chosen."""
    defined = {variable.text("name"): variable for variable in dashboard.variables}
    several = {name for name, one in defined.items() if one.body.get("multi") or one.body.get("includeAll")}
    own = {variable.keys: name for name, variable in defined.items()}
    used: set[str] = set()
    for part in dashboard.root.objects():
        for key, text in _texts(part):
            named = set(variables(text))
            # A variable that only its own query names is of no use to anyone.
            used |= named - {own.get(part.keys[:3], "")}
            yield from (part.mistake(key, *wrong) for wrong in _unknown(named, defined))
            yield from (part.mistake(key, *wrong) for wrong in _exact(text, several))
    for name, variable in defined.items():
        if name not in used:
            told = f"nothing uses the variable {name!r}"
            yield variable.mistake("name", told, "take it out, or let the queries use it")


def _unknown(named: set[str], defined: Collection[str]) -> Iterator[tuple[str, str]]:
    for name in sorted(named - set(defined)):
        if not name.startswith("__"):
            told = f"${name} is no variable of this dashboard{did_you_mean(name, defined)}"
            yield told, f"use one of {', '.join(defined) or 'none'}, or add it"


def _exact(text: str, several: set[str]) -> Iterator[tuple[str, str]]:
    for name in sorted(several & set(_EXACT.findall(text))):
        yield (
            f"${name} is compared with =, which finds nothing while several or all are chosen: {text}",
            "write =~ or !~",
        )


def _texts(part: Part) -> Iterator[tuple[str, str]]:
    for key, value in part.body.items():
        if isinstance(value, str):
            yield key, value
        elif isinstance(value, list):
            yield key, " ".join(text for text in value if isinstance(text, str))
