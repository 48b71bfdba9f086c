"""Check: every YAML and JSON file can be read at all; the other checks pass over those that cannot."""

from __future__ import annotations

import re
from collections.abc import Iterator

from atlas_ops.check.finding import Finding
from atlas_ops.check.tree import Tree
from atlas_ops.document import Document
from atlas_ops.errors import ConfigError

_LINE = re.compile(r"line (\d+): (.*)", re.DOTALL)


def check(tree: Tree) -> Iterator[Finding]:
    """Find files that are neither YAML nor JSON."""
    for path in tree.files(
        "alerts/*.yaml", "alerts/*.yml", "alerts/native/*.yaml", "dashboards/*.json", "tests/alerts/*/*.yaml"
    ):
        try:
            Document(tree.text(path), path)
        except ConfigError as error:
            yield from mistakes(error, path)


def mistakes(error: ConfigError, path: str) -> Iterator[Finding]:
    """Turn the mistakes of a file, with the line that each names, into findings."""
    for mistake in error.mistakes:
        line = _LINE.fullmatch(mistake)
        yield Finding(
            file=path,
            line=int(line[1]) if line else 1,
            message=line[2] if line else mistake,
            next_step=error.next_step or "mend the syntax",
        )
