"""Names of columns, files and categories as a terminal may show them. Called by `drift.report.text` and the commands; without numpy."""

from __future__ import annotations


def printable(line: str) -> str:
    """Return a line in which control characters and line breaks, which a name may hold, are written as escapes."""
    return line if line.isprintable() else "".join(one if one.isprintable() else ascii(one)[1:-1] for one in line)
