"""Prints the templates of the console; every value is escaped. Made by `console.routes`, used by each page."""

from __future__ import annotations

import time
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from atlas_ops.pager import times
from atlas_ops.pager.access.gate import Visitor
from atlas_ops.pager.runbooks import placeholder
from atlas_ops.pager.slack.blocks import Block

_TEMPLATES = (Path(__file__).parent / "templates", Path(__file__).parents[1] / "runbooks" / "templates")


class Printer:
    """Knows below which path the pages are (`root`, without a slash at its end), and whether people log in there."""

    def __init__(self, root: str, *, login: bool = False) -> None:
        self.root = root
        self._pages = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._pages.globals |= {"root": root, "login": login, "visitor": None}
        self._pages.filters |= {
            "moment": times.moment,
            "lasting": times.length,
            "kind": _kind,
            "commands": placeholder.commands,
            "query": _query,
        }

    @classmethod
    @lru_cache(maxsize=16)
    def of(cls, root: str, *, login: bool) -> Printer:
        """Return the printer for a path: templates are compiled once."""
        return cls(root, login=login)

    def page(self, template: str, visitor: Visitor | None = None, **values: object) -> str:
        """Return a page for a visitor; None: somebody who may see nothing but this."""
        return self._pages.get_template(template).render(now=time.time(), visitor=visitor, **values)

    def notice(self, title: str, text: str, visitor: Visitor | None = None) -> str:
        """Return a page that says what is wrong, with a way back."""
        return self.page("notice.html", visitor, title=title, text=text)


def _kind(block: Block) -> str:
    return type(block).__name__


def _query(values: dict[str, object]) -> str:
    """Return what stands behind the `?` of an address, without what is empty."""
    return urlencode({name: value for name, value in values.items() if value})
