"""Check: every link leads somewhere: in Markdown files to headings, from alerts and dashboards to runbooks, dashboards and panels."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from atlas_ops.catalog import conventions
from atlas_ops.check import markdown
from atlas_ops.check.dashboards.reading import dashboards
from atlas_ops.check.finding import Finding, did_you_mean
from atlas_ops.check.tree import Tree

_PAGES = ("*.md", "docs/**/*.md", "runbooks/**/*.md", "exporters/**/*.md")
_RUNBOOK = re.compile(r"https?://\S+?/runbooks/(?P<name>\w+)(?:#(?P<anchor>[\w-]*))?")
# With templates in it, an address ends nowhere in particular; what follows it chooses nothing.
_DASHBOARD = re.compile(rf"/d/(?P<uid>{conventions.DASHBOARD_UID_PREFIX}[\w-]+)(?P<rest>(?:(?!/d/).)*)")
_PANEL = re.compile(r"\bviewPanel=(?:panel-)?(\w+)")
_CHOICE = re.compile(r"\bvar-(\w+)=")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Board:
    """What a link to a dashboard can name."""

    panels: frozenset[str]
    variables: frozenset[str]


def check(tree: Tree) -> Iterator[Finding]:
    """Find links whose target, heading or panel does not exist."""
    for path in tree.files(*_PAGES):
        for link in markdown.parse(tree.text(path)).links:
            yield from _markdown_link(tree, path, link)
    boards = dict(_boards(tree))
    for path in tree.files("alerts/*", "dashboards/*.json"):
        for number, line in enumerate(tree.text(path).splitlines(), start=1):
            for found in _RUNBOOK.finditer(line):
                yield from _runbook_link(tree, path, number, found)
            for found in _DASHBOARD.finditer(line):
                yield from _dashboard_link(boards, path, number, found)


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


def _dashboard_link(boards: Mapping[str, _Board], path: str, line: int, found: re.Match[str]) -> Iterator[Finding]:
    uid, board = found["uid"], boards.get(found["uid"])
    if board is None:
        yield _broken(path, line, f"links to the dashboard {uid}, which", did_you_mean(uid, boards))
        return
    for panel in _PANEL.findall(found["rest"]):
        if panel not in board.panels:
            yield _broken(path, line, f"links to panel {panel} of the dashboard {uid}, which")
    for variable in _CHOICE.findall(found["rest"]):
        if variable not in board.variables:
            near = did_you_mean(variable, board.variables)
            yield _broken(path, line, f"chooses the variable {variable} of the dashboard {uid}, which", near)


def _boards(tree: Tree) -> Iterator[tuple[str, _Board]]:
    """Return every dashboard by its uid."""
    for dashboard in dashboards(tree):
        panels = frozenset(str(panel.body.get("id")) for panel in dashboard.panels)
        variables = frozenset(variable.text("name") for variable in dashboard.variables)
        yield dashboard.uid, _Board(panels=panels, variables=variables)


def _broken(path: str, line: int, what: str, near: str = "") -> Finding:
    return Finding(
        file=path,
        line=line,
        message=f"{what} does not exist{near}",
        next_step="bring the target back, or mend the link (in a generated file: in the catalog)",
    )
