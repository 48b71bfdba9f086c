"""Prints a runbook as HTML, with its placeholders filled in for an alert. Called by `pager.console`.

Values are put into text that is already parsed, and escaped when it is printed: they can be no Markdown and no HTML.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from markdown_it.token import Token

from atlas_ops.pager import placeholder
from atlas_ops.pager.placeholder import Values
from atlas_ops.pager.runbook import SHELL, Runbook, parser, source

Address = Callable[[str], str]
"""Returns the address of the page of a fault's runbook, or an empty text when there is none."""


def to_html(runbook: Runbook, values: Values | None, address: Address) -> str:
    """Return the runbook as HTML; without values, placeholders read `<pod>`.

    `address` turns links between runbook files into links between pages.
    """
    markdown = parser()
    tokens = list(_tokens(markdown.parse(source(runbook.text)), values, address))
    return str(markdown.renderer.render(tokens, markdown.options, {}))


def _tokens(tokens: Sequence[Token], values: Values | None, address: Address) -> Iterator[Token]:
    for position, token in enumerate(tokens):
        if token.type == "heading_open":
            token.attrSet("id", _slug(tokens[position + 1].content))
        if token.type in ("fence", "code_block"):
            yield from _code(token, values)
        else:
            if token.children:
                token.children = list(_inline(token.children, values, address))
            yield token


def _code(token: Token, values: Values | None) -> Iterator[Token]:
    info = token.info.strip().split(" ")[0].lower() if token.info.strip() else ""
    if values is None or info not in SHELL:
        token.content = placeholder.fill_text(token.content, values or {})
        yield token
        return
    filled = placeholder.fill_commands(token.content, values)
    if filled.text:
        token.content = filled.text + "\n"
        yield token
    if filled.lacking:
        lacking = html.escape(", ".join(filled.lacking))
        note = Token("html_block", "", 0)
        note.content = f'<p class="note">Left out here: commands that need {lacking}, which this alert does not name (or not in a form that is safe in a shell).</p>\n'
        yield note


def _inline(children: Sequence[Token], values: Values | None, address: Address) -> Iterator[Token]:
    dropped = False
    for token in children:
        if token.type in ("text", "code_inline"):
            command = token.type == "code_inline" and " " in token.content
            token.content = placeholder.fill_text(token.content, values or {}, quoted=command)
        elif token.type == "link_open":
            target = _target(str(token.attrGet("href") or ""), address)
            dropped = not target
            token.attrSet("href", target)
        if not (dropped and token.type in ("link_open", "link_close")):
            yield token


def _target(href: str, address: Address) -> str:
    """Return where a link leads on the pager's pages; empty when nowhere."""
    parts = urlsplit(href)
    if parts.scheme in ("http", "https"):
        return "" if "%7B%7B" in href else href
    if parts.scheme or parts.netloc:
        return ""
    anchor = f"#{parts.fragment}" if parts.fragment else ""
    if not parts.path:
        return anchor
    page = address(PurePosixPath(parts.path).stem) if parts.path.endswith(".md") else ""
    return page + anchor if page else ""


def _slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
