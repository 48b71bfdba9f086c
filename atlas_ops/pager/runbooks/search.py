"""Finds runbooks by words in them, without an index: there are some dozens. Pure; called by `console.runbook_pages`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from atlas_ops.pager.runbooks.runbook import Runbook, parser, source

_SHOWN = 200
_WHAT = "What happens: "
"""The line of the facts that says what a fault is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Hit:
    """A runbook that was found, with the first line that says why; the first sentence when nothing was looked for."""

    fault: str
    family: str
    line: str


def find(books: Iterable[Runbook], text: str) -> Iterator[Hit]:
    """Return the runbooks that hold every word of a text, those with all of them in their name first."""
    words = text.casefold().split()
    found = [(book, hit) for book in books if (hit := _hit(book, words)) is not None]
    yield from (hit for _, hit in sorted(found, key=lambda pair: not _named(pair[0], words)))


def _hit(book: Runbook, words: list[str]) -> Hit | None:
    lines = _lines(book.text)
    whole = "\n".join((book.fault, book.family, *lines)).casefold()
    if not all(word in whole for word in words):
        return None
    first = next((line for line in lines if line.startswith(_WHAT)), "").removeprefix(_WHAT)
    best = max([first, *lines], key=lambda line: sum(word in line.casefold() for word in words))
    return Hit(fault=book.fault, family=book.family, line=best if len(best) <= _SHOWN else f"{best[: _SHOWN - 1]}…")


def _named(book: Runbook, words: list[str]) -> bool:
    return bool(words) and all(word in book.fault.casefold() for word in words)


@lru_cache(maxsize=256)
def _lines(text: str) -> tuple[str, ...]:
    """Return the words of a runbook, a line for each paragraph and each line of code."""
    lines: list[str] = []
    for token in parser().parse(source(text)):
        if token.type == "inline":
            words = (child.content if child.type in ("text", "code_inline") else " " for child in token.children or ())
            lines.append(" ".join("".join(words).split()))
        elif token.type in ("fence", "code_block"):
            lines += token.content.splitlines()
    return tuple(lines)
