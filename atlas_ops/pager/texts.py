"""Makes texts fit, whatever alerts say. Pure; used by Slack's messages and the other ways."""

from __future__ import annotations

from collections.abc import Callable


def cut(text: str, limit: int, size: Callable[[str], int] = len) -> str:
    """Return the text, or as much of its beginning as fits into `limit` with an ellipsis; `size` counts (monotonically)."""
    if size(text) <= limit:
        return text
    low, high = 0, min(len(text), limit)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if size(text[:middle]) < limit else (low, middle - 1)
    return text[:low].rstrip() + "…"
