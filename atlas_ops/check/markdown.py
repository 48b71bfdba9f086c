"""What links and anchors a Markdown file has, as GitHub would render it. Called by `check.links` and `check.runbooks`."""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.token import Token

from atlas_ops.pager.runbooks import front_matter

_HTML_ANCHOR = re.compile(r'<[a-z][^>]*?\s(?:id|name)="([^"]+)"', re.IGNORECASE)
_HTML_LINK = re.compile(r'\s(?:href|src)="([^"]+)"', re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """A link or picture of a page."""

    target: str
    line: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """A Markdown file as far as links are concerned."""

    headings: tuple[str, ...]
    anchors: frozenset[str]
    """What may stand after `#` in a link to this page."""
    links: tuple[Link, ...]


@functools.lru_cache(maxsize=256)
def parse(text: str) -> Page:
    """Read a Markdown file; once, however many links lead there."""
    tokens = MarkdownIt("commonmark").enable("table").parse(front_matter.body(text))
    headings = tuple(_headings(tokens))
    html = [token for token in _flat(tokens) if token.type in ("html_block", "html_inline")]
    written = {anchor for token in html for anchor in _HTML_ANCHOR.findall(token.content)}
    return Page(
        headings=headings,
        anchors=frozenset(_slugs(headings)) | written,
        links=tuple(_links(tokens)),
    )


def slug(heading: str) -> str:
    r"""Return GitHub's anchor of a heading: lower case, `[^\p{Word}\- ]` taken out, spaces turned into hyphens."""
    kept = "".join(letter for letter in heading.strip().lower() if letter in "- " or _is_word(letter))
    return kept.replace(" ", "-")


def _is_word(letter: str) -> bool:
    category = unicodedata.category(letter)
    return category[0] in "LM" or category in ("Nd", "Nl", "Pc")


def _slugs(headings: Sequence[str]) -> Iterator[str]:
    # A repeated heading gets -1, -2, ...; GitHub skips a number that another heading has taken.
    taken: dict[str, int] = {}
    for heading in headings:
        base = unique = slug(heading)
        while unique in taken:
            taken[base] += 1
            unique = f"{base}-{taken[base]}"
        taken[unique] = 0
        yield unique


def _flat(tokens: Sequence[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from token.children or ()


def _headings(tokens: Sequence[Token]) -> Iterator[str]:
    for opening, inline in itertools.pairwise(tokens):
        if opening.type == "heading_open":
            parts = [token.content for token in inline.children or () if token.type in ("text", "code_inline")]
            yield "".join(parts)


def _links(tokens: Sequence[Token]) -> Iterator[Link]:
    for block in tokens:
        line = block.map[0] + 1 if block.map else 1
        if block.type == "html_block":
            yield from _html_links(block, line)
        for token in block.children or ():
            if token.type in ("softbreak", "hardbreak"):
                line += 1
            elif token.type == "html_inline":
                yield from _html_links(token, line)
            elif token.type in ("link_open", "image"):
                target = token.attrGet("href" if token.type == "link_open" else "src")
                yield Link(target=str(target), line=line)


def _html_links(token: Token, line: int) -> Iterator[Link]:
    for found in _HTML_LINK.finditer(token.content):
        yield Link(target=found[1], line=line + token.content.count("\n", 0, found.start()))
