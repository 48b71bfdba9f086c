"""The table for a comment on a pull request."""

from __future__ import annotations

from atlas_ops.gate.judge import Judgement
from atlas_ops.gate.report import words


def text(judgement: Judgement) -> str:
    """Return it as GitHub's Markdown."""
    lines = [
        f"**Gate: {words.sentence(judgement)}**",
        "",
        f"Canary against baseline, {judgement.runs[1]} against {judgement.runs[0]} runs.",
        "",
        _line(words.COLUMNS),
        _line(["---"] * len(words.COLUMNS)),
        *(_line(words.row(finding)) for finding in judgement.findings),
        *(["", *(f"- {_escaped(note)}" for note in judgement.notes)] if judgement.notes else []),
    ]
    return "\n".join(lines) + "\n"


def _line(cells: tuple[str, ...] | list[str]) -> str:
    return f"| {' | '.join(map(_escaped, cells))} |"


def _escaped(text: str) -> str:
    """Names of files are other people's words: they must not become markup."""
    return "".join(f"\\{letter}" if letter in "|<>[]`*\\" else letter for letter in text)
