"""The YAML between two `---` lines that a runbook may begin with: the checks of its fault. Pure.

Called by `runbooks.runbook`, which leaves it out of the page, and by `diagnosis.checks`, which reads it.
"""

from __future__ import annotations

import re

_FRONT = re.compile(r"\A---[ \t]*\n(.*?)^---[ \t]*$", re.DOTALL | re.MULTILINE)


def front(text: str) -> str:
    """Return the YAML, on the lines on which it stands in the file; an empty text when there is none."""
    found = _FRONT.match(text)
    return f"\n{found[1]}" if found else ""


def body(text: str) -> str:
    """Return the Markdown after it, on the lines on which it stands in the file."""
    return _FRONT.sub(lambda found: "\n" * found[0].count("\n"), text)
