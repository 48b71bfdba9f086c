"""The lists of incidents: the open ones on the first page, and what was. Called by `console.routes`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields

from atlas_ops.pager.access.gate import Visitor
from atlas_ops.pager.console.printer import Printer
from atlas_ops.pager.console.state import State
from atlas_ops.pager.store.search import Wanted
from atlas_ops.pager.store.store import Store

PER_PAGE = 50
"""In a storm a page stays small enough for a phone."""
RECENT = 10
GROUPED = 20
"""Open incidents above which they are counted by fault first."""
_MOST_PAGES = 100_000
_LONGEST = 200


def index(printer: Printer, store: Store, state: State, visitor: Visitor, query: Mapping[str, str]) -> str:
    """Return the first page: what fires, what was resolved last, and how the pager is."""
    wanted, number = _wanted(query), _number(query)
    count, incidents = store.search.page(wanted, resolved=False, first=(number - 1) * PER_PAGE, limit=PER_PAGE)
    _, recent = store.search.page(Wanted(), resolved=True, first=0, limit=RECENT) if wanted.anything else (0, ())
    return printer.page(
        "index.html",
        visitor,
        **_common(store, wanted, number, count, resolved=False),
        state=state,
        incidents=incidents,
        groups=store.search.groups(wanted) if count > GROUPED else (),
        recent=recent,
        still=bool(query.get("still")) or not wanted.anything or number > 1,
    )


def history(printer: Printer, store: Store, visitor: Visitor, query: Mapping[str, str]) -> str:
    """Return the resolved incidents, the last first."""
    wanted, number = _wanted(query), _number(query)
    count, incidents = store.search.page(wanted, resolved=True, first=(number - 1) * PER_PAGE, limit=PER_PAGE)
    shown = _common(store, wanted, number, count, resolved=True)
    return printer.page("history.html", visitor, **shown, incidents=incidents)


def _common(store: Store, wanted: Wanted, number: int, count: int, *, resolved: bool) -> dict[str, object]:
    faults, models = store.search.choices(resolved=resolved)
    pages = max(1, -(-count // PER_PAGE))
    return {
        "wanted": wanted,
        "asked": asdict(wanted),
        "faults": faults,
        "models": models,
        "count": count,
        "number": number,
        "pages": pages,
    }


def _wanted(query: Mapping[str, str]) -> Wanted:
    def of(name: str) -> str:
        return query.get(name, "").replace("\x00", "").strip()[:_LONGEST]

    return Wanted(**{field.name: of(field.name) for field in fields(Wanted)})


def _number(query: Mapping[str, str]) -> int:
    """Return the number of the page that is asked for, from 1."""
    text = query.get("page", "")
    return min(max(1, int(text)), _MOST_PAGES) if text.isascii() and text.isdecimal() and len(text) < 10 else 1
