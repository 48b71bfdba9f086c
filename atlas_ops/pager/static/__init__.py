"""The files that every page of the pager refers to: its style sheet, its icon, and a script that no page needs.

Served by `pager.console`, and copied beside the runbooks by `pager.runbooks.site`.
"""

from __future__ import annotations

from pathlib import Path

STYLE, SCRIPT, ICON = "style.css", "copy.js", "icon.svg"


def text(name: str) -> str:
    """Return one of the files."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8")
