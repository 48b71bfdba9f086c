"""Prints a runbook as HTML, with its placeholders filled in for an alert. Called by the console and `runbooks.site`.

Values are put into text that is already parsed, and escaped when it is printed: they can be no Markdown and no HTML.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from markdown_it.token import Token

from atlas_ops.pager.runbooks import placeholder
from atlas_ops.pager.runbooks.placeholder import Commands, Values
from atlas_ops.pager.runbooks.runbook import SHELL, Runbook, parser, source

_EFFECT = re.compile(r"\((?:read|change)\b.*\)\s*\Z")
Address = Callable[[str], str]
"""Returns the address of the page of a fault's runbook, or an empty text when there is none."""


def to_html(runbook: Runbook, values: Values | None, address: Address, *, below: int = 0) -> str:
    """Return the runbook as HTML; without values, placeholders read `<pod>`.

    `address` turns links between runbook files into links between pages. `below`: how many levels its headings stand
    below those of a page of its own.
    """
    markdown = parser()
    tokens = list(_tokens(markdown.parse(source(runbook.text)), values, address))
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + below)}"
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
    if info not in SHELL:
        token.content = placeholder.fill_text(token.content, values or {})
        yield token
        return
    filled = (
        Commands(text=placeholder.fill_text(token.content, {}), lacking=())
        if values is None
        else placeholder.fill_commands(token.content, values)
    )
    if filled.text:
        # One element for each command: a tap selects one of them, not all.
        parts = [f"<code>{html.escape(command)}</code>" for command in placeholder.commands(filled.text.strip("\n"))]
        yield _html(f"<pre>{''.join(parts)}</pre>\n")
    if filled.lacking:
        lacking = html.escape(", ".join(filled.lacking))
        yield _html(
            f'<p class="note">Left out here: commands that need {lacking}, which this alert does not name '
            "(or not in a form that is safe in a shell).</p>\n"
        )


def _html(content: str) -> Token:
    token = Token("html_block", "", 0)
    token.content = content
    return token


def _inline(children: Sequence[Token], values: Values | None, address: Address) -> Iterator[Token]:
    dropped = False
    for position, token in enumerate(children):
        if token.type in ("text", "code_inline"):
            command = token.type == "code_inline" and " " in token.content
            token.content = placeholder.fill_text(token.content, values or {}, quoted=command)
        elif token.type == "link_open":
            target = _target(str(token.attrGet("href") or ""), address)
            dropped = not target
            token.attrSet("href", target)
        elif token.type == "softbreak" and _ends_title(children[:position]):
            token.type, token.tag = "hardbreak", "br"
        if not (dropped and token.type in ("link_open", "link_close")):
            yield token


def _ends_title(before: Sequence[Token]) -> bool:
    """Say whether these words are the title of a step, bold and followed by `(read)` or `(change; ...)`."""
    words = [token for token in before if token.type != "text" or token.content]
    told = "".join(token.content for token in words)
    title = bool(words) and words[0].type == "strong_open" and bool(_EFFECT.search(told))
    return title and not any(token.type in ("softbreak", "hardbreak") for token in before)


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
