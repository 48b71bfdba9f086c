"""A message as typed blocks, always within Slack's limits.

Built by `pager.slack.message`; printed for Slack by `pager.slack.wire` and as a preview by the console. The makers below cut
whatever they are given, so that no text can make Slack refuse a message.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from atlas_ops.pager import texts

HEADER_LIMIT = 150
TEXT_LIMIT = 3000
FIELD_LIMIT = 2000
FIELDS_LIMIT = 10
URL_LIMIT = 3000
WORDS_LIMIT = 400
"""Slack takes 2,000 for a picture; more than a sentence or two nobody has read out."""
CONFIRM_LIMIT = 300
URLS_LIMIT = 3000
"""All addresses of a message together: Slack's sum may count them, so they must leave room for the texts."""
FALLBACK_LIMIT = 3900
"""Slack splits a text above about 4,000 characters into two messages."""

_MENTION = re.compile(r"@(?=channel|here|everyone)", re.IGNORECASE)
_ID = re.compile(r"[UWS][A-Z0-9]{1,20}")
_GRAVE = "\N{MODIFIER LETTER GRAVE ACCENT}"
_PLAIN_TEXT = str.maketrans(
    {
        "<": "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}",
        ">": "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}",
        "&": "+",
    }
)


class Style(Enum):
    """How a span looks."""

    PLAIN = "plain"
    BOLD = "bold"
    CODE = "code"
    BLOCK = "block"
    """A code block of its own lines."""
    TIME = "time"
    """A moment, which Slack shows in the reader's time zone."""
    MENTION = "mention"
    """A person or user group, whom Slack notifies; the text is an id of Slack's, never what an alert says."""


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of text in one style, not escaped. `at` is the Unix time of a moment."""

    style: Style
    text: str
    at: float = 0.0


Text = tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Header:
    """The title."""

    text: str


@dataclass(frozen=True, slots=True)
class Section:
    """A paragraph."""

    text: Text


@dataclass(frozen=True, slots=True)
class Fields:
    """Short texts in two columns."""

    fields: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Context:
    """Small print."""

    text: Text


@dataclass(frozen=True, slots=True)
class Link:
    """A button that opens a page."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Links:
    """A row of buttons."""

    links: tuple[Link, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Button:
    """A button that the pager hears of when it is pressed: which one (`action`), and about which incident."""

    action: str
    label: str
    incident: str
    urgent: bool = False
    """Whether it stands out among the others."""
    sure: str = ""
    """What is asked before it counts; empty: nothing."""


@dataclass(frozen=True, slots=True)
class Buttons:
    """A row of buttons to press."""

    buttons: tuple[Button, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """A file that Slack has, by its id; `words` say what it shows to those who do not see it."""

    file: str
    words: str


Block = Header | Section | Fields | Context | Links | Buttons | Picture


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """A message for Slack. `event` is the last event of the timeline that a reply tells; 0 for the first message."""

    incident: str
    event: int
    text: str
    """What notifications and clients without blocks show."""
    blocks: tuple[Block, ...]


def bare(message: Message) -> Message:
    """Return a message without its pictures: a file may be gone, and that must not cost the rest."""
    kept = tuple(block for block in message.blocks if not isinstance(block, Picture))
    return replace(message, blocks=kept)


def escape(text: str) -> str:
    """Return text that Slack shows as it is: no markup, no mention."""
    safe = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MENTION.sub("@\u200b", safe)


def size(text: str) -> int:
    """Return a text's length as Slack may count it at worst: escaped, in UTF-16 units."""
    return len(escape(text).encode("utf-16-le", "replace")) // 2


def cut(text: str, limit: int) -> str:
    """Return the text, or as much of its beginning as fits into `limit`, as Slack may count it, with an ellipsis."""
    return texts.cut(text, limit, size)


def plain(text: str) -> Span:
    """Return plain text; it cannot begin a piece of code."""
    return Span(Style.PLAIN, text.replace("`", _GRAVE))


def bold(text: str) -> Span:
    """Return bold text, on one line."""
    return Span(Style.BOLD, " ".join(text.split()).replace("*", "\N{ASTERISK OPERATOR}"))


def code(text: str) -> Span:
    """Return a piece of code within a line; it cannot be ended from inside."""
    return Span(Style.CODE, " ".join(text.split()).replace("`", _GRAVE))


def block(text: str) -> Span:
    """Return a block of code; it cannot be ended from inside."""
    return Span(Style.BLOCK, text.replace("```", _GRAVE * 3))


def time(at: float, text: str) -> Span:
    """Return a moment; `text` is shown where times cannot be converted."""
    return Span(Style.TIME, text, at)


def mention(name: str) -> Span:
    """Return the call of a person (U..., W...) or a user group (S...) by id; plain text for what is no id."""
    return Span(Style.MENTION, name) if _ID.fullmatch(name) else plain(name)


def header(text: str) -> Header:
    """Return a title within Slack's limit. Characters of markup are replaced: plain text has no escape for them."""
    safe = _MENTION.sub("@\u200b", " ".join(text.split()).translate(_PLAIN_TEXT))
    return Header(cut(safe, HEADER_LIMIT) or "…")


def section(spans: Iterable[Span], limit: int = TEXT_LIMIT) -> Section:
    """Return a paragraph within a limit."""
    return Section(fitted(spans, min(limit, TEXT_LIMIT)))


def fields(texts: Sequence[Iterable[Span]], limit: int = FIELD_LIMIT) -> Fields:
    """Return up to ten fields, each within a limit."""
    return Fields(tuple(fitted(text, min(limit, FIELD_LIMIT)) for text in texts[:FIELDS_LIMIT]))


def links(wanted: Iterable[Link]) -> Links:
    """Return the buttons whose address Slack accepts, the first ones where not all fit."""
    kept: list[Link] = []
    left = URLS_LIMIT
    for link in wanted:
        if _opens(link.url) and len(link.url.encode()) <= min(left, URL_LIMIT):
            left -= len(link.url.encode())
            kept.append(link)
    return Links(tuple(kept))


def picture(file: str, words: str) -> Picture:
    """Return a picture of a file, with words within a limit."""
    return Picture(file, cut(" ".join(words.split()), WORDS_LIMIT) or "A chart")


def fitted(spans: Iterable[Span], limit: int) -> Text:
    """Return as many of the spans as fit, the last one cut; a code block is never left open."""
    kept: list[Span] = []
    left = limit
    for span in spans:
        marks = _MARKS[span.style]
        if not span.text:
            continue
        if left < marks + 2:
            break
        text = span.text if span.style in (Style.TIME, Style.MENTION) else cut(span.text, left - marks)
        left -= marks + size(text)
        kept.append(Span(span.style, text, span.at))
        if text != span.text:
            break
    return tuple(kept)


# Characters that the printed form adds to a span; a moment needs `<!date^1700000000.0^{date_short_pretty} {time_secs}|>`.
_MARKS = {Style.PLAIN: 0, Style.BOLD: 2, Style.CODE: 2, Style.BLOCK: 8, Style.TIME: 80, Style.MENTION: 40}


def _opens(url: str) -> bool:
    return url.startswith(("http://", "https://")) and not re.search(r"[\s<>|]", url)
