"""The pages of runbooks: all of them, those with some words in them, and each by itself. Called by `console.routes`."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from markupsafe import Markup

from atlas_ops.pager.access.gate import Visitor
from atlas_ops.pager.composer import Composer
from atlas_ops.pager.console.printer import Printer
from atlas_ops.pager.runbooks.html import to_html
from atlas_ops.pager.runbooks.placeholder import Values
from atlas_ops.pager.runbooks.runbook import Runbook
from atlas_ops.pager.runbooks.search import Hit, find
from atlas_ops.pager.store.search import Wanted
from atlas_ops.pager.store.store import Store

_LONGEST = 200
_SHOWN_INCIDENTS = 20


def all_of_them(printer: Printer, composer: Composer, visitor: Visitor, text: str) -> str:
    """Return the list of runbooks, or of those that hold every word of a text."""
    looked_for = " ".join(text.split())[:_LONGEST]
    families: dict[str, list[Hit]] = {}
    for hit in find(_books(composer), looked_for):
        families.setdefault(hit.family, []).append(hit)
    return printer.page("runbooks.html", visitor, families=families, text=looked_for)


def one(printer: Printer, composer: Composer, store: Store, visitor: Visitor, fault: str) -> str | None:
    """Return the page of a runbook, its placeholders not filled in; None when there is none."""
    book = composer.runbook(fault)
    if book is None:
        return None
    _, incidents = store.search.page(Wanted(fault=fault), resolved=False, first=0, limit=_SHOWN_INCIDENTS)
    shown = html(book, None, composer, printer.root)
    return printer.page(
        "runbook.html", visitor, fault=fault, runbook=shown, checks=composer.checks(fault), incidents=incidents
    )


def html(book: Runbook, values: Values | None, composer: Composer, root: str, *, below: int = 0) -> Markup:
    """Return a runbook, its placeholders filled in, its links leading to pages of the console; `below` as in `to_html`."""
    known = {fault for _, fault in composer.names()}

    def address(fault: str) -> str:
        return f"{root}/runbooks/{quote(fault)}" if fault in known else ""

    # Safe: to_html escapes what it prints, and lets no HTML of the Markdown through.
    return Markup(to_html(book, values, address, below=below))  # noqa: S704


def _books(composer: Composer) -> Iterable[Runbook]:
    found = (composer.runbook(fault) for _, fault in composer.names())
    return (book for book in found if book is not None)
