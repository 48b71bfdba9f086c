"""Assessments for the terminal. Called by the command."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from atlas_ops.capacity.report import words
from atlas_ops.capacity.report.told import Told
from atlas_ops.capacity.verdict import Standing

_WIDTH, _FIRST = 120, 14
_SIGNS = {Standing.ENOUGH: "ENOUGH", Standing.TOO_FEW: "TOO FEW", Standing.CANNOT_TELL: "CANNOT TELL"}


def text(models: Sequence[Told]) -> str:
    """Return all models, then what was assumed."""
    parts = [line for model in models for line in (*_model(model), "")]
    assumed = _indented("assumed", "; ".join(words.ASSUMPTIONS))
    return "\n".join([*parts, *assumed]) + "\n"


def _model(told: Told) -> Iterator[str]:
    verdict = told.verdict
    yield verdict.assessment.seen.key.title
    sentence = words.headline(verdict).partition(": ")[2] or words.headline(verdict)
    yield from textwrap.wrap(
        f"{_SIGNS[verdict.standing]}: {sentence}", _WIDTH, initial_indent="  ", subsequent_indent="  "
    )
    for name, line in words.lines(verdict, told.cost):
        yield from _indented(name, line)
    for note in verdict.assessment.notes:
        yield from _indented("note", note)


def _indented(name: str, line: str) -> list[str]:
    return textwrap.wrap(
        line, _WIDTH, initial_indent=f"  {name:{_FIRST}}", subsequent_indent=" " * (_FIRST + 2), break_long_words=False
    )
