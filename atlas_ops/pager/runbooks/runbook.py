"""Finds and reads runbooks: their sections, and the steps of those that tell what to do.

Called by `pager.slack.message` (the first steps of a page) and the console (the whole page, with `pager.runbooks.html`).
Under Diagnosis and Mitigation stands a numbered list; each item begins with a bold title, followed by `(read)` or
`(change; undo: ...)`, then prose and code blocks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from atlas_ops.pager.runbooks import front_matter, placeholder
from atlas_ops.pager.runbooks.placeholder import Values

SHELL = ("", "bash", "sh", "shell", "console")
"""Info strings of code blocks that hold commands."""
_FACTS_MARKER = re.compile(r"^<!-- facts:(?:begin|end).*-->[ \t]*$", re.MULTILINE)
_INLINE = ("inline", "strong", "em", "link")
"""Nodes whose children are parts of one line of text."""
_EFFECT = re.compile(r"(read|change)\b[;,]?\s*(?:undo:\s*)?(.*)", re.DOTALL)


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One step of a section. `effect` is `read`, `change`, or empty when the runbook does not say."""

    title: str
    effect: str
    undo: str
    prose: str
    commands: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Runbook:
    """A runbook as it was written, placeholders and all."""

    fault: str
    family: str
    text: str
    """Its Markdown."""

    def steps(self, section: str) -> tuple[Step, ...]:
        """Return the items of the numbered lists under `## section`; none when it has no such section or list."""
        lists = [node for node in _section(self.text, section) if node.type == "ordered_list"]
        return tuple(_step(item) for node in lists for item in node.children)


def names(folder: Path) -> tuple[tuple[str, str], ...]:
    """Return (family, fault) of every runbook in the folder, sorted."""
    return tuple((path.parent.name, path.stem) for path in _files(folder))


def load(folder: Path, fault: str) -> Runbook | None:
    """Return the runbook of a fault, or None when there is none that can be read."""
    # The name is only compared, never joined to a path: whatever it holds, it leads nowhere else.
    path = next((path for path in _files(folder) if path.stem == fault), None)
    try:
        text = path.read_text(encoding="utf-8", errors="replace") if path else None
    except OSError:
        text = None
    return None if path is None or text is None else Runbook(fault=fault, family=path.parent.name, text=text)


def fill(step: Step, values: Values) -> Step:
    """Return the step with its placeholders filled in; commands that lack a value are left out."""
    filled = [placeholder.fill_commands(command, values).text for command in step.commands]
    return Step(
        title=placeholder.fill_text(step.title, values),
        effect=step.effect,
        undo=placeholder.fill_text(step.undo, values, quoted=True),
        prose=placeholder.fill_text(step.prose, values),
        commands=tuple(command for command in filled if command),
    )


def parser() -> MarkdownIt:
    """Return the parser for runbooks: CommonMark and tables; no HTML, and no pictures."""
    return MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")


def source(text: str) -> str:
    """Return a runbook's Markdown without its front matter and the markers of its facts block, line numbers kept."""
    return _FACTS_MARKER.sub("", front_matter.body(text))


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*/*.md") if path.stem != "README" and path.is_file())


def _section(text: str, title: str) -> Iterator[SyntaxTreeNode]:
    inside = False
    for node in SyntaxTreeNode(parser().parse(source(text))).children:
        if node.type == "heading" and node.tag in ("h1", "h2"):
            inside = node.tag == "h2" and _text(node).strip() == title
        elif inside:
            yield node


def _step(item: SyntaxTreeNode) -> Step:
    first = item.children[0] if item.children and item.children[0].type == "paragraph" else None
    title, rest = _title(first) if first else ("", "")
    inner, after = _parenthesis(rest)
    effect = _EFFECT.fullmatch(inner)
    others = [_text(node) for node in item.children if node is not first]
    prose = [after if effect else rest, *others]
    return Step(
        title=title,
        effect=effect[1] if effect else "",
        undo=_one_line(effect[2]) if effect else "",
        prose="\n".join(text for text in map(_one_line, prose) if text),
        commands=tuple(
            node.content.strip("\n") for node in item.walk() if node.type == "fence" and _info(node) in SHELL
        ),
    )


def _title(paragraph: SyntaxTreeNode) -> tuple[str, str]:
    """Return the bold words that a paragraph begins with, and the text after them; without any, its first sentence."""
    inline = paragraph.children[0].children
    if inline and inline[0].type == "text" and not inline[0].content:
        inline = inline[1:]  # the parser puts an empty text before bold words
    if inline and inline[0].type == "strong":
        return _one_line(_text(inline[0])).rstrip("."), "".join(_text(node) for node in inline[1:])
    sentence, _, rest = _one_line(_text(paragraph)).partition(". ")
    return sentence.rstrip("."), rest


def _parenthesis(text: str) -> tuple[str, str]:
    """Split `(inside, even (nested)) after`; ("", text) when the text does not begin with a parenthesis."""
    stripped = text.lstrip(" \n.")
    depth = 0
    for position, letter in enumerate(stripped if stripped.startswith("(") else ""):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if depth == 0:
            return stripped[1:position], stripped[position + 1 :].lstrip(" .\n")
    return "", text


def _text(node: SyntaxTreeNode) -> str:
    if node.type in ("text", "code_inline"):
        return node.content
    if node.type in ("softbreak", "hardbreak"):
        return " "
    if node.type in ("fence", "code_block", "table"):  # a table without its columns is no text
        return ""
    between = "" if node.type in _INLINE else " "
    return between.join(map(_text, node.children))


def _info(node: SyntaxTreeNode) -> str:
    return node.info.strip().split(" ")[0].lower() if node.info.strip() else ""


def _one_line(text: str) -> str:
    return " ".join(text.split())
