"""The table that the command prints."""

from __future__ import annotations

import textwrap

from atlas_ops.gate.judge import Judgement
from atlas_ops.gate.report import words

_WIDTH = 110


def text(judgement: Judgement) -> str:
    """Return the table, what should be known of it, and the verdict as the last line."""
    rows = [words.COLUMNS, *map(words.row, judgement.findings)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(words.COLUMNS))]
    lines = [
        f"canary against baseline: {judgement.runs[1]} against {judgement.runs[0]} runs",
        *("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows),
        *(textwrap.fill(f"note: {note}", _WIDTH, subsequent_indent="  ") for note in judgement.notes),
        textwrap.fill(words.sentence(judgement), _WIDTH, subsequent_indent="  "),
    ]
    return "\n".join(lines) + "\n"
