"""Fills `{{pod}}` and its kind in the text and the commands of a runbook with what is known of an alert.

Called by `pager.runbooks.runbook` and `pager.runbooks.html`, on text that Markdown has already been parsed out of: a value can
never become markup. In a command a value can never be more than one word, or a part of one. `pager.diagnosis` finds
placeholders here too, and quotes for PromQL.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

# `{{.Names}}` is a template of some other tool (docker, kubectl) inside a command: it is left alone.
PLACEHOLDER = re.compile(r"\{\{\s*([a-z0-9_]+(?:\s*\|\s*[a-z0-9_]+)*)\s*\}\}")
# Where a value would be read by a shell a second time, or inside quotes of a kind of their own, no quoting is safe.
_READ_TWICE = re.compile(r"<<|`|\$'|\b(?:ssh|eval|watch|xargs|parallel|(?:ba|da|z|k)?sh\s+-\w*c|su\s+-\w*c)\b")
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+=,][A-Za-z0-9_./:@%+=,-]*\Z")

Values = Mapping[str, str]
"""What is known of an alert: {placeholder: value}; no entry, or an empty one, when it is not known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Commands:
    """The commands of a code block that can be run for an alert, and the words that others lacked."""

    text: str
    lacking: tuple[str, ...]


def fill_text(text: str, values: Values, *, quoted: bool = False) -> str:
    """Fill in prose: the first alternative that is known; `<pod>` when none is.

    `quoted`: the text is a command within a sentence, so a value that is not plain is quoted for the shell.
    """

    def fill(found: re.Match[str]) -> str:
        value = value_of(found, values)
        if not value:
            return f"<{'|'.join(alternatives(found))}>"
        return value if not quoted or _PLAIN.match(value) else shlex.quote(value)

    return PLACEHOLDER.sub(fill, text)


def fill_commands(code: str, values: Values) -> Commands:
    """Fill in shell commands; a command that lacks a value is left out, with the comment lines above it.

    A value that is not plain is quoted for the shell. Where that would not be safe (inside quotes, in text that a second
    shell reads, or when the value would read as an option), the value counts as lacking.
    """
    once = not _READ_TWICE.search(code)
    kept: list[str] = []
    comments: list[str] = []
    lacking: dict[str, None] = {}
    for command in commands(code):
        if command.lstrip().startswith("#"):
            comments.append(fill_text(command, values))
            continue
        filled, missing = _fill_command(command, values, once=once)
        lacking.update(dict.fromkeys(missing))
        if not missing:
            kept += [*comments, filled]
        comments = []
    return Commands(text="\n".join([*kept, *comments]).strip("\n"), lacking=tuple(lacking))


def _fill_command(command: str, values: Values, *, once: bool) -> tuple[str, tuple[str, ...]]:
    missing: list[str] = []

    def fill(found: re.Match[str]) -> str:
        value = value_of(found, values)
        if value and not _PLAIN.match(value):
            bare = once and not value.startswith("-") and _context(command[: found.start()]) == "bare"
            value = shlex.quote(value) if bare else ""
        if not value:
            missing.append("|".join(alternatives(found)))
        return value

    return PLACEHOLDER.sub(fill, command), tuple(missing)


def value_of(found: re.Match[str], values: Values) -> str:
    """Return what one placeholder stands for, the first alternative that is known; empty when none is."""
    return next((values[word] for word in alternatives(found) if values.get(word)), "")


def alternatives(found: re.Match[str]) -> tuple[str, ...]:
    """Return the words of one placeholder."""
    return tuple(word.strip() for word in found[1].split("|"))


def commands(code: str) -> Iterator[str]:
    """Split a block into commands: lines, joined while a quote is open or a backslash ends them."""
    lines: list[str] = []
    for line in code.splitlines():
        lines.append(line)
        command = "\n".join(lines)
        if _context(command) == "bare":
            yield command
            lines = []
    if lines:
        yield "\n".join(lines)


def _context(text: str) -> str:
    """Return how the shell would read what comes next: `bare`, inside `single` or `double` quotes, or `escaped`."""
    state, position, word_start = "bare", 0, True
    while position < len(text):
        letter = text[position]
        if state == "bare" and letter == "#" and word_start:
            newline = text.find("\n", position)
            if newline < 0:
                return state
            position = newline
            letter = "\n"
        elif letter == "\\" and state != "single":
            position += 1
        elif letter == "'" and state != "double":
            state = "bare" if state == "single" else "single"
        elif letter == '"' and state != "single":
            state = "bare" if state == "double" else "double"
        word_start = letter.isspace() or letter in ";|&("
        position += 1
    return state if position == len(text) else "escaped"
