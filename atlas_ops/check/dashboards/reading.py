"""Dashboards as they stand in their files: parts of JSON that know where they are. Read by the rules beside this module.

A file may hold anything, so every look into it is by a name that gives the empty thing where there is none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from atlas_ops.catalog import conventions as c
from atlas_ops.check.finding import Finding
from atlas_ops.check.tree import Tree

Keys = tuple[str | int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Mistake:
    """What is wrong with a dashboard, and where in it."""

    keys: Keys
    """The keys and positions that lead there; the first line of it is told."""
    message: str
    next_step: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One object in the JSON of a dashboard."""

    keys: Keys = ()
    body: Mapping[str, object] = field(default_factory=dict)

    def text(self, key: str) -> str:
        """Return the text under a key."""
        value = self.body.get(key)
        return value if isinstance(value, str) else ""

    def number(self, key: str) -> int | None:
        """Return the whole number under a key."""
        value = self.body.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def part(self, *keys: str) -> Part:
        """Return the object under a chain of keys."""
        found = self
        for key in keys:
            value = found.body.get(key)
            found = Part(keys=(*found.keys, key), body=value if isinstance(value, dict) else {})
        return found

    def parts(self, *keys: str) -> tuple[Part, ...]:
        """Return the objects of the list under a chain of keys."""
        holder, key = self.part(*keys[:-1]), keys[-1]
        value = holder.body.get(key)
        found = enumerate(value if isinstance(value, list) else [])
        return tuple(Part(keys=(*holder.keys, key, n), body=item) for n, item in found if isinstance(item, dict))

    def objects(self) -> Iterator[Part]:
        """Yield this object and every one within it, from the outermost inwards."""
        yield self
        for key, value in self.body.items():
            inner = self.parts(key) if isinstance(value, list) else (self.part(key),) if isinstance(value, dict) else ()
            for part in inner:
                yield from part.objects()

    def mistake(self, key: str, message: str, next_step: str) -> Mistake:
        """Return a mistake about the value under a key."""
        return Mistake(keys=(*self.keys, key), message=message, next_step=next_step)


@dataclass(frozen=True, kw_only=True, slots=True)
class Dashboard:
    """One file."""

    file: str
    root: Part
    ours: bool
    """Whether atlas-ops prints it. One of the user's own has to work, and may look as it likes."""

    @property
    def uid(self) -> str:
        """What links lead by."""
        return self.root.text("uid")

    @property
    def panels(self) -> tuple[Part, ...]:
        """Every panel and row; those of a folded row lie within it."""
        outer = self.root.parts("panels")
        return tuple(part for panel in outer for part in (panel, *panel.parts("panels")))

    @property
    def variables(self) -> tuple[Part, ...]:
        """Every variable."""
        return self.root.parts("templating", "list")

    @property
    def annotations(self) -> tuple[Part, ...]:
        """Every query for annotations."""
        return self.root.parts("annotations", "list")


def dashboards(tree: Tree) -> tuple[Dashboard, ...]:
    """Return the dashboards of a tree; `check.syntax` finds files that cannot be read."""
    return tuple(found for path in tree.files("dashboards/*.json") if (found := _read(tree, path)) is not None)


def _read(tree: Tree, path: str) -> Dashboard | None:
    try:
        body = json.loads(tree.text(path))
    except ValueError:
        return None
    root = Part(body=body if isinstance(body, dict) else {})
    ours = path in tree.generated or root.text("uid").startswith(c.DASHBOARD_UID_PREFIX)
    return Dashboard(file=path, root=root, ours=ours)


def named(panel: Part) -> str:
    """Return how people call a panel."""
    return f"panel {panel.text('title')!r}" if panel.text("title") else f"the panel with id {panel.body.get('id')}"


def findings(tree: Tree, file: str, mistakes: Iterator[Mistake]) -> Iterator[Finding]:
    """Give the mistakes of a file their lines, which are looked for only where there are mistakes."""
    found = list(mistakes)
    lines = {leaf.path: leaf.line for leaf in tree.leaves(file)} if found else {}
    for mistake in found:
        yield Finding(
            file=file,
            line=_line(lines, mistake.keys),
            message=mistake.message,
            next_step=mistake.next_step,
        )


def _line(lines: Mapping[Keys, int], keys: Keys) -> int:
    """Return the first line of what stands under these keys, or of the nearest thing around it that stands there."""
    for end in range(len(keys), 0, -1):
        within = [line for path, line in lines.items() if path[:end] == keys[:end]]
        if within:
            return min(within)
    return 1
