"""How a person is called, whoever says so. Used by `access.proxy`, `access.gate` and the console's forms."""

from __future__ import annotations

from atlas_ops.pager.scrub import scrub

LONGEST = 60


def clean(text: str) -> str:
    """Return a name for timelines and messages: one short line, of an e-mail address only what stands before the @."""
    line = " ".join(scrub(text.partition("@")[0]).split())
    return line[:LONGEST].strip()
