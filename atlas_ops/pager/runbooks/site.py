"""All runbooks as a static site, for whoever has to read them while no pager runs. Pure; called by `atlas-ops runbooks build`.

Every address is relative: the site works in any folder of any web server, and straight from a disk. The page of a fault is
`FAULT.html`, which is where the links of alerts lead when `links.runbooks` is set (`render.links`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from atlas_ops.errors import ConfigError
from atlas_ops.pager import static
from atlas_ops.pager.diagnosis import checks
from atlas_ops.pager.runbooks.html import to_html
from atlas_ops.pager.runbooks.runbook import Runbook
from atlas_ops.pager.runbooks.search import Hit, find

GENERATOR = '<meta name="generator" content="atlas-ops runbooks build">'
"""Stands in every page, so that old ones are known again."""
_TEMPLATES = Path(__file__).parent / "templates"


def render(books: Sequence[Runbook]) -> dict[str, str]:
    """Return every file of the site, {name: text}; ConfigError with the mistakes of all front matter."""
    pages = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    families: dict[str, list[Hit]] = {}
    for hit in find(books, ""):
        families.setdefault(hit.family, []).append(hit)
    files = {name: static.text(name) for name in (static.STYLE, static.SCRIPT, static.ICON)}
    files["index.html"] = pages.get_template("site_index.html").render(families=families)
    known = frozenset(book.fault for book in books)
    asked = _checks(books)
    for book in books:
        files[f"{book.fault}.html"] = pages.get_template("site_page.html").render(
            fault=book.fault,
            family=book.family,
            # Safe: to_html escapes what it prints, and lets no HTML of the Markdown through.
            runbook=Markup(to_html(book, None, lambda fault: f"{fault}.html" if fault in known else "")),  # noqa: S704
            checks=asked[book.fault],
            others=[hit.fault for hit in families[book.family]],
        )
    return files


def _checks(books: Sequence[Runbook]) -> dict[str, tuple[checks.Check, ...]]:
    found: dict[str, tuple[checks.Check, ...]] = {}
    errors: list[ConfigError] = []
    for book in books:
        try:
            found[book.fault] = checks.read(book.text, f"{book.family}/{book.fault}.md")
        except ConfigError as error:
            errors.append(error)
    if errors:
        raise ConfigError.of_all("runbooks", errors)
    return found
