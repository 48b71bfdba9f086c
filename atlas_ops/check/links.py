"""Check: every link leads somewhere, anchor included: in Markdown files, and from alerts to runbooks and panels."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from atlas_ops.check import markdown
from atlas_ops.check.finding import Finding, did_you_mean
from atlas_ops.check.tree import Tree

_PAGES = ("*.md", "docs/**/*.md", "runbooks/**/*.md", "exporters/**/*.md")
_RUNBOOK = re.compile(r"https?://\S+?/runbooks/(?P<name>\w+)(?:#(?P<anchor>[\w-]*))?")
_PANEL = re.compile(r"https?://\S+?/d/(?P<uid>[\w-]+)/[^\s?]*\?viewPanel=(?:panel-)?(?P<panel>\w+)")


def check(tree: Tree) -> Iterator[Finding]:
    """Find links whose target, heading or panel does not exist."""
    for path in tree.files(*_PAGES):
        for link in markdown.parse(tree.text(path)).links:
            yield from _markdown_link(tree, path, link)
    panels = _panels(tree)
    for path in tree.files("alerts/*", "dashboards/*.json"):
        for number, line in enumerate(tree.text(path).splitlines(), start=1):
            for found in _RUNBOOK.finditer(line):
                yield from _runbook_link(tree, path, number, found)
            for found in _PANEL.finditer(line):
                if (found["uid"], found["panel"]) not in panels:
                    yield _broken(
                        path, number, f"links to panel {found['panel']} of the dashboard {found['uid']}, which"
                    )


def _runbook_link(tree: Tree, path: str, line: int, found: re.Match[str]) -> Iterator[Finding]:
    fault = tree.catalog.fault(found["name"])
    if fault is None:
        near = did_you_mean(found["name"], (known.name for known in tree.catalog.faults))
        yield _broken(path, line, f"links to the runbook of {found['name']}, a fault that", near)
    else:
        yield from _target(tree, path, line, fault.runbook, found["anchor"] or "")


def _markdown_link(tree: Tree, path: str, link: markdown.Link) -> Iterator[Finding]:
    try:
        parts = urlsplit(link.target)
    except ValueError:
        yield _broken(path, link.line, f"links to {link.target}, an address that")
        return
    wanted, anchor = unquote(parts.path), unquote(parts.fragment)
    if parts.scheme or parts.netloc or "{{" in wanted + anchor:
        return
    folder = "" if wanted.startswith("/") else posixpath.dirname(path)
    wanted = posixpath.normpath(f"{folder}/{wanted}".lstrip("/")) if wanted else path
    if wanted.split("/")[0] == "..":
        yield _broken(path, link.line, f"links to {link.target}, which leads out of the tree and so")
    else:
        yield from _target(tree, path, link.line, wanted, anchor)


def _target(tree: Tree, path: str, line: int, wanted: str, anchor: str) -> Iterator[Finding]:
    if not tree.has(wanted):
        yield _broken(path, line, f"links to {wanted}, which")
    elif anchor and wanted.endswith(".md"):
        anchors = markdown.parse(tree.text(wanted)).anchors
        if anchor not in anchors:
            near = did_you_mean(anchor, anchors)
            yield _broken(path, line, f"links to {wanted}#{anchor}, a heading that", near)


def _panels(tree: Tree) -> frozenset[tuple[str, str]]:
    """Return (uid of the dashboard, id of the panel) for every panel."""
    found: set[tuple[str, str]] = set()
    for path in tree.files("dashboards/*.json"):
        leaves = tree.leaves(path)
        uid = next((leaf.value for leaf in leaves if leaf.path == ("uid",)), "")
        found |= {(uid, leaf.value) for leaf in leaves if leaf.key == "id" and leaf.path[-3:-2] == ("panels",)}
    return frozenset(found)


def _broken(path: str, line: int, what: str, near: str = "") -> Finding:
    return Finding(
        file=path,
        line=line,
        message=f"{what} does not exist{near}",
        next_step="bring the target back, or mend the link (in a generated file: in the catalog)",
    )
