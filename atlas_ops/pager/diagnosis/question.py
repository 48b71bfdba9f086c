"""Fills the placeholders of a check's query with an alert's labels, so that no value can change the query. Pure.

Called by `diagnosis.ask`. A placeholder stands inside a double-quoted text of PromQL (`atlas_ops.check` sees to it); a label
that the alert lacks becomes "", which to PromQL means that the series has no such label.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from atlas_ops import promql
from atlas_ops.pager.runbooks.placeholder import PLACEHOLDER, Values, alternatives, value_of

_QUOTED = re.compile(r'(=~|!~)?(\s*)("(?:\\.|[^"\\])*")')


def filled(query: str, values: Values) -> str:
    """Return the query for an alert."""

    def fill(found: re.Match[str]) -> str:
        pattern = found[1] is not None
        inner = PLACEHOLDER.sub(lambda place: _escaped(value_of(place, values), pattern=pattern), found[3])
        return f"{found[1] or ''}{found[2]}{inner}"

    return _QUOTED.sub(fill, query)


def words(text: str) -> Iterator[str]:
    """Yield the words of all placeholders in a text."""
    for found in PLACEHOLDER.finditer(text):
        yield from alternatives(found)


def unquoted(query: str) -> tuple[str, ...]:
    """Return the placeholders that do not stand inside a double-quoted text: those cannot be filled in safely."""
    return tuple(found[0] for found in PLACEHOLDER.finditer(_QUOTED.sub("", query)))


def _escaped(value: str, *, pattern: bool) -> str:
    return promql.escaped(re.escape(value) if pattern else value)
