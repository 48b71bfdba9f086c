"""A finding: one thing that is wrong in a tree, as data. Made by the checks, printed by `cli.check`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Finding:
    """What is wrong, where, and what to do about it."""

    file: str
    """Path from the top of the tree."""
    line: int = 1
    """Counted from 1; 1 as well for what concerns the whole file."""
    message: str
    next_step: str


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean X?` for the nearest known word, or an empty text when none is near."""
    near = difflib.get_close_matches(word, tuple(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""
